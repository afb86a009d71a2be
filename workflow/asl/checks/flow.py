"""What is known of the data of an execution before and after a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from workflow.asl.checks.shapes import (
    Key,
    List,
    Object,
    Part,
    Shape,
    at,
    joined,
    literal,
    object_of,
    placed,
    possibly_with,
    silenced,
)
from workflow.asl.integration import integration_of
from workflow.asl.walk import Way, is_distributed

__all__ = [
    "Path",
    "after_choice",
    "of_items",
    "with_item",
    "context_of",
    "with_variables",
    "written",
    "CONTEXT",
    "ERROR",
    "Facts",
    "Flow",
    "Read",
    "Replaced",
    "Root",
    "Visit",
    "joined_facts",
]

Root = Literal["input", "result", "error", "context", "variables"]
"""What a path starts from."""


Path = tuple[Root, tuple[Part, ...]]
"""What a path starts from, and its steps."""


def _context() -> Object:
    text, number = literal(""), literal(0)
    execution = dict.fromkeys(("Id", "Name", "RoleArn", "StartTime", "RedriveTime"), text)
    parts: dict[str, dict[str, Shape]] = {
        "Execution": {**execution, "RedriveCount": number, "Input": None},
        "State": {"EnteredTime": text, "Name": text, "RetryCount": number},
        "StateMachine": {"Id": text, "Name": text},
    }
    return object_of(
        {name: object_of(keys, names="probable") for name, keys in parts.items()}, names="probable"
    )


CONTEXT: Shape = _context()
"""The Context object, without what exists only in a Map, or in a Task that waits for a token.

Source: Accessing execution data from the Context object, Step Functions developer guide.
"""


class Replaced(NamedTuple):
    """A step that replaced the state: what it did, as a clause, how to avoid it, and what was known before it."""

    what: str
    fix: str
    before: Facts


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known when a state starts.

    Attributes:
        input: The shape of its input.
        variables: The variables.
        replaced: The last step that replaced the whole state.
        tested: The paths that Choices before it have tested, each with the Choice.
        outside: The variables that it cannot see, because it is in a distributed Map.
        context: The Context object.
    """

    input: Shape
    variables: Object = field(default_factory=lambda: Object({}))
    replaced: Replaced | None = None
    tested: frozenset[tuple[str, str]] = frozenset()
    outside: frozenset[str] = frozenset()
    context: Shape = CONTEXT


class Read(NamedTuple):
    """A path that a state reads.

    Attributes:
        path: As it is written.
        root: What it starts from.
        parts: Its steps.
        shape: The shape of its root.
        is_tolerant: Whether the state also works without a value there.
        maps: Whether a name of a list selects it in all items, as in JSONata.
        expects: What the field needs: "list", "items", "number", "string"; "a string" and the like, if a
            rule compares it with one; "an array" and the like, if an intrinsic function takes it; empty if anything.
    """

    path: str
    root: Root
    parts: tuple[Part, ...]
    shape: Shape
    is_tolerant: bool = False
    maps: bool = False
    expects: str = ""


@dataclass
class Flow:
    """What a state does with its data.

    Attributes:
        reads: The paths that it reads.
        problems: Other mistakes.
        out: The ways out, each with what is known on it.
        end: The shape of the machine's output, if an execution can end here.
        ends: Whether it can.
    """

    reads: list[Read] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    out: list[tuple[Way, Facts]] = field(default_factory=list)
    end: Shape = None
    ends: bool = False


class Visit(NamedTuple):
    """A state to be analysed.

    Attributes:
        name: Its name.
        state: The state.
        facts: What is known when it starts.
        result: The shape of a Task's result.
        inside: Analyses the nested machines with what is known when they start; returns the shapes of their outputs.
        is_own: Whether the paths that it reads are not reported.
    """

    name: str
    state: Mapping[str, Any]
    facts: Facts
    result: Shape
    inside: Callable[[Facts], list[Shape]]
    is_own: bool = False


ERROR = object_of(dict.fromkeys(("Error", "Cause"), literal("")))
"""The error that a catcher adds to the input, or replaces it with."""


