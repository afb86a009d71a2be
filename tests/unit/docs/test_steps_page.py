"""The page of the steps is true and complete: each refusal of the step classes is on it, or is one of the SDK, too."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.generate.steps import DIFFERENCES, classes, run
from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.human_review import HumanReview
from workflow.steps import definition

# isort: split
import stepfunctions.steps as plain
from stepfunctions.exceptions import DuplicateStatesInChain
from stepfunctions.inputs import ExecutionInput

MODULES = ["steps.py", "asl/blocks.py", "asl/plain.py", "asl/rendering.py", "asl/reach.py"]

RENDERED = (
    '"Next": "C"',
    '"Default": "C"',
    '"Default": "B"}, "B": {"Type": "Fail"}}',
    '[{"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}, {"StartAt": "B"',
    '"B": {"Type": "Fail"}}}]}, "B": {"Type": "Fail"}}',
    '"Resource": "arn:aws:states:::lambda:invoke"',
    '"Retry": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]',
    '{"A": {"Type": "Task", "End": true}}',
    '{"A": {"Type": "Pass", "End": true}}',
    '"C": {"Parameters": {"x.$": "$[\'y\']"}',
    '"StartAt": 7',
    r'"StartAt": "A\nB"',
    '"Result": {"1": "x"}',
    '"Result": NaN',
)
"""What the SDK renders for each difference."""

BOTH = [
    ('start = Pass("A", resource="x")', TypeError),
    ("start = Retry(delay=1)", TypeError),
    ('start = Catch(Fail("A"), delay=1)', TypeError),
    ('start = Chain(Pass("A"))', TypeError),
    ('start = Wait("A")', ValueError),
    ('start = Task("A", timeout_seconds=1, timeout_seconds_path="$.x")', ValueError),
    ('start = Pass("A"); start.add_retry(Retry(error_equals=["E"]))', ValueError),
    ('start = Choice("A"); start.add_catch(Catch(Fail("B"), error_equals=["E"]))', ValueError),
    ('start = Chain([Fail("A"), Pass("B")])', ValueError),
    ('a = Pass("A"); start = Chain([a, a])', DuplicateStatesInChain),
    ('a = Pass("A"); start = Chain([a]); start.append(a)', DuplicateStatesInChain),
    ('start = Chain([Pass("A"), Pass("B"), Pass("A")])', ValueError),
    (
        'a = Pass("A"); start = Chain([a, Pass("B"), Pass("C", parameters={"x": a.output()["y"]})])',
        ValueError,
    ),
    ("start = Chain()", ValueError),
    ('value = {}; value["x"] = value; start = Pass("A", result=value)', ValueError),
    ('start = Parallel("A"); start.add_branch("B")', ValueError),
    ('start = Map("A")', ValueError),
    ('start = "A"', ValueError),
]
"""Errors in both, with the type that the SDK raises."""

LATER = [
    'start = Chain(["A"])',
    'start = Chain(); start.append("A")',
    'start = Pass("A"); start.next("B")',
    'start = Choice("A"); start.add_choice("$.x", Pass("B"))',
    'start = Choice("A"); start.add_choice(ChoiceRule.IsPresent("$.x", True), "B")',
    'start = Choice("A"); start.default_choice("B")',
    'start = Task("A", catch=Catch("B", error_equals=["E"]))',
    'start = Task("A", retry={"error_equals": ["E"]})',
    'start = Task("A", parameters=ExecutionInput()["x"])',
    'start = Task("A", parameters={"x": [ExecutionInput()["y"]]})',
    'start = Pass("A", result={1, 2})',
]
"""What the SDK takes, and fails to render with an error of Python that names no state."""

ONLY_HERE = [
    'start = AwsSdkTask("A", service="S3", action="listBuckets")',
    'start = AwsSdkTask("A", service="s3", action="ListBuckets")',
    'start = ChoiceRule.Condition("$x")',
    'start = Map("A", item_processor="B")',
    'start = Map("A", item_processor=Pass("B"), iterator=Pass("C"))',
    'start = Map("A", item_processor=HumanReview("B", stage="prod", input_content={}, task_lifetime_seconds=60,'
    ' timeout_seconds=3600, flow_definition_arn="arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f"))',
]
"""Mistakes with what the SDK does not have."""


def of_the_sdk() -> dict[str, Any]:
    return {**vars(plain), "ExecutionInput": ExecutionInput}


def rendered_by_the_sdk(statements: str) -> str:
    return str(plain.Graph(run(statements, of_the_sdk())).to_json())


def refused(statements: str, expected: Any = WorkflowError) -> Exception:
    with pytest.raises(expected) as raised:
        definition(run(statements, {**classes(), "HumanReview": HumanReview}))
    assert "\n" not in str(raised.value)
    return raised.value


def test_each_difference_is_accepted_by_the_sdk() -> None:
    assert len(RENDERED) == len(DIFFERENCES)
    for difference, part in zip(DIFFERENCES, RENDERED, strict=True):
        assert part in rendered_by_the_sdk(difference.code), difference.code


def test_each_difference_is_on_the_page_with_its_error() -> None:
    page = (ROOT / "docs" / "reference" / "steps.md").read_text()
    for difference in DIFFERENCES:
        error = refused(difference.code, (WorkflowError, AttributeError))
        assert f"| `{difference.code}` |" in page.replace("\\|", "|")
        assert f"| `{error}` |" in page


@pytest.mark.parametrize(("statements", "of_sdk"), BOTH)
def test_error_of_the_sdk_is_of_the_same_type(statements: str, of_sdk: type[Exception]) -> None:
    with pytest.raises(of_sdk):
        rendered_by_the_sdk(statements)
    assert isinstance(refused(statements), of_sdk)


@pytest.mark.parametrize("statements", LATER)
def test_what_the_sdk_cannot_render_is_refused(statements: str) -> None:
    start = None
    with pytest.raises((AttributeError, TypeError)):
        start = rendered_by_the_sdk(statements)
    assert start is None
    assert "example.py:1" in str(refused(statements))


def test_each_refusal_is_classified() -> None:
    """A new check of the step classes needs an example here, or a row on the page if the SDK accepts the code."""
    examples = [difference.code for difference in DIFFERENCES]
    examples += [statements for statements, _ in BOTH] + LATER + ONLY_HERE
    reached = set()
    for statements in examples:
        error = refused(statements, (WorkflowError, AttributeError))
        reached |= {(at.filename, at.lineno) for at in traceback.extract_tb(error.__traceback__)}
    for name in MODULES:
        file = str(ROOT / "workflow" / name)
        missing = [
            line
            for line, end in raises(Path(file))
            if not reached & {(file, at) for at in range(line, end + 1)}
        ]
        assert missing == [], f"workflow/{name}: no example for the error in these lines"


def raises(file: Path) -> Iterator[tuple[int, int]]:
    """First and last line of each `raise` of a new error, except for a name that cannot be imported."""
    tree = ast.parse(file.read_text())
    for part in tree.body:
        if not (isinstance(part, ast.FunctionDef) and part.name == "__getattr__"):
            for node in ast.walk(part):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    yield node.lineno, node.end_lineno or node.lineno
