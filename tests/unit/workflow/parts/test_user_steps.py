"""Post-review steps become part of a branch: with retries, a Catch, and the workflow's own ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workflow.errors import WorkflowError
from workflow.machine import build_definition
from workflow.parts.failures import FAILED_TASK, transient_of
from workflow.stack.assembly import assemble

HEAD = """
from workflow.human_review import HumanReview
from workflow.steps import *

def send(name, **more):
    return SnsPublishStep(name, parameters={"TopicArn": "${NotificationTopic}", "Message": "m"}, **more)

completed, failed, stopped = [], [], []
"""

RETRIES = [retry.to_dict() for retry in (*transient_of("arn:aws:states:::sns:publish"), FAILED_TASK)]
"""Those of `send`."""


@pytest.fixture
def post_review(tmp_path: Path) -> Any:
    """A function that writes a post_review.py with these last lines, and returns its path."""

    def write(lines: str) -> Path:
        path = tmp_path / "post_review.py"
        path.write_text(HEAD + lines)
        return path

    return write


def test_steps_run_between_the_record_and_the_answer(post_review: Any) -> None:
    states = build_definition(post_review("completed = [send('One'), Pass('Two'), send('Three')]"))["States"]
    way = ["Record review", "One", "Two", "Three", "Workflow waiting?"]
    assert [states[state]["Next"] for state in way[:-1]] == way[1:]
    assert states["Record stop"]["Next"] == "Workflow waiting?"
    for step in ("One", "Three"):
        assert states[step]["Retry"] == RETRIES
        assert states[step]["Catch"] == [
            {
                "ErrorEquals": ["States.ALL"],
                "Assign": {"failedStep": step},
                "Next": "Answer workflow anyway",
            }
        ]
    assert states["Answer workflow anyway"]["Next"] == "Escalate"
    assert [catch["Next"] for catch in states["Answer workflow anyway"]["Catch"]] == ["Escalate"]


def test_no_steps_add_no_states(post_review: Any) -> None:
    states = build_definition(post_review(""))["States"]
    assert states["Record review"]["Next"] == "Workflow waiting?"
    assert "Answer workflow anyway" not in states


def test_every_branch_of_a_choice_leads_to_the_ending(post_review: Any) -> None:
    states = build_definition(
        post_review(
            """
choice = Choice("Overruled?")
choice.add_choice(ChoiceRule.BooleanEquals("$.review.overruled", True), Chain([send("Notify"), Wait("A", seconds=1)]))
completed = [choice]
other = Choice("Certain?")
other.add_choice(ChoiceRule.IsPresent("$.x", True), send("Ask"))
other.default_choice(send("Skip"))
failed = [Pass("Before"), other]
"""
        )
    )["States"]
    assert states["Overruled?"]["Default"] == "Workflow waiting?"
    assert states["A"]["Next"] == states["Ask"]["Next"] == states["Skip"]["Next"] == "Workflow waiting?"
    for step in ("Notify", "Ask", "Skip"):
        assert states[step]["Catch"][0]["Next"] == "Answer workflow anyway"


def test_own_retries_and_catchers_are_kept(post_review: Any) -> None:
    states = build_definition(
        post_review(
            """
own = send("Own", retry=Retry(error_equals=["SNS.Down"], max_attempts=1))
own.add_catch(Catch(error_equals=["States.ALL"], next_step=Pass("Ignore it")))
some = send("Some")
some.add_catch(Catch(error_equals=["SNS.NotFound"], next_step=send("Elsewhere")))
completed = [own, some]
"""
        )
    )["States"]
    assert [retry["ErrorEquals"] for retry in states["Own"]["Retry"]] == [["SNS.Down"]]
    assert [catch["Next"] for catch in states["Own"]["Catch"]] == ["Ignore it"]
    assert [catch["Next"] for catch in states["Some"]["Catch"]] == ["Elsewhere", "Answer workflow anyway"]
    assert states["Ignore it"]["Next"] == states["Elsewhere"]["Next"] == "Workflow waiting?"
    assert states["Elsewhere"]["Catch"][0]["Assign"] == {"failedStep": "Elsewhere"}


def test_parallel_and_map_have_one_catch(post_review: Any) -> None:
    states = build_definition(
        post_review(
            """
both = Parallel("Both")
both.add_branch(send("Left"))
both.add_branch(Chain([Pass("Right"), Succeed("Done there")]))
completed = [both, Map("Each", item_processor=send("Item"), items_path="$")]
"""
        )
    )["States"]
    for step in ("Both", "Each"):
        assert [catch["Next"] for catch in states[step]["Catch"]] == ["Answer workflow anyway"]
    assert "Catch" not in states["Both"]["Branches"][0]["States"]["Left"]
    assert states["Each"]["Next"] == "Workflow waiting?"


def test_plain_sdk_steps_and_chains_are_accepted(post_review: Any) -> None:
    states = build_definition(
        post_review(
            """
