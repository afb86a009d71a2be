"""Starts and restarts: one loop per request, however a call ends, and the refusals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops import names as loop_names
from lambdas.loops.identity import is_about
from lambdas.loops.loop import Loop
from lambdas.loops.start_request import InputTooLarge, InputUnknown, InvalidRequest, NameTaken, StartRefused
from lambdas.reviews.times import timestamp
from tests.unit.lambdas.conftest import AWS, BUCKET, FLOW, start_request

SECOND = "loop-attempt-2"
FALLBACK = loop_names.of_restart_fallback("loop", 2)
TEXTRACT = {
    "type": "textract",
    "request": {"Document": {"S3Object": {"Bucket": BUCKET, "Name": "a.png"}}, "FeatureTypes": ["FORMS"]},
}
REKOGNITION = {
    "type": "rekognition",
    "request": {"Image": {"S3Object": {"Bucket": BUCKET, "Name": "a.png"}}},
}


class Killed(BaseException):
    """The process ends: nothing catches this."""


def failed_loop(aws: AWS, name: str = "loop", **values: Any) -> Loop:
    aws.starter.start(start_request(name))
    aws.a2i.loops[name]["HumanLoopStatus"] = "Failed"
    aws.ledger.update(name, status="Failed", **values)
    return aws.row(name)


def killed(aws: AWS, call: int, moment: str, run: Callable[[], object]) -> bool:
    """Runs until its call number `call`, and kills the process before or after it. False if there are fewer calls."""
    calls = itertools.count()

    def on_call(when: str, operation: str) -> None:
        if when == moment and next(calls) == call:
            raise Killed(operation)

    try:
        with aws.watched(on_call):
            run()
    except Killed:
        return True
    return False


def test_start_writes_input_and_row_before_the_loop(aws: AWS) -> None:
    order: list[str] = []
    with aws.watched(lambda when, operation: order.append(operation) if when == "before" else None):
        started = aws.starter.start(
            start_request(contentClassifiers=["FreeOfAdultContent"], key=None, humanLoopName="loop")
        )
    assert order == ["PutObject", "PutItem", "StartHumanLoop", "UpdateItem"]
    assert (started.needed, started.already, started.status) == (True, False, "InProgress")
    row = aws.row()
    assert (row.status, row.task_type, row.attempt, row.root_loop_name) == ("InProgress", "custom", 1, "loop")
    assert row.human_loop_arn == started.human_loop_arn == aws.a2i.loops["loop"]["HumanLoopArn"]
    assert is_about(row, timestamp(aws.a2i.loops["loop"]["CreationTime"]))
    assert not is_about(row, timestamp(datetime.now(UTC) + timedelta(minutes=1)))
    assert aws.a2i.inputs["loop"] == {"text": "ünïcode ✓", "n": 1}


def test_stored_input_has_no_task_token(aws: AWS) -> None:
    aws.starter.start(start_request(taskToken="secret"))
    key = str(aws.row().input_location).removeprefix(f"s3://{BUCKET}/")
    body = json.loads(aws.clients["s3"].get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert body == {
        "task": {"type": "custom", "inputContent": {"text": "ünïcode ✓", "n": 1}},
        "contentClassifiers": [],
    }
    assert aws.tokens.of("loop") == ["secret"]


def test_second_start_returns_the_running_loop(aws: AWS) -> None:
    first = aws.starter.start(start_request())
    aws.ledger.update("loop", status="Completed")
    second = aws.starter.start(start_request())
    assert (first.already, second.already, second.status) == (False, True, "Completed")
    assert first.human_loop_arn == second.human_loop_arn
    assert aws.a2i.calls == ["StartHumanLoop"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("resume", [False, True])
def test_start_resumes_after_crash_at_any_call(aws: AWS, moment: str, resume: bool) -> None:
    for call in itertools.count():
        name = f"loop-{call}"
        request = start_request(name)
        if not killed(aws, call, moment, lambda request=request: aws.starter.start(request)):  # type: ignore[misc]
            break
        row = aws.ledger.find(name)
        if resume and row is not None:
            if row.status == "Starting":
                aws.starter.resume(row)
        else:
            aws.starter.start(request)
        row = aws.row(name)
        assert (row.status, row.human_loop_arn) == ("InProgress", aws.a2i.loops[name]["HumanLoopArn"])
    assert call == 4
    # Every loop was started once: a second call would have been a conflict.
    assert aws.a2i.calls.count("StartHumanLoop") == len(aws.a2i.loops) == call + 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_restart_resumes_after_crash_at_any_call(aws: AWS, moment: str) -> None:
    for call in itertools.count():
        name = f"loop-{call}"
        failed = failed_loop(aws, name)
        restart = lambda failed=failed: aws.starter.restart(failed, FLOW)  # type: ignore[misc] # noqa: E731
        if not killed(aws, call, moment, restart):
            break
        started = restart()
        assert started.human_loop_name == aws.row(name).next_loop_name == f"{name}-attempt-2"
        second = aws.row(started.human_loop_name)
        assert (second.attempt, second.root_loop_name, second.previous_loop_name) == (2, name, name)
        assert second.status == "InProgress"
        assert aws.a2i.inputs[second.human_loop_name] == aws.a2i.inputs[name]
    assert call > 5
    assert len(aws.a2i.loops) == 2 * (call + 1)


def test_slower_of_two_calls_finds_the_loop_of_the_other(aws: AWS) -> None:
    overtaken = False

    def other_first(when: str, operation: str) -> None:
        nonlocal overtaken
        if (when, operation) == ("before", "StartHumanLoop") and not overtaken:
            overtaken = True
            aws.starter.start(start_request())

    with aws.watched(other_first):
        started = aws.starter.start(start_request())
    assert started.already
    assert (aws.row().status, aws.row().reason) == ("InProgress", None)


def test_end_recorded_before_the_start_is_kept(aws: AWS) -> None:
    def ends(when: str, operation: str) -> None:
        if (when, operation) == ("after", "StartHumanLoop"):
            aws.ledger.update("loop", status="Completed")  # by the workflow's claim

    with aws.watched(ends):
        aws.starter.start(start_request())
    assert aws.row().status == "Completed"
    assert aws.row().human_loop_arn


@pytest.mark.parametrize(
    "change",
    [{"flowDefinitionArn": FLOW + "-2"}, {"task": {"type": "custom", "inputContent": {"text": "other"}}}],
)
def test_name_with_other_input_or_flow_definition_is_taken(aws: AWS, change: dict[str, Any]) -> None:
    aws.starter.start(start_request())
    before = aws.row()
    with pytest.raises(NameTaken, match="another input or flow definition"):
        aws.starter.start(start_request(**change))
    assert aws.row() == before


@pytest.mark.parametrize("found", [{"age": timedelta(minutes=1)}, {"flow": FLOW + "-2"}])
def test_name_of_loop_started_outside_afterloop_is_taken(aws: AWS, found: dict[str, Any]) -> None:
    aws.a2i.add("loop", **found)
    for _ in range(2):
        with pytest.raises(NameTaken, match="A2I has a loop with that name"):
            aws.starter.start(start_request())
        row = aws.row()
        # An event with this name is about the other loop: the row must not describe ours.
        assert (row.status, row.input_location, row.task_type) == ("Refused", None, None)


def test_clock_of_a2i_may_be_slightly_behind(aws: AWS) -> None:
    aws.a2i.errors["StartHumanLoop"] = ["ConflictException"]
    running = aws.a2i.add("loop", age=timedelta(seconds=3))
    assert aws.starter.start(start_request()).already
    assert aws.row().loop_created_at == timestamp(running["CreationTime"])


def test_refused_start_frees_the_name(aws: AWS) -> None:
    aws.a2i.errors["StartHumanLoop"] = ["ResourceNotFoundException"]
    with pytest.raises(StartRefused, match="StartHumanLoop refuses to start human loop 'loop'") as refusal:
        aws.starter.start(start_request(taskToken="secret"))
    assert (aws.row().status, aws.row().reason) == ("Refused", str(refusal.value))
    assert aws.tokens.of("loop") == []

    assert not aws.starter.start(start_request()).already
    assert (aws.row().status, aws.row().reason) == ("InProgress", None)


def test_account_that_a2i_is_closed_to_is_refused_also_if_it_may_not_look_for_the_loop(aws: AWS) -> None:
    # As far as AWS documents it, StartHumanLoop is refused. Whether DescribeHumanLoop is, too, is not known.
    aws.a2i.errors = {
        "StartHumanLoop": ["AccessDeniedException"],
        "DescribeHumanLoop": ["AccessDeniedException"],
    }
    with pytest.raises(StartRefused, match="A2I is closed to it"):
        aws.starter.start(start_request())
    assert (aws.row().status, "July 2026" in (aws.row().reason or "")) == ("Refused", True)


def test_throttled_start_can_be_resumed(aws: AWS) -> None:
    aws.a2i.errors["StartHumanLoop"] = ["ServiceQuotaExceededException"]
    with pytest.raises(ClientError, match="ServiceQuotaExceededException"):
        aws.starter.start(start_request())
    assert aws.row().status == "Starting"
    assert not aws.starter.resume(aws.row()).already
    assert aws.row().status == "InProgress"


def test_throttled_describe_is_not_a_missing_loop(aws: AWS) -> None:
    aws.a2i.errors = {"StartHumanLoop": ["ConflictException"], "DescribeHumanLoop": ["ThrottlingException"]}
    with pytest.raises(ClientError, match="ThrottlingException"):
        aws.starter.start(start_request())
    assert aws.row().status == "Starting"


def test_resume_leaves_refused_row_for_the_reconciler(aws: AWS) -> None:
    row = failed_loop(aws)
    aws.add_row(
        "unfinished", status="Starting", input_location=row.input_location, input_digest=row.input_digest
    )
    aws.a2i.errors["StartHumanLoop"] = ["ValidationException"]
    with pytest.raises(StartRefused):
        aws.starter.resume(aws.row("unfinished"))
    assert aws.row("unfinished").status == "Starting"


@pytest.mark.parametrize(
    ("task", "service", "operation"),
    [
        (TEXTRACT, "textract", "analyze_document"),
        (REKOGNITION, "rekognition", "detect_moderation_labels"),
    ],
)
class TestAIServices:
    def test_start_records_the_loop_of_the_service(
        self, aws: AWS, task: dict[str, Any], service: str, operation: str
    ) -> None:
        config = {"HumanLoopName": "loop", "FlowDefinitionArn": FLOW}
        response = {"HumanLoopActivationOutput": {"HumanLoopArn": "arn:aws:sagemaker:loop-of-the-service"}}
        aws.stubs[service].add_response(operation, response, {**task["request"], "HumanLoopConfig": config})
        started = aws.starter.start(start_request(task=task))
        assert (started.needed, started.prediction) == (True, None)
        assert aws.row().human_loop_arn == "arn:aws:sagemaker:loop-of-the-service"

    def test_start_returns_prediction_if_no_review_is_needed(
        self, aws: AWS, task: dict[str, Any], service: str, operation: str
    ) -> None:
        aws.stubs[service].add_response(operation, {"HumanLoopActivationOutput": {}})
        started = aws.starter.start(start_request(task=task))
        again = aws.starter.start(start_request(task=task))
        assert (started.needed, started.status, started.human_loop_arn) == (False, "NotNeeded", None)
        assert started.prediction == again.prediction == {"HumanLoopActivationOutput": {}}
        assert (started.already, again.already) == (False, True)
        row = aws.row()
        assert (row.status, row.output_location) == ("NotNeeded", started.prediction_location)
        assert aws.a2i.loops == {}

    def test_refusal_of_the_service_names_its_operation(
        self, aws: AWS, task: dict[str, Any], service: str, operation: str
    ) -> None:
        aws.stubs[service].add_client_error(operation, "InvalidS3ObjectException", "unable to get object")
        with pytest.raises(StartRefused, match=r"'loop': unable to get object \(InvalidS3ObjectException\)"):
            aws.starter.start(start_request(task=task))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"humanLoopName": "Order 17"}, loop_names.InvalidLoopName, "A valid name: 'order-17-"),
        ({"task": {"type": "custom", "inputContent": {"t": "x" * (3 << 20)}}}, InputTooLarge, "3 MiB"),
        (
            {"task": {"type": "textract", "request": {"Document": {"Bytes": "QUJD"}}}},
            InvalidRequest,
            "task.request.Document: use an S3Object",
        ),
        (
            {"task": {"type": "rekognition", "request": {"Image": {"S3Object": {}}, "HumanLoopConfig": {}}}},
            InvalidRequest,
            "remove HumanLoopConfig",
        ),
        (
            {"task": {"type": "textract", "request": {"Document": {"S3Object": {"Bucket": "b"}}}}},
            InvalidRequest,
            "invalid for AnalyzeDocument: .*FeatureTypes",
        ),
        ({"flowDefinitionArn": FLOW + "-2"}, InvalidRequest, "is not in flow_definitions"),
    ],
)
def test_invalid_start_makes_no_call(
    aws: AWS, change: dict[str, Any], error: type[Exception], text: str
) -> None:
    aws.flow_definitions = (FLOW,)
    calls: list[str] = []
    with aws.watched(lambda when, operation: calls.append(operation)), pytest.raises(error, match=text):
        aws.starter.start(start_request(**change))
    assert calls == []


def test_start_with_token_of_ended_loop_notifies_the_workflow(aws: AWS) -> None:
    failed_loop(aws, outcome="escalated", reason="No more attempts.")
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})
    assert aws.starter.start(start_request(taskToken="secret")).already
    assert aws.row().answer == "delivered"


def test_restart_moves_waiting_workflows(aws: AWS) -> None:
    failed = failed_loop(aws)
    aws.waiting.join("loop", "secret")
    aws.starter.restart(failed, FLOW)
    assert (aws.tokens.of("loop"), aws.tokens.of(SECOND)) == ([], ["secret"])


def test_repeated_restart_keeps_its_flow_definition(aws: AWS) -> None:
    failed = failed_loop(aws, max_attempts=5)
    started = aws.starter.restart(failed, FLOW + "-2")
    again = aws.starter.restart(failed, FLOW)
    assert (again.human_loop_name, again.already) == (started.human_loop_name, True)
    assert aws.a2i.loops[SECOND]["FlowDefinitionArn"] == FLOW + "-2"
    assert aws.row(SECOND).max_attempts == 5


def test_refused_restart_can_be_repeated(aws: AWS) -> None:
    failed = failed_loop(aws)
    aws.a2i.errors["StartHumanLoop"] = ["ResourceNotFoundException"]
    with pytest.raises(StartRefused):
        aws.starter.restart(failed, FLOW)
    assert aws.starter.restart(failed, FLOW).human_loop_name == SECOND


@pytest.mark.parametrize("where", ["ledger", "A2I"])
def test_restart_uses_second_name_if_first_is_taken(aws: AWS, where: str) -> None:
    if where == "ledger":
        aws.starter.start(start_request(SECOND))
    else:
        aws.a2i.add(SECOND, age=timedelta(days=1))
    failed = failed_loop(aws)
    started = aws.starter.restart(failed, FLOW)
    assert started.human_loop_name == aws.row().next_loop_name == FALLBACK
    assert (aws.row(FALLBACK).previous_loop_name, aws.row(FALLBACK).attempt) == ("loop", 2)
    assert aws.row(SECOND).previous_loop_name is None

    # Even if the first name becomes free, the restart stays the restart.
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": SECOND}})
    del aws.a2i.loops[SECOND]
    again = aws.starter.restart(aws.row(), FLOW)
    assert (again.human_loop_name, again.already) == (FALLBACK, True)


def test_restart_whose_row_was_lost_is_not_made_twice(aws: AWS) -> None:
    failed = failed_loop(aws)
    aws.waiting.join("loop", "secret")
    aws.starter.restart(failed, FLOW)
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": SECOND}})
    # The event of its end makes a row that knows nothing of the restart.
    aws.ledger.open(Loop(human_loop_name=SECOND, status="Completed", outcome="stored"))

    again = aws.starter.restart(aws.row(), FLOW)
    assert (again.human_loop_name, again.already, again.status) == (SECOND, True, "Completed")
    row = aws.row(SECOND)
    assert (row.previous_loop_name, row.attempt, row.outcome) == ("loop", 2, "stored")
    assert row.input_location == failed.input_location
    assert FALLBACK not in aws.a2i.loops


def test_restart_is_refused_if_both_names_are_taken(aws: AWS) -> None:
    for name in (SECOND, FALLBACK):
        aws.starter.start(start_request(name))
    with pytest.raises(NameTaken, match=f"'loop' cannot be restarted: .* '{SECOND}' and '{FALLBACK}'"):
        aws.starter.restart(failed_loop(aws), FLOW)
    assert aws.row().next_loop_name is None


def test_restart_needs_the_stored_input(aws: AWS) -> None:
    with pytest.raises(InputUnknown, match="Afterloop did not start the loop"):
        aws.starter.restart(Loop(human_loop_name="loop"), FLOW)
    failed = failed_loop(aws)
    bucket, key = str(failed.input_location).removeprefix("s3://").split("/", 1)
    aws.clients["s3"].delete_object(Bucket=bucket, Key=key)
    with pytest.raises(InputUnknown, match="was deleted"):
        aws.starter.restart(failed, FLOW)


def test_restart_refuses_flow_definition_of_another_stage(aws: AWS) -> None:
    failed = failed_loop(aws)
    aws.flow_definitions = (FLOW,)
    with pytest.raises(InvalidRequest, match="is not in flow_definitions"):
        aws.starter.restart(failed, FLOW + "-2")


@pytest.mark.parametrize("location", ["nowhere", "s3://b", f"s3://{BUCKET}/odd.json"])
def test_input_that_afterloop_did_not_store_restarts_nothing(aws: AWS, location: str) -> None:
    aws.put("odd.json", {"task": {"type": "custom", "inputContent": 7}})
    failed = aws.add_row(input_location=location, input_digest="digest")
    with pytest.raises(InputUnknown, match=f"cannot be read: {location} is not an input that"):
        aws.starter.restart(failed, FLOW)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"[" * 100_000, b"\xff"])
def test_odd_stored_prediction_costs_only_itself(aws: AWS, content: bytes) -> None:
    aws.starter.start(start_request())
    aws.clients["s3"].put_object(Bucket=BUCKET, Key="odd.json", Body=content)
    location = f"s3://{BUCKET}/odd.json"
    aws.ledger.update("loop", status="NotNeeded", output_location=location)
    started = aws.starter.start(start_request())
    assert (started.needed, started.prediction, started.prediction_location) == (False, None, location)


def test_odd_time_in_the_row_is_no_evidence_of_another_loop(aws: AWS) -> None:
    aws.starter.start(start_request())
    aws.ledger.update("loop", status="Starting", created_at="this morning")
    assert aws.starter.start(start_request()).already
