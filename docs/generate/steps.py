"""The page of the step classes: what they add to the SDK's, and what they refuse that the SDK accepts."""

from __future__ import annotations

from typing import Any, NamedTuple

from docs.generate.markdown import code, table
from workflow import steps as door
from workflow.asl.blocks import Fields
from workflow.errors import WorkflowError

__all__ = ["DIFFERENCES", "Difference", "classes", "run", "steps"]


class Difference(NamedTuple):
    """What the SDK accepts, and `workflow.steps` refuses on purpose.

    Attributes:
        code: Statements with the names of the SDK, which set `start`, the first step of a machine.
        sdk: What the SDK makes of it.
        why: Why it is refused.
    """

    code: str
    sdk: str
    why: str


_RULE = 'ChoiceRule.IsPresent("$.x", True)'

DIFFERENCES = (
    Difference(
        'start = Pass("A"); start.next(Pass("B")); start.next(Pass("C"))',
        "The last `next` counts: B and what follows it are not in the machine.",
        "Half of the machine is lost without a word.",
    ),
    Difference(
        'start = Choice("A"); start.default_choice(Pass("B")); Chain([start, Pass("C")])',
        "The step after a Choice in a chain is its default: it replaces B, with a line in the log.",
        "The steps of the first default are lost.",
    ),
    Difference(
        f'start = Choice("A"); start.add_choice({_RULE}, Fail("B")); start.default_choice(Fail("B"))',
        "Two states of one name are one state if they render alike, and an error if not.",
        "Whether a machine renders would depend on a detail: adding a step to one of the two breaks the other.",
    ),
    Difference(
        'start = Parallel("A"); start.add_branch(Pass("B")); start.add_branch(Pass("B"))',
        "Both branches have a state B.",
        "Names are unique within the whole machine, says Amazon States Language; Step Functions refuses it.",
    ),
    Difference(
        'end = Fail("B"); inside = Task("A", catch=Catch(end, error_equals=["States.ALL"]));'
        ' start = Parallel("P", catch=Catch(end, error_equals=["States.ALL"])); start.add_branch(inside)',
        "The state is in the branch, and again outside of it.",
        "It is one object in Python, but two states in Step Functions, with one name.",
    ),
    Difference(
        'start = LambdaStep("A", resource="arn:aws:lambda:us-east-1:111122223333:function:f")',
        "The resource is overwritten with the class's own.",
        "The step calls something else than its code says.",
    ),
    Difference(
        'start = Task("A", retry=Catch(Fail("B"), error_equals=["States.ALL"]))',
        "The state has a Retry that is no retrier.",
        "Step Functions refuses the definition, and names no line of your code.",
    ),
    Difference(
        'start = Task("A"); start.retires',
        "Every attribute exists: a misspelled one is `None`.",
        "A condition on a misspelled attribute is never true.",
    ),
    Difference(
        'start = Pass("A"); start.result_path = "$.x"',
        "The attribute is set, and the state has no ResultPath: only the arguments of the class are rendered.",
        "The step replaces the state, although its code says otherwise.",
    ),
    Difference(
        'first = Pass("A"); start = Chain([first, Pass("B")]);'
        ' start.steps[-1].next(Chain([Pass("C", parameters={"x": first.output()["y"]})]))',
        "A placeholder must refer to the step before, but the SDK does not look into a chain after `next`.",
        "The path of A's output is read from the output of B.",
    ),
    Difference(
        "start = Pass(7)",
        "StartAt is a number.",
        "Step Functions refuses the definition.",
    ),
    Difference(
        r'start = Pass("A\nB")',
        "The name has a line break.",
        "The name is in the graph, in messages and in logs, each of which has it on one line.",
    ),
    Difference(
        'start = Pass("A", result={1: "x"})',
        'The key becomes the text "1".',
        "A function gets another key than the code has. Write the text.",
    ),
    Difference(
        'start = Pass("A", result=float("nan"))',
        "The definition has `NaN`, which is not JSON.",
        "Step Functions refuses the definition.",
    ),
)


def steps() -> str:
    """The page."""
    return "\n\n".join(
        [
            "# Steps",
            "The classes of `workflow.steps` are subclasses of those of the `stepfunctions` SDK, 2.3.0. The SDK's"
            " documentation applies. To use them in existing code, replace `stepfunctions.steps` in imports by"
            " `workflow.steps`; the rest of the SDK, such as `stepfunctions.inputs` and `stepfunctions.workflow`, is"
            " imported as before. The definition is the same, and so are the types of errors: a"
            " [`WorkflowError`](errors.md) is a `ValueError`, one about an unknown field is a `TypeError`, and one"
            " about a state twice in a chain is a `DuplicateStatesInChain`.",
            "## Added fields",
            table(
                ["Class", "Fields"], ((code(name), ", ".join(map(code, fields))) for name, fields in _added())
            ),
            "## Stricter than the SDK",
            "The SDK accepts this code; `workflow.steps` reports an error, because the machine is not the one that the"
            " code describes. Other mistakes are errors in both, but here when the step is made, with the"
            " state, the file and the line.",
            table(
                ["Code", "In the SDK", "Here", "Why"],
                ((code(one.code), one.sdk, code(_message(one)), one.why) for one in DIFFERENCES),
            ),
            "## Renders differently",
            "Resources always begin with `arn:aws:`, so that a definition is the same on every machine. The SDK writes"
            " the partition of the current Region, such as `arn:aws-cn:`; Afterloop's template has the stack's.",
        ]
    )


def classes() -> dict[str, Any]:
    """The names that existing code imports."""
    return {name: getattr(door, name) for name in door.__all__}


def run(statements: str, names: dict[str, Any]) -> Any:
    """Runs statements with these names, and returns the `start` that they set."""
    exec(compile(statements, "example.py", "exec"), names)  # noqa: S102 (examples of this module and its tests)
    return names["start"]


def _message(difference: Difference) -> str:
    try:
        door.definition(run(difference.code, classes()))
    except (WorkflowError, AttributeError) as error:
        return str(error)
    raise AssertionError(f"accepted: {difference.code}")


def _added() -> list[tuple[str, tuple[str, ...]]]:
    return [
        (name, one.added_fields)
        for name, one in classes().items()
        if isinstance(one, type) and issubclass(one, Fields) and "added_fields" in vars(one)
    ]
