"""From the user's file to the template: permissions and functions follow from the steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow import ROOT
from workflow.errors import WorkflowError
from workflow.operations.sample import summary
from workflow.parts.state import RESULTS
from workflow.stack.assembly import Assembly, assemble
from workflow.stack.references import broken_references

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
    for file in (ROOT / "lambdas").glob("*.py"):
        (root / "lambdas" / file.name).write_bytes(file.read_bytes())
    return root


def _statements(assembly: Assembly) -> list[dict[str, Any]]:
    role = assembly.template.to_dict()["Resources"]["StateMachineRole"]["Properties"]
    return list(role["Policies"][0]["PolicyDocument"]["Statement"])


def test_step_adds_its_permission(tmp_path: Path) -> None:
    step = """
completed = [SqsSendMessageStep("Notify the shop", parameters={
    "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/reviewed", "MessageBody.$": "$.review"})]
"""
    before = _statements(_assembled(tmp_path, ""))
    (added,) = [one for one in _statements(_assembled(tmp_path, step)) if one not in before]
    assert added["Action"] == ["sqs:SendMessage"]
    assert json.dumps(added["Resource"]).count("reviewed") == 1


@pytest.mark.parametrize("name", ["AlarmTopic", "LedgerTable", "NotificationTopic", "ReviewBucket"])
def test_step_can_name_resources_of_the_stack(tmp_path: Path, name: str) -> None:
    step = (
        'completed = [AwsSdkTask("Look", service="s3", action="headBucket",'
        f' parameters={{"Bucket": "${{{name}}}"}}, result_path="$.bucket")]'
    )
    machine = _assembled(tmp_path, step).template.to_dict()["Resources"]["StateMachine"]["Properties"]
    assert machine["DefinitionSubstitutions"][name] == {"Ref": name}


def test_function_of_a_step_gets_role_logs_bundle_and_place(tmp_path: Path) -> None:
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
    parts = {"Fn::Split": ["@", {"Ref": "PraiseKey"}]}
    code = resources["Praise"]["Properties"]["Code"]
    assert [code["S3Key"], code["S3ObjectVersion"]] == [{"Fn::Select": [index, parts]} for index in (0, 1)]
    state = assembly.definition["States"]["Praise"]
    assert state["Parameters"]["FunctionName"] == "${PraiseArn}"
    assert state["Retry"]
    assert state["Catch"][0]["Next"] == "Answer workflow anyway"
    assert "post_review.py:" in assembly.places["Praise"]


def test_unknown_function_is_refused_with_the_step_that_names_it(tmp_path: Path) -> None:
    step = 'completed = [LambdaStep("X", parameters={"FunctionName": "colect_review", "Payload.$": "$"})]'
    with pytest.raises(WorkflowError, match=r"lambdas/colect_review\.py") as refusal:
        _assembled(tmp_path, step)
    assert "state 'X' (" in str(refusal.value)
    assert "post_review.py:3)" in str(refusal.value)
    assert "use 'collect_review', or" in str(refusal.value)


def test_problems_of_all_functions_are_reported(tmp_path: Path) -> None:
    root = _project(tmp_path)
    (root / "lambdas/praise.py").write_text("def handler(event): ...\n")
    (root / "lambdas/blame.py").write_text("def handler(event, context): ...\n")
    (root / "lambdas/blame.requirements.in").write_text("pandas\n")
    steps = """