from stepfunctions.steps import Pass as PlainPass, Task as PlainTask
plain = PlainTask("Plain", resource="arn:aws:lambda:us-east-1:111122223333:function:f")
completed = [Chain([PlainPass("First"), plain])]
"""
        )
    )["States"]
    assert states["First"]["Next"] == "Plain"
    assert states["Plain"]["Next"] == "Workflow waiting?"
    assert states["Plain"]["Catch"][0]["Next"] == "Answer workflow anyway"


def test_step_can_be_in_two_branches(post_review: Any) -> None:
    states = build_definition(post_review("failed = stopped = [send('Notify')]"))["States"]
    assert states["Record escalation"]["Next"] == states["Record stop"]["Next"] == "Notify"
    assert len(states["Notify"]["Catch"]) == 1
    assert states["Notify"]["Retry"] == RETRIES


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "completed = [send('One'), Succeed('Fine')]",
            "state 'Fine' ({}:9): a post-review step cannot be a Succeed",
        ),
        ("stopped = [Fail('Bad', error='E')]", "state 'Bad' ({}:9): a post-review step cannot be a Fail"),
        ("failed = 'a step'", "{}:9: `failed` must be a list of steps"),
        ("completed = [lambda: 1]", "{}:9: `completed` must be a list of steps"),
        ("del stopped", "{}:9: `stopped` must be a list of steps"),
        ("completed = [Pass('Escalate')]", "two states have the name 'Escalate'"),
    ],
)
def test_invalid_steps_are_reported(post_review: Any, lines: str, message: str) -> None:
    path = post_review(lines)
    with pytest.raises(WorkflowError) as error_info:
        build_definition(path)
    assert message.format(path) in str(error_info.value)


def test_post_review_step_can_be_a_human_review(post_review: Any) -> None:
    """The stage's own function is named like any function of the workflow."""
    assembly = assemble(
        post_review(
            """
second = HumanReview(
    "Second opinion", start_loop="start_loop", key="States.Format('{} again', $.detail.humanLoopName)",
    flow_definition_arn="arn:aws:sagemaker:us-east-1:111122223333:flow-definition/experts",
    input_content={"review.$": "$.review"}, task_lifetime_seconds=3600, timeout_seconds=14400,
)
overruled = Choice("Overruled?")
overruled.add_choice(ChoiceRule.BooleanEquals("$.review.overruled", True), second)
completed = [overruled]
"""
        )
    )
    state = assembly.definition["States"]["Second opinion"]
    assert state["Parameters"]["FunctionName"] == "${StartLoopArn}"
    assert "taskToken.$" in state["Parameters"]["Payload"]
    template = assembly.template.to_dict()["Resources"]
    (steps,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in template["StateMachineRole"]["Properties"]["Policies"]
        if policy["PolicyName"] == "steps"
    )
    invoked = next(one["Resource"] for one in steps if one["Action"] == ["lambda:InvokeFunction"])
    assert {"Fn::Sub": "${StartLoop.Arn}"} in invoked


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("completed = [", "{}:9: SyntaxError: '[' was never closed"),
        ("completed = [LamdaStep('A')]", "{}:9: NameError: name 'LamdaStep' is not defined"),
        ("import not_there", "{}:9: ModuleNotFoundError: No module named 'not_there'"),
        ("completed = [\n  send(\n    1 / 0)]", "{}:11: ZeroDivisionError: division by zero"),
        ("completed = [send()]", "{}:9: TypeError: send() missing 1 required positional"),
        (
            "completed = [Pass('A', resul=1)]",
            "state 'A' ({}:9): Pass has no field 'resul'; did you mean 'result'?",
        ),
    ],
)
def test_error_in_the_file_is_reported_with_its_line(post_review: Any, lines: str, error: str) -> None:
    path = post_review(lines)
    with pytest.raises(WorkflowError) as raised:
        build_definition(path)
    assert str(raised.value).startswith(error.format(path))


