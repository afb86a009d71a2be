"""The helper with which users test their steps: one step, the whole workflow, and any state machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdas.reviews.record import read_review
from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.testing import run_machine, run_workflow, shared, try_step
from tests.documentation import blocks
from workflow.errors import AfterloopError
from workflow.operations import sample
from workflow.steps import Chain, LambdaStep, Map, Pass, SqsSendMessageStep, definition

STEPS = """
from workflow.steps import LambdaStep, Map, Pass, SnsPublishStep, SqsSendMessageStep

shop = SqsSendMessageStep(
    "Tell the shop",
    parameters={"QueueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/shop", "MessageBody.$": "$.review"},
    result_path="$.shop",
)
team = SnsPublishStep(
    "Tell the team", parameters={"TopicArn": "${NotificationTopic}", "Message.$": "$.detail.humanLoopName"},
    result_path="$.team",
)
decide = LambdaStep(
    "Decide again",
    parameters={"FunctionName": "decide_restart",
                "Payload": {"detail.$": "$.detail", "ledgerKey.$": "$.detail.humanLoopName"}},
    result_selector={"action.$": "$.Payload.action"},
    result_path="$.again",
)
each = Map(
    "Each condition", items_path="$.review.activationConditions", item_processor=Pass("One"), result_path="$.all"
)
completed, failed, stopped = [shop, each], [decide], [team]
"""
OK = {"result": {"MessageId": "m-1"}}


@pytest.fixture
def steps(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's file. The engine is that of the other tests."""
    monkeypatch.setattr(shared, "engine", lambda: sandbox)
    file = tmp_path / "post_review.py"
    file.write_text(STEPS)
    return file


def test_step_with_a_mock_says_what_it_sends_and_where_it_leads(steps: Path) -> None:
    step = try_step("Tell the shop", mock=OK, post_review=steps)
    assert (step.status, step.next_state) == ("SUCCEEDED", "Each condition")
    assert step.sent["MessageBody"]["overruled"] is True
    assert step.output["shop"] == OK["result"]
    failing = try_step("Tell the shop", mock={"error": "Lost"}, post_review=steps)
    assert failing.retried is not None
    assert failing.caught is not None
    assert failing.caught.next_state == "Answer workflow anyway"


def test_step_without_a_mock_calls_the_engine_with_its_permissions(steps: Path, sandbox: Sandbox) -> None:
    assert try_step("Tell the team", post_review=steps).result["MessageId"]
    steps.write_text(STEPS.replace("111122223333/shop", "444455556666/other"))
    refused = try_step("Tell the shop", input={"review": 1}, post_review=steps)
    assert refused.error == "SQS.QueueDoesNotExistException"


def test_step_inside_a_map_needs_an_input(steps: Path) -> None:
    assert try_step("One", input=7, post_review=steps).output == 7
    with pytest.raises(
        AfterloopError, match="step 'One' needs an input, because it is in the Map 'Each condition'"
    ):
        try_step("One", post_review=steps)
    with pytest.raises(AfterloopError, match="can be tried only with a mock, because it is a Map"):
        try_step("Each condition", post_review=steps)
    with pytest.raises(AfterloopError, match="did you mean 'Tell the shop'"):
        try_step("Tel the shop", post_review=steps)


def test_workflow_runs_from_the_event_to_the_end(steps: Path) -> None:
    run = run_workflow(services={"sqs:sendMessage": OK}, post_review=steps)
    assert (run.status, run.states) == (
        "SUCCEEDED",
        ["Claim status change", "Route by status", "Collect review", "Record review", "Tell the shop",
         "Each condition", "Workflow waiting?", "Handled"],
    )  # fmt: skip
    [call] = run.calls("sqs:sendMessage")
    assert (call.state, call.result) == ("Tell the shop", OK["result"])
    assert call.arguments["MessageBody"] == run.visit("Tell the shop").input["review"]
    assert run.visit("Tell the shop").output["shop"] == OK["result"]
    assert run.visit("Claim status change").variables["ledgerKey"] == "message-3301"
    with pytest.raises(
        AssertionError, match="'Escalate' was not entered; these states were: Claim status change"
    ):
        run.visit("Escalate")