completed = [LambdaStep(name, parameters={"FunctionName": name, "Payload": {}}) for name in ("praise", "blame")]
"""
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, steps, root)
    blame, praise = str(refusal.value).splitlines()
    assert "lambdas/blame.requirements.in: lambdas/blame.requirements.txt is missing" in blame
    assert "lambdas/praise.py:1: `handler` takes 1 argument" in praise


def _with_function(tmp_path: Path, *names: str) -> tuple[str, Path]:
    """Steps that run these functions, and a project that has them."""
    root = _project(tmp_path)
    for name in names:
        (root / f"lambdas/{name}.py").write_text("def handler(event, context): ...\n")
    steps = (f'LambdaStep("Run {name}", parameters={{"FunctionName": "{name}"}})' for name in names)
    return f"completed = [{', '.join(steps)}]", root


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("state_machine", "StateMachineLogs"),
        ("start_loop_role", "StartLoopRole"),
        ("stage", "Stage"),
    ],
)
def test_function_with_a_name_of_the_stack_is_refused(tmp_path: Path, name: str, taken: str) -> None:
    steps, root = _with_function(tmp_path, name)
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, steps, root)
    assert str(refusal.value) == (
        f"lambdas/{name}.py: the stack has something else with the name {taken}; rename the function"
    )


def test_two_functions_with_one_name_in_the_stack_are_refused(tmp_path: Path) -> None:
    steps, root = _with_function(tmp_path, "score_it", "score__it")
    with pytest.raises(
        WorkflowError, match=r"score__it\.py and lambdas/score_it\.py: both would be the function ScoreIt"
    ):
        _assembled(tmp_path, steps, root)


def test_function_that_no_step_names_is_a_warning(tmp_path: Path) -> None:
    _, root = _with_function(tmp_path, "praise")
    (root / "lambdas/shared.py").write_text("word = 1\n")
    (root / "lambdas/broken.py").write_text("def handler(\n")
    (root / "lambdas/not-a-name.py").write_text("def handler(event, context): ...\n")
    assert _assembled(tmp_path, "", root).warnings == (
        "lambdas/praise.py: no step names this function, so it is not published; add a step with "
        '"FunctionName": "praise", or remove the function',
    )


@pytest.mark.parametrize(
    "name", ["StartLoop", "start_loop.py", "lambdas/start_loop.py", "lambdas.start_loop.handler"]
)
def test_name_that_resembles_a_function_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    steps = f'completed = [LambdaStep("X", parameters={{"FunctionName": "{name}"}})]'
    with pytest.raises(WorkflowError, match=r"did you mean 'start_loop'\?$"):
        _assembled(tmp_path, steps)


def test_qualifier_of_a_function_is_refused(tmp_path: Path) -> None:
    step = 'completed = [LambdaStep("X", parameters={"FunctionName": "collect_review", "Qualifier": "live"})]'
    with pytest.raises(WorkflowError, match=r"state 'X' \(.*post_review\.py:3\): remove Qualifier"):
        _assembled(tmp_path, step)


def test_declared_permission_need_not_be_derivable(tmp_path: Path) -> None:
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
            "0.actions.0: 'everything' is invalid. IAM actions",
        ),
        ("permissions = []", "must be a dictionary"),
    ],
)
def test_invalid_declaration_is_refused_in_one_line(tmp_path: Path, declared: str, problem: str) -> None:
    with pytest.raises(WorkflowError, match=problem) as refusal:
        _assembled(tmp_path, COUNT + declared)
    assert "\n" not in str(refusal.value)


def _with_permission(resource: str, step: str = "") -> str:
    step = step or COUNT
    return f'{step}permissions = {{"Count it": [{{"actions": ["s3:GetObject"], "resources": ["{resource}"]}}]}}\n'


PRAISE = (
    'completed = [LambdaStep("Praise", parameters={"FunctionName": "praise", "Payload": {}},'
    ' result_path="$.praise")]\n'
)


def _praising(folder: Path, resource: str) -> Path:
    root = _project(folder)
    (root / "lambdas/praise.py").write_text(
        f'FUNCTION = {{\n    "permissions": [{{"actions": ["s3:GetObject"], "resources": ["{resource}"]}}]}}\n'
        "def handler(event, context): ...\n"
    )
    return root


def test_declared_actions_that_do_not_exist_are_refused_with_their_place(tmp_path: Path) -> None:
    root = _praising(tmp_path, "${ReviewBucket.Arn}/*")
    function = root / "lambdas/praise.py"
    function.write_text(function.read_text().replace("s3:GetObject", "s3:GetObjct"))
    declared = 'permissions = {"Praise": [{"actions": ["dynamodb:UpdateItm"], "resources": ["*"]}]}\n'
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, PRAISE + declared, root)
    place, function_place = str(refusal.value).splitlines()
    assert place.endswith(
        "post_review.py:4: permissions of 'Praise': IAM has no action 'dynamodb:UpdateItm'; "
        "did you mean 'dynamodb:UpdateItem'?"
    )
    assert function_place == (
        "lambdas/praise.py:1: FUNCTION: permissions: IAM has no action 's3:GetObjct'; did you mean 's3:GetObject'?"
    )


def test_step_can_call_what_is_newer_than_botocore_if_it_declares_permissions(tmp_path: Path) -> None:
    step = 'completed = [AwsSdkTask("New", service="unheardof", action="do", result_path="$.new")]\n'
    with pytest.raises(WorkflowError, match=r"'New'.*there is no service 'unheardof'"):
        _assembled(tmp_path, step)
    declared = 'permissions = {"New": [{"actions": ["unheardof:Do"], "resources": ["*"]}]}\n'
    warnings = _assembled(tmp_path, step + declared).warnings
    assert any("state 'New'" in line and "there is no service 'unheardof'" in line for line in warnings)
    assert any("permissions of 'New': 'unheardof:Do' may not exist" in line for line in warnings)


BROKEN = [
    ("${ReviewBuckt.Arn}/reviews/*", "the template has no 'ReviewBuckt'; did you mean 'ReviewBucket'?"),
    ("arn:aws:sns:${AWS::Regoin}:1:x", "the template has no 'AWS::Regoin'; did you mean 'AWS::Region'?"),
    ("${ReviewBucket.arn}", "'ReviewBucket' has no attribute 'arn'; did you mean 'Arn'?"),
    (
        "${NotificationTopic.Arn}",
        "'NotificationTopic' has no attribute 'Arn': ${NotificationTopic} is its ARN",
    ),
    ("${Stage.Arn}", "the template has no 'Stage'"),
    ("arn:aws:s3:::${OutputBuckets}/*", "OutputBuckets is a list and cannot be part of a string"),
    ("${FlowDefinitions}/x", "the template has no 'FlowDefinitions'; did you mean 'FlowDefinitionArns'?"),
    ("arn:aws:s3:::${ReviewBucket/*", "a `${` in it has no `}`"),
    ("${ReviewBucket}/*", "${ReviewBucket} is a name, and IAM needs an ARN: write ${ReviewBucket.Arn}"),
    ("arn:aws:sns:us-esat-1:111122223333:x", "there is no Region 'us-esat-1'; did you mean 'us-east-1'?"),
]
NAMED = [
    "${ReviewBucket.Arn}/reviews/*",
    "arn:${AWS::Partition}:s3:::${ReviewBucket}/${Stage}/${!aws:username}",
    "${FlowDefinitions}",
    "${HumanLoops}",
    "${EscalationTopic}",
    "arn:aws:sns:us-*:*:x",
    "*",
]


@pytest.mark.parametrize(("resource", "message"), BROKEN)
def test_function_permission_on_an_unknown_resource_is_refused(
    tmp_path: Path, resource: str, message: str
) -> None:
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, PRAISE, _praising(tmp_path, resource))
    assert str(refusal.value).startswith(
        f"lambdas/praise.py:1: FUNCTION: permissions: {resource!r}: {message}"
    )
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("resource", "message"),
    [*BROKEN, ("${OutputBuckets}/*", "OutputBuckets is a list and cannot be part of a string")],
)
def test_step_permission_on_an_unknown_resource_is_refused(
    tmp_path: Path, resource: str, message: str
) -> None:
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, _with_permission(resource))
    assert str(refusal.value).startswith(
        f"{tmp_path / 'post_review.py'}:7: permissions of 'Count it': {resource!r}: {message}"
    )
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("resource", NAMED)
def test_permission_on_resources_of_the_template_is_accepted(tmp_path: Path, resource: str) -> None:
    _assembled(tmp_path, _with_permission(resource))
    _assembled(tmp_path, PRAISE, _praising(tmp_path, resource))


@pytest.mark.parametrize("resource", ["${OutputBuckets}/*", "${DocumentBuckets}"])
def test_function_can_name_the_buckets_of_the_stage(tmp_path: Path, resource: str) -> None:
    _assembled(tmp_path, PRAISE, _praising(tmp_path, resource))


def test_buckets_of_the_stage_with_another_resource_are_refused(tmp_path: Path) -> None:
    root = _praising(tmp_path, '${OutputBuckets}/*", "${ReviewBucket.Arn}/*')
    with pytest.raises(
        WorkflowError, match=r"OutputBuckets\}/\*' cannot have other resources: declare s3:GetObject"
    ):
        _assembled(tmp_path, PRAISE, root)


def test_function_given_by_arn_is_not_one_of_the_stack(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:praise"
    assembly = _assembled(tmp_path, PRAISE.replace('"FunctionName": "praise"', f'"FunctionName": "{arn}"'))
    assert assembly.definition["States"]["Praise"]["Parameters"]["FunctionName"] == arn
    assert "Praise" not in [one.name for one in assembly.functions]


def _telling(topic: str) -> str:
    return f'completed = [SnsPublishStep("Notify", parameters={{"TopicArn": "{topic}", "Message": "m"}})]'


def test_step_with_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError) as refusal:
        _assembled(tmp_path, _telling("${NotificatonTopic}"))
    assert str(refusal.value) == (
        f"state 'Notify' ({tmp_path / 'post_review.py'}:3): ${{NotificatonTopic}} is not a name that a step can use; "
        "did you mean 'NotificationTopic'?"
    )


def test_region_in_a_step_is_the_region_of_the_stack(tmp_path: Path) -> None:
    """The definition's `${Region}` is the template's `${AWS::Region}`."""
    statements = _statements(_assembled(tmp_path, _telling("arn:aws:sns:${Region}:123456789012:x")))
    assert {"Fn::Sub": "arn:aws:sns:${AWS::Region}:123456789012:x"} in [
        resource for one in statements for resource in one["Resource"]
    ]


def test_broken_references_in_the_template_are_found(tmp_path: Path) -> None:
    template = _assembled(tmp_path, "").template.to_dict()
    assert list(broken_references(template)) == []
    rendered = json.dumps(template)
    for before, after, message in [
        (
            '{"Ref": "LedgerTable"}',
            '{"Ref": "LedgrTable"}',
            "has no 'LedgrTable'; did you mean 'LedgerTable'?",
        ),
        ('["ReconcileRole", "Arn"]', '["ReconcileRole", "Name"]', "'ReconcileRole' has no attribute 'Name'"),
        ("/aws/lambda/afterloop-${Stage}-", "/aws/lambda/afterloop-${Stag}-", "the template has no 'Stag'"),
    ]:
        assert before in rendered
        found = list(broken_references(json.loads(rendered.replace(before, after))))
        assert found
        assert all(message in one for one in found)


def test_all_problems_are_reported_in_a_line_each_with_place(tmp_path: Path) -> None:
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
def test_unknown_field_of_the_review_is_refused(tmp_path: Path, step: str, problem: str) -> None:
    with pytest.raises(WorkflowError, match=problem):
        _assembled(tmp_path, f"completed = [{step}]")


def test_known_fields_are_those_of_the_review() -> None:
    for added in RESULTS.values():
        assert added
        assert added["review"]
        assert set(added["review"]) == set(summary())


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (60, r"StateMachineRole have about 1\d,\d+ characters"),
        (100, r"the steps run 10\d functions, and the limit is about 80"),
    ],
)
def test_too_many_functions_for_a_stack_are_refused(tmp_path: Path, count: int, message: str) -> None:
    root = _project(tmp_path)
    for number in range(count):
        (root / f"lambdas/one_{number}.py").write_text("def handler(event, context): ...\n")
    steps = f"""
completed = [
    LambdaStep(f"Run {{n}}", parameters={{"FunctionName": f"one_{{n}}", "Payload": {{}}}}, result_path=f"$.result{{n}}")
    for n in range({count})
]
"""
    with pytest.raises(WorkflowError, match=message):
        _assembled(tmp_path, steps, root)


def test_too_many_permissions_for_a_role_are_refused(tmp_path: Path) -> None:
    steps = """
completed = [
    SnsPublishStep(f"Notify {n}", parameters={"TopicArn": f"arn:aws:sns:us-east-1:123456789012:reviews-of-team-{n}",
                                            "Message": "m"}, result_path=f"$.result{n}")
    for n in range(%d)
]
"""
    _assembled(tmp_path, steps % 100)
    with pytest.raises(
        WorkflowError, match=r"StateMachineRole have about 1\d,\d+ characters, and IAM's limit is 10,240"
    ):
        _assembled(tmp_path, steps % 200)
