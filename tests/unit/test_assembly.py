"""From the user's file to the template: what hangs on a step follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow.checks import RESULTS
from workflow.errors import WorkflowError
from workflow.stack.assembly import Assembly, assemble
from workflow.stack.reference.sample import summary

HEAD = "from workflow.steps import *\ncompleted, failed, stopped = [], [], []\n"
COUNT = """
completed = [DynamoDBUpdateItemStep("Count it", parameters={
    "TableName.$": "$.detail.humanLoopName", "Key": {"id": {"S": "all"}}, "UpdateExpression": "ADD n :one",
    "ExpressionAttributeValues": {":one": {"N": "1"}}}, result_path="$.count")]
"""


def _assembled(folder: Path, text: str, root: Path | None = None) -> Assembly:
    file = folder / "post_review.py"
    file.write_text(HEAD + text)
    return assemble(file, **({"root": root} if root else {}))


def _project(folder: Path) -> Path:
    """A copy of the project, as far as its functions go."""
    root = folder / "project"
    (root / "lambdas").mkdir(parents=True)
    for file in (Path(__file__).parents[2] / "lambdas").glob("*.py"):
        (root / "lambdas" / file.name).write_bytes(file.read_bytes())
    return root


def _statements(assembly: Assembly) -> list[dict[str, Any]]:
    role = assembly.template.to_dict()["Resources"]["StateMachineRole"]["Properties"]
    return list(role["Policies"][0]["PolicyDocument"]["Statement"])


def test_a_step_brings_its_permission(tmp_path: Path) -> None:
    step = """
completed = [SqsSendMessageStep("Tell the shop", parameters={
    "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/reviewed", "MessageBody.$": "$.review"})]
"""
    before = _statements(_assembled(tmp_path, ""))
    (added,) = [one for one in _statements(_assembled(tmp_path, step)) if one not in before]
    assert added["Action"] == ["sqs:SendMessage"]
    assert json.dumps(added["Resource"]).count("reviewed") == 1


@pytest.mark.parametrize("name", ["EscalationTopic", "LedgerTable", "NotificationTopic", "ReviewBucket"])
def test_a_step_can_name_what_the_stack_has(tmp_path: Path, name: str) -> None:
    step = (
        'completed = [AwsSdkTask("Look", service="s3", action="headBucket",'
        f' parameters={{"Bucket": "${{{name}}}"}}, result_path="$.bucket")]'
    )
    machine = _assembled(tmp_path, step).template.to_dict()["Resources"]["StateMachine"]["Properties"]
    assert machine["DefinitionSubstitutions"][name] == {"Ref": name}


def test_a_function_that_a_step_names_gets_role_logs_bundle_and_place(tmp_path: Path) -> None:
    step = (
        'completed = [LambdaStep("Praise", parameters={"FunctionName": "praise", "Payload.$": "$.review"},'
        ' result_path="$.praise")]'
    )
    code = '"""Praises."""\n\ndef handler(event, context):\n    return {}\n'
    root = _project(tmp_path)
    (root / "lambdas" / "praise.py").write_text(code)
    assembly = _assembled(tmp_path, step, root)
    resources = assembly.template.to_dict()["Resources"]
    assert {"Praise", "PraiseRole", "PraiseLogs"} <= set(resources)
    assert resources["Praise"]["Properties"]["Code"]["S3Key"] == {"Ref": "PraiseKey"}
    state = assembly.definition["States"]["Praise"]
    assert state["Parameters"]["FunctionName"] == "${PraiseArn}"
    assert state["Retry"]
    assert state["Catch"][0]["Next"] == "Answer workflow anyway"
    assert "post_review.py:" in assembly.places["Praise"]


def test_a_function_that_is_not_there_is_told_with_the_step_that_names_it(tmp_path: Path) -> None:
    step = 'completed = [LambdaStep("X", parameters={"FunctionName": "colect_review", "Payload.$": "$"})]'
    with pytest.raises(WorkflowError, match=r"lambdas/colect_review\.py") as refusal:
        _assembled(tmp_path, step)
    assert "state 'X' (" in str(refusal.value)
    assert "post_review.py:3)" in str(refusal.value)
    assert "name 'collect_review', or" in str(refusal.value)


def test_a_version_of_a_function_is_not_for_a_step_to_choose(tmp_path: Path) -> None:
    step = 'completed = [LambdaStep("X", parameters={"FunctionName": "collect_review", "Qualifier": "live"})]'
    with pytest.raises(WorkflowError, match=r"state 'X' \(.*post_review\.py:3\): leave out Qualifier"):
        _assembled(tmp_path, step)


def test_what_cannot_be_derived_says_what_to_declare_and_then_is_taken(tmp_path: Path) -> None:
    with pytest.raises(
        WorkflowError, match=r"Count it.*post_review\.py:.*dynamodb:UpdateItem.*permissions = "
    ):
        _assembled(tmp_path, COUNT)
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/counts"
    declared = (
        f'permissions = {{"Count it": [{{"actions": ["dynamodb:UpdateItem"], "resources": ["{table}"]}}]}}\n'
    )
    statements = _statements(_assembled(tmp_path, COUNT + declared))
    assert any(table in one["Resource"] for one in statements)


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ('permissions = {"Cuont it": []}', "no such step"),
        (
            'permissions = {"Count it": [{"actions": ["everything"], "resources": ["*"]}]}',
            "none of IAM's actions",
        ),
        ("permissions = []", "must be a dictionary"),
    ],
)
def test_a_declaration_that_cannot_be_is_told_in_one_line(
    tmp_path: Path, declared: str, problem: str
) -> None:
    with pytest.raises(WorkflowError, match=problem) as refusal:
        _assembled(tmp_path, COUNT + declared)
    assert "\n" not in str(refusal.value)


def test_all_that_is_wrong_is_told_a_line_each_with_its_place(tmp_path: Path) -> None:
    steps = """