def test_functions_of_steps_run_in_the_workflow(steps: Path) -> None:
    run = run_workflow("failed", post_review=steps)
    assert (run.status, run.output["again"]) == ("SUCCEEDED", {"action": "escalate"})
    [call] = run.calls("Decide again")
    assert call.service == "lambda:invoke"
    decided = try_step("Decide again", sample="failed", post_review=steps)
    assert decided.output["again"] == {"action": "escalate"}
    stopped = run_workflow(event=sample.event_of("stopped"), post_review=steps)
    assert stopped.visit("Tell the team").output["team"]["MessageId"]
    # The review of the sample exists, so that a function can read it.
    bucket, _, key = stopped.output["review"]["location"].removeprefix("s3://").partition("/")
    stored = shared.engine().client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert read_review(stored).human_loop_name == stopped.output["detail"]["humanLoopName"]


def test_error_of_a_step_is_retried_and_escalated(steps: Path) -> None:
    answers = {"Tell the shop": [{"error": "Busy"}, OK]}
    run = run_workflow(states=answers, post_review=steps)
    assert [call.error for call in run.calls("Tell the shop")] == ["Busy", None]
    closed = {"Tell the shop": {"error": "Closed", "cause": "Sunday"}}
    run = run_workflow(states=closed, event=sample.event_of("completed"), post_review=steps)
    assert (run.status, run.error) == ("FAILED", "Closed")
    assert run.visit("Tell the shop").cause == "Sunday"
    [message] = run.calls("Escalate")
    assert "Tell the shop" in str(message.arguments)


def test_mistake_in_answers_is_reported_with_a_suggestion(steps: Path) -> None:
    for answers, message in (
        ({"states": {"Tell the shp": OK}}, "no state 'Tell the shp'; did you mean 'Tell the shop'"),
        ({"states": {"One": OK}}, "'One' is a Pass; only a Task gets an answer"),
        ({"services": {"sqs:sendMesage": OK}}, "sendMessage"),
        ({"services": {"sqs:sendMessage": {}}}, "an answer has either a result or an error"),
        (
            {"sample": "complete"},
            "there is no branch 'complete'; the branches are completed, failed, stopped",
        ),
    ):
        with pytest.raises(SandboxError, match=message):
            run_workflow(**answers, post_review=steps)  # type: ignore[arg-type]


def test_any_state_machine_runs(steps: Path) -> None:
    ask = LambdaStep(
        "Ask", parameters={"FunctionName": "mine", "Payload.$": "$"}, result_selector={"n.$": "$.Payload"}
    )
    send = SqsSendMessageStep("Send", parameters={"QueueUrl": "q", "MessageBody.$": "$.n"})
    answers = {"Ask": {"result": {"Payload": 7}}, "Send": OK}
    run = run_machine(Chain([ask, send]), {"a": 1}, states=answers)
    assert (run.output, run.calls("Send")[0].arguments["MessageBody"]) == (OK["result"], 7)
    machine = definition(Chain([Map("All", item_processor=Pass("Item", result=3))]))
    assert run_machine(machine, [1, 2]).output == [3, 3]
    assert try_step("Item", input=1, machine=machine).output == 3
    with pytest.raises(AfterloopError, match="no step 'Itm'"):
        try_step("Itm", input=1, machine=machine)


def test_execution_that_does_not_end_is_stopped(steps: Path) -> None:
    waits = SqsSendMessageStep(
        "Wait", wait_for_callback=True, parameters={"QueueUrl": "${Queue}", "MessageBody.$": "$$.Task.Token"}
    )
    url = shared.engine().client("sqs").create_queue(QueueName="tokens-of-a-test")["QueueUrl"]
    machine = definition(Chain([waits]))
    machine["States"]["Wait"]["Parameters"]["QueueUrl"] = url
    with pytest.raises(SandboxError, match=r"the execution did not end within 0\.1 s, in 'Wait'"):
        run_machine(machine, {}, timeout=0.1)


def test_readme_tests_its_example(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [block.content for block in blocks("README.md") if block.language == "python"]
    [example] = [one for one in examples if "completed = [" in one]
    [test] = [one for one in examples if "def test_" in one]
    steps.write_text(f"{example}\nfailed, stopped = [], []\n")
    monkeypatch.setattr("sandbox.testing.running.POST_REVIEW", steps)
    written: dict[str, Any] = {}
    exec(test, written)
    tests = [written[name] for name in written if name.startswith("test_")]
    assert len(tests) == 2
    for one in tests:
        one()