def test_file_is_named_relative_to_current_folder(
    post_review: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "workflow" / "post_review.py"
    path.parent.mkdir()
    post_review("completed = [").rename(path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError, match=r"^workflow/post_review\.py:9: SyntaxError"):
        build_definition(path)


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ("complete = [Pass('x')]", ["{}:9: no branch uses `complete`; did you mean `completed`?"]),
        (
            "del failed\nfail = [Pass('x')]",
            ["{}:9: `failed` must", "{}:10: no branch uses `fail`; did you mean `fa"],
        ),
        (
            "completed = [Pass('a').next(send('b'))]",
            ["state 'a' ({}:9) leads to 'b', but no branch has it: `next` "],
        ),
        (
            "a = Pass('a')\nb = Pass('b')\nmine = [a, b]",
            ["{}:11: no branch uses `mine`; add it to `completed`,"],
        ),
        ("a = Pass('a')\nb = Pass('b')\na.next(b)", ["{}:9: no branch uses `a`; add it to"]),
        (
            "ask = Choice('Ask')\nask.add_choice(ChoiceRule.IsPresent('$.x', True), send('Notify'))\ntuple_ = (ask,)"
            "\nchain = Chain([Pass('b')])",
            ["{}:11: no branch uses `tuple_`; add", "{}:12: no branch uses `chain`; add"],
        ),
    ],
)
def test_unused_steps_are_reported(post_review: Any, lines: str, errors: list[str]) -> None:
    path = post_review(lines)
    with pytest.raises(WorkflowError) as raised:
        build_definition(path)
    reported = str(raised.value).splitlines()
    assert len(reported) == len(errors)
    for line, start in zip(reported, errors, strict=True):
        assert line.startswith(start.format(path))


@pytest.mark.parametrize(
    "lines",
    [
        "extra = [send('One'), send('Two')]\ncompleted = [Pass('First'), *extra]",
        "extra = [send('One')]\ncompleted = extra.copy()",
        "extra = (send('One'), Pass('Two'))\ncompleted += extra\nfailed = list(extra)",
        "chain = Chain([Pass('One'), Pass('Two')])\ncompleted = [chain]",
        "ask = Choice('Ask')\nnotify = send('Notify')\nask.add_choice(ChoiceRule.IsPresent('$.x', True), notify)\n"
        "completed.append(ask)",
        "item = Pass('Item')\nevery = Map('Each', item_processor=item, items_path='$')\ncompleted.append(every)",
        "handler = Pass('Handled error')\nown = send('Own')\n"
        "own.add_catch(Catch(error_equals=['X'], next_step=handler))\ncompleted = [own]",
        "audit = [send('Audit')]\ncompleted = audit if 1 > 2 else []",
        "for n in range(3):\n    step = Pass(f'Step {n}')\n    completed.append(step)",
        "empty = []\nNAMES = ['a']",
        "audit = send('Audit')\nlast = send('Last')\naudit.next(last)\ncompleted = [audit if 1 > 2 else last]",
    ],
)
def test_used_variables_are_not_reported(post_review: Any, lines: str) -> None:
    build_definition(post_review(lines))


def test_tasks_in_parallel_and_map_have_their_own_retries(post_review: Any) -> None:
    states = build_definition(
        post_review(
            """
both = Parallel("Both")
both.add_branch(send("One", retry=[Retry(error_equals=["States.ALL"], max_attempts=1)]))
both.add_branch(Map("Each", item_processor=Chain([Pass("Before"), send("Two")])))
completed = [both]
"""
        )
    )["States"]
    one, each = (branch["States"] for branch in states["Both"]["Branches"])
    assert "Retry" not in states["Both"]
    assert states["Both"]["Catch"][0]["Assign"] == {"failedStep": "Both"}
    assert one["One"]["Retry"] == [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    assert "Retry" not in each["Each"]
    inner = each["Each"]["ItemProcessor"]["States"]
    assert inner["Two"]["Retry"] == RETRIES
    assert "Retry" not in inner["Before"]


def test_step_that_waits_for_a_job_retries_only_transient_errors(tmp_path: Path) -> None:
    text = """
from workflow.steps import GlueStartJobRunStep
completed = [GlueStartJobRunStep("Load", parameters={"JobName": "load"})]
failed = []
stopped = []
"""
    file = tmp_path / "post_review.py"
    file.write_text(text)
    load = build_definition(file)["States"]["Load"]
    assert load["Resource"].endswith(".sync")
    assert load["Retry"] == [retry.to_dict() for retry in transient_of(load["Resource"])]


@pytest.mark.parametrize(
    ("resource", "services"),
    [
        ("arn:aws:states:::lambda:invoke", {"Lambda", "Runtime", "Sandbox", "TransientServiceError"}),
        (
            "arn:aws:states:::lambda:invoke.waitForTaskToken",
            {"Lambda", "Runtime", "Sandbox", "TransientServiceError"},
        ),
        ("arn:aws:states:::dynamodb:getItem", {"DynamoDB"}),
        ("arn:aws:states:::sns:publish", {"SNS"}),
        ("arn:aws:states:::bedrock:invokeModel", set()),
        (
            "arn:aws:lambda:us-east-1:111122223333:function:ask",
            {"Lambda", "Runtime", "Sandbox", "TransientServiceError", "DynamoDB", "SNS"},
        ),
    ],
)
def test_step_retries_only_errors_that_its_service_raises(resource: str, services: set[str]) -> None:
    errors = [error for retry in transient_of(resource) for error in retry.to_dict()["ErrorEquals"]]
    assert {error.partition(".")[0] for error in errors} == {*services, "States"}