first = Wait("First", seconds_path="$.nothing.here")
choice = Choice("Which?")
choice.add_choice(ChoiceRule.StringEquals("$.reviwe.location", "x"), Pass("Second"))
completed = [first, choice]
"""
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, steps)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert all("post_review.py:" in line for line in lines)
    assert "'First'" in lines[0]
    assert "$.nothing" in lines[0]
    assert "'Which?'" in lines[1]
    assert "$.reviwe" in lines[1]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ('Wait("W", seconds_path="$.review.locaton")', "did you mean 'location'"),
        ('Pass("P", query_language="JSONata", output="{% $states.input.review.agrement %}")', "'agreement'"),
    ],
)
def test_a_figure_that_a_review_does_not_have_is_found(tmp_path: Path, step: str, problem: str) -> None:
    with pytest.raises(WorkflowError, match=problem):
        _assembled(tmp_path, f"completed = [{step}]")


def test_the_figures_that_are_known_are_those_that_a_review_has() -> None:
    for added in RESULTS.values():
        assert added
        assert added["review"]
        assert set(added["review"]) == set(summary())


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (60, r"StateMachineRole have about 1\d,\d+ characters"),
        (100, r"the steps run 10\d functions, and a stack has place for about 90"),
    ],
)
def test_more_functions_than_a_stack_has_place_for_are_told_before_anything_is_sent(
    tmp_path: Path, count: int, told: str
) -> None:
    root = _project(tmp_path)
    for number in range(count):
        (root / f"lambdas/one_{number}.py").write_text("def handler(event, context): ...\n")
    steps = f"""
completed = [
    LambdaStep(f"Run {{n}}", parameters={{"FunctionName": f"one_{{n}}", "Payload": {{}}}}, result_path=f"$.told{{n}}")
    for n in range({count})
]
"""
    with pytest.raises(WorkflowError, match=told):
        _assembled(tmp_path, steps, root)


def test_more_permissions_than_a_role_can_have_are_told_before_anything_is_sent(tmp_path: Path) -> None:
    steps = """
completed = [
    SnsPublishStep(f"Tell {n}", parameters={"TopicArn": f"arn:aws:sns:us-east-1:123456789012:reviews-of-team-{n}",
                                            "Message": "m"}, result_path=f"$.told{n}")
    for n in range(%d)
]
"""
    _assembled(tmp_path, steps % 100)
    with pytest.raises(WorkflowError, match=r"StateMachineRole have about 1\d,\d+ characters, .* 10,240"):
        _assembled(tmp_path, steps % 200)