def joined_facts(
    one: Facts, other: Facts, way_of_one: Callable[[str], str], way_of_other: Callable[[str], str]
) -> Facts:
    """What is known after one way or the other; `one` itself if the other adds nothing.

    Args:
        one: What is known so far.
        other: What is known on another way.
        way_of_one: Names the way of `one`, on which a key is missing.
        way_of_other: Names the other way.
    """
    shape = joined(one.input, other.input, way_of_one, way_of_other)
    variables = joined(one.variables, other.variables, way_of_one, way_of_other)
    tested = one.tested if other.tested <= one.tested else one.tested | other.tested
    replaced = one.replaced or other.replaced
    assert isinstance(variables, Object)
    if (
        shape is one.input
        and variables is one.variables
        and tested is one.tested
        and replaced is one.replaced
    ):
        return one
    return replace(one, input=shape, variables=variables, replaced=replaced, tested=tested)


def with_variables(facts: Facts, values: Shape, name: str) -> Facts:
    """What is known after a state has set variables."""
    if not isinstance(values, Object):
        return facts
    new = {variable: Key(key.shape, by=name) for variable, key in values.keys.items()}
    return replace(facts, variables=Object({**facts.variables.keys, **new}))


def after_choice(facts: Facts, choice: str, guarded: list[Path], paths: list[Path]) -> Facts:
    """What is known after a Choice.

    A Choice can tell the ways apart on which a key is missing: by a path that an earlier Choice has tested, by a path
    that itself is missing on some of them, or by a value that they wrote differently. Then its author knows, and
    nothing that may be missing is reported after it.
    """
    roots = {"input": facts.input, "variables": facts.variables}
    texts = {(root, parts): f"{root}{parts}" for root, parts in paths if root in roots}
    tells = any(
        _varies(parts, roots[root])
        or any(text == earlier and other != choice for earlier, other in facts.tested)
        for (root, parts), text in texts.items()
    )
    of_input = possibly_with(facts.input, [parts for root, parts in guarded if root == "input"])
    variables = possibly_with(facts.variables, [parts for root, parts in guarded if root == "variables"])
    if tells:
        of_input, variables = silenced(of_input), silenced(variables)
    return replace(
        facts,
        input=of_input,
        variables=variables if isinstance(variables, Object) else facts.variables,
        tested=facts.tested | {(text, choice) for text in texts.values()},
    )


def _varies(parts: tuple[Part, ...], shape: Shape) -> bool:
    """Whether a path is missing on some ways, or several states wrote it."""
    for part in parts:
        key = shape.get(part) if isinstance(shape, Object) and isinstance(part, str) else None
        if key is None:
            return False
        if key.lacking or key.by == "":
            return True
        shape = key.shape
    return False


def of_items(facts: Facts, state: Mapping[str, Any], item: Shape, replaced: Replaced | None) -> Facts:
    """What is known when the item processor of a Map starts.

    Args:
        facts: What is known when the Map starts, with the item in its context.
        state: The Map.
        item: The shape of the input of the item processor.
        replaced: The last step that replaced the state.
    """
    given = replace(facts, input=item, replaced=replaced)
    if not is_distributed(state):
        return given
    # Each item has its own execution.
    context = placed(facts.context, ("Execution", "Input"), None)
    return replace(given, context=context, variables=Object({}), outside=frozenset(facts.variables.keys))


def with_item(facts: Facts, items: Shape) -> Facts:
    """What is known where `$$.Map.Item.Value` is an item of a list."""
    item = items.any_item if isinstance(items, List) else None
    return replace(facts, context=placed(facts.context, ("Map",), _of_map(item)))


def _of_map(item: Shape) -> Shape:
    return object_of({"Item": object_of({"Index": literal(0), "Value": item}, names="open")})


def context_of(state: Mapping[str, Any], outside: Shape) -> Shape:
    """The Context object as a state sees it: with the items of a Map, and the token that a Task waits for.

    Args:
        state: The state.
        outside: The Context object of its machine.
    """
    called = integration_of(state)
    if state["Type"] == "Map" and at(["Map"], outside) is None:
        return placed(outside, ("Map",), _of_map(None))
    if state["Type"] != "Task" or (called and called.form != ".waitForTaskToken"):
        return outside
    return placed(outside, ("Task",), object_of({"Token": literal("")}))


def written(state: Mapping[str, Any], outputs: list[Shape]) -> Shape:
    """The result of a Map, from the outputs of its item processor."""
    if "ResultWriter" not in state:
        return List(item=outputs[0] if outputs else None)
    if "Resource" not in state["ResultWriter"]:
        return None
    place = dict.fromkeys(("Bucket", "Key"), literal(""))
    return object_of({"MapRunArn": literal(""), "ResultWriterDetails": object_of(place)})
