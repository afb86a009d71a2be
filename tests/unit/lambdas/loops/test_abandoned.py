"""Executions that ended without finishing: what they held is released, and a person is told which loop."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops import reports
from lambdas.loops.abandoned import DESTROYED
from lambdas.loops.waiting import TokenUndeliverable
from lambdas.reviews.event import status_change_event
from tests.unit.lambdas.conftest import ALARMS, AWS, EXECUTION, FLOW, TOPIC

AT = "2026-01-31T08:15:00.000Z"
CLAIM = f"{AT} Completed"
EVENT = status_change_event(
    {
        "humanLoopName": "loop",
        "humanLoopArn": FLOW.replace("flow-definition/triage", "human-loop/loop"),
        "creationTime": AT,
        "humanLoopStatus": "Completed",
        "flowDefinitionArn": FLOW,
    },
    event_id="1",
    time=AT,
)


def claimed(aws: AWS, state: str = "working", execution: str = EXECUTION, **values: Any) -> None:
    held = {"state": state, "execution": execution, "at": AT}
    aws.add_row(**{"status": "Completed"} | values, claims={CLAIM: held})


def document(aws: AWS) -> dict[str, Any]:
    (message,) = aws.messages
    found: dict[str, Any] = json.loads(json.loads(message["Message"])["sqs"])
    assert message["TopicArn"] == (ALARMS if found["flowDefinition"] == "unknown" else TOPIC)
    return found


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_claim_is_released_and_the_loop_reported(aws: AWS, status: str) -> None:
    claimed(aws)
    aws.describe_execution(status, EVENT, cause="out of memory")
    aws.describe_history("Collect review")
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.human_loop_name, settled.claim, settled.released) == ("loop", CLAIM, True)
    row = aws.row()
    assert (row.claims[CLAIM]["state"], row.outcome) == ("released", "failed")
    assert row.reason == document(aws)["reason"]
    assert f"({status}) before it had processed the status change: out of memory" in row.reason
    assert row.escalated_at is not None
    assert document(aws)["humanLoopName"] == "loop"
    assert document(aws)["command"] == "python deploy.py loops redrive loop --stage dev"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"detail": ' * 5000, f'{{"detail": {"9" * 5000}}}'])
def test_execution_with_an_unreadable_input_is_reported(aws: AWS, text: str) -> None:
    aws.describe_execution("FAILED", input=text)
    aws.describe_history("Collect review")
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.human_loop_name, settled.escalated) == (None, True)
    # Addresses of single flow definitions would not get it on the other topic.
    assert [one["TopicArn"] for one in aws.messages] == [ALARMS]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "PENDING_REDRIVE", "gone"])
def test_execution_that_has_not_failed_is_left_alone(aws: AWS, status: str) -> None:
    # RUNNING also after a redrive from the console, which continues the same execution.
    claimed(aws)
    aws.describe_execution(status, EVENT)
    assert aws.abandoned.settle(EXECUTION) is None
    assert aws.row().claims[CLAIM]["state"] == "working"


def test_execution_that_destroy_stopped_is_reported_by_nobody(aws: AWS) -> None:
    claimed(aws)
    aws.describe_execution("ABORTED", EVENT, error=DESTROYED)
    assert aws.abandoned.settle(EXECUTION) is None
    assert aws.messages == []


def test_second_report_of_the_same_end_changes_nothing(aws: AWS) -> None:
    test_claim_is_released_and_the_loop_reported(aws, "ABORTED")
    before = aws.row()
    aws.describe_execution("ABORTED", EVENT)
    assert aws.abandoned.settle(EXECUTION) is None
    assert (aws.row(), len(aws.messages)) == (before, 1)


def test_message_that_failed_is_sent_by_the_next_call(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed(aws, escalated_at="2025-01-01T00:00:00.000Z")
    for _ in range(2):
        aws.describe_execution("ABORTED", EVENT)
        aws.describe_history()
    aws.stubs["sns"].add_client_error("publish", "InternalError")
    with pytest.raises(ClientError):
        aws.abandoned.settle(EXECUTION)
    monkeypatch.setattr(reports, "ABANDONED_AFTER", timedelta(0))
    assert (aws.row().outcome, aws.row().escalated_at) == ("failed", None)
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.released, settled.escalated) == (False, True)
    assert aws.row().escalated_at is not None


@pytest.mark.parametrize("has_claim", [True, False])
def test_two_reports_at_the_same_time_send_one_message(aws: AWS, has_claim: bool) -> None:
    if has_claim:
        claimed(aws)
    for _ in range(2):
        aws.describe_execution("ABORTED", EVENT, stopDate=datetime.fromisoformat(AT))
        aws.describe_history()
    aws.accept_message()
    second = []

    def report(when: str, operation: str) -> None:
        if (when, operation) == ("before", "Publish") and not second:
            second.append(None)
            second.append(aws.abandoned.settle(EXECUTION))

    with aws.watched(report):
        first = aws.abandoned.settle(EXECUTION)
    assert first is not None
    assert first.escalated
    assert second[1] is None or not second[1].escalated
    assert len(aws.messages) == 1


def test_message_whose_sender_died_is_sent_after_a_minute(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        aws.describe_execution("ABORTED", EVENT)
        aws.describe_history()
    aws.stubs["sns"].add_client_error("publish", "InternalError")
    with pytest.raises(ClientError):
        aws.abandoned.settle(EXECUTION)
    assert aws.abandoned.settle(EXECUTION) is None
    monkeypatch.setattr(reports, "ABANDONED_AFTER", timedelta(0))
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert settled.escalated


def test_execution_that_ends_again_after_a_redrive_is_reported_again(aws: AWS) -> None:
    for hour, sent in ((8, 1), (9, 2), (9, 2)):
        aws.describe_execution("ABORTED", EVENT, stopDate=datetime(2026, 2, 1, hour, tzinfo=UTC))
        if sent > len(aws.messages):
            aws.describe_history()
            aws.accept_message()
        aws.abandoned.settle(EXECUTION)
        assert len(aws.messages) == sent


@pytest.mark.parametrize("outcome", ["failed", "closed"])
def test_execution_that_released_its_claim_needs_nothing(aws: AWS, outcome: str) -> None:
    claimed(aws, "released", outcome=outcome, escalated_at=AT)
    aws.describe_execution("FAILED", EVENT)
    assert aws.abandoned.settle(EXECUTION) is None


def test_execution_that_reported_but_kept_its_claim_sends_no_second_message(aws: AWS) -> None:
    claimed(aws)
    aws.describe_execution("FAILED", EVENT)
    aws.describe_history("Escalate")
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.released, settled.escalated) == (True, False)
    assert aws.row().escalated_at is not None


def test_execution_whose_own_message_failed_is_reported(aws: AWS) -> None:
    claimed(aws)
    aws.describe_execution("FAILED", EVENT)
    aws.describe_history("Escalate", result="TaskFailed")  # its Catch led on, so the state was left
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.escalated, document(aws)["humanLoopName"]) == (True, "loop")


def test_claim_finished_while_its_execution_is_described_is_kept(aws: AWS) -> None:
    claimed(aws)
    aws.describe_execution("FAILED")

    def finish(when: str, operation: str) -> None:
        if (when, operation) == ("after", "DescribeExecution"):
            aws.ledger.settle(aws.row(), [CLAIM], outcome="restarted")

    with aws.watched(finish):
        assert aws.abandoned.settle_claim(aws.row(), CLAIM) is None
    assert (aws.row().claims[CLAIM]["state"], aws.row().outcome) == ("done", "restarted")


def test_claim_taken_over_by_a_redrive_is_kept(aws: AWS) -> None:
    claimed(aws, execution=EXECUTION + "-2")
    aws.describe_execution("ABORTED", EVENT)
    assert aws.abandoned.settle(EXECUTION) is None
    assert aws.row().claims[CLAIM]["state"] == "working"


def test_claim_of_execution_that_is_gone_is_released(aws: AWS) -> None:
    claimed(aws)
    aws.describe_execution("gone")
    aws.accept_message()
    settled = aws.abandoned.settle_claim(aws.row(), CLAIM)
    assert settled is not None
    assert settled.released
    assert "Step Functions no longer has it" in document(aws)["reason"]


def recorded(aws: AWS, outcome: str, **values: Any) -> None:
    """A loop whose outcome is recorded, and for which a workflow waits."""
    claimed(aws)
    aws.waiting.join("loop", "token")
    aws.ledger.settle(aws.row(), [CLAIM], outcome=outcome, **values)


def test_waiting_workflow_is_answered_before_the_claim_is_released(aws: AWS) -> None:
    recorded(aws, "notified")
    aws.describe_execution("FAILED", EVENT, error="States.Runtime", cause="no such path")
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})
    aws.describe_history("Notify stopped")
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.answered, settled.released, settled.escalated) == (True, True, True)
    assert (aws.row().answer, aws.row().outcome, aws.row().waiting) == ("delivered", "failed", None or False)
    assert "after it had recorded the outcome (notified)" in document(aws)["reason"]
    assert "States.Runtime: no such path" in document(aws)["reason"]
    assert document(aws)["workflowWaiting"] is False


def test_escalation_that_a2is_own_event_replaced_is_left_alone(aws: AWS) -> None:
    recorded(aws, "escalated")
    aws.ledger.update("loop", outcome="processing", execution=f"{EXECUTION}-of-a2i")
    before = aws.row()
    for status in ("FAILED", "SUCCEEDED"):
        aws.describe_execution(status, EVENT)
        assert aws.abandoned.settle_claim(before, CLAIM) is None
    assert aws.row() == before


def test_workflow_that_cannot_be_answered_is_reported(aws: AWS) -> None:
    recorded(aws, "notified")
    aws.describe_execution("FAILED", EVENT)
    aws.stubs["stepfunctions"].add_client_error("send_task_failure", "AccessDeniedException", "no")
    aws.describe_history()
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.answered, settled.released) == (False, True)
    assert "could not be notified: AccessDeniedException" in document(aws)["reason"]
    assert document(aws)["workflowWaiting"] is True


def test_restarted_loop_needs_no_message(aws: AWS) -> None:
    aws.add_row("loop-attempt-2")
    recorded(aws, "restarted", next_loop_name="loop-attempt-2")
    aws.describe_execution("ABORTED", EVENT)
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.answered, settled.released, settled.escalated) == (True, False, False)
    assert aws.tokens.of("loop-attempt-2") == ["token"]


def test_loop_that_a_person_closed_needs_no_message(aws: AWS) -> None:
    recorded(aws, "closed")
    aws.describe_execution("ABORTED", EVENT)
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.answered, settled.released, settled.escalated) == (True, False, False)
    assert aws.row().outcome == "closed"


@pytest.mark.parametrize("status", ["SUCCEEDED", "gone"])
def test_workflow_that_a_finished_execution_left_waiting_is_answered(aws: AWS, status: str) -> None:
    recorded(aws, "escalated")
    aws.describe_execution(status)
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})
    settled = aws.abandoned.settle_claim(aws.row(), CLAIM)
    assert settled is not None
    assert (settled.answered, settled.released, settled.escalated) == (True, False, False)
    assert aws.row().claims[CLAIM]["state"] == "done"


def test_undeliverable_answer_of_a_finished_execution_is_an_error(aws: AWS) -> None:
    recorded(aws, "escalated")
    aws.describe_execution("SUCCEEDED")
    aws.stubs["stepfunctions"].add_client_error("send_task_failure", "AccessDeniedException", "no")
    with pytest.raises(TokenUndeliverable):
        aws.abandoned.settle_claim(aws.row(), CLAIM)


def test_outcome_that_a_person_closed_meanwhile_stays(aws: AWS) -> None:
    recorded(aws, "notified")
    aws.describe_execution("ABORTED", EVENT)
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})

    def close(when: str, operation: str) -> None:
        answered = (when, operation) == ("before", "UpdateItem") and aws.row().waiting is False
        if answered and aws.row().outcome != "closed":
            closed.append(aws.row().human_loop_name)
            if len(closed) == 1:
                aws.ledger.settle(aws.row(), outcome="closed", note="by hand")

    closed: list[str] = []
    with aws.watched(close):
        assert aws.abandoned.settle(EXECUTION) is None
    assert (aws.row().outcome, aws.messages) == ("closed", [])


NO_CLAIM = {
    "no row": EVENT,
    "no name": {**EVENT, "detail": {**EVENT["detail"], "humanLoopName": None}},
    "long name": {**EVENT, "detail": {**EVENT["detail"], "humanLoopName": "x" * 3000}},
    "half a character": {**EVENT, "detail": {**EVENT["detail"], "humanLoopName": "\ud800"}},
    "no detail": {"detail": "text"},
    "no event": [1],
}


@pytest.mark.parametrize("event", NO_CLAIM.values(), ids=NO_CLAIM)
def test_execution_that_could_not_claim_is_reported_by_its_arn(aws: AWS, event: Any) -> None:
    aws.describe_execution("TIMED_OUT", event)
    aws.describe_history()
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert (settled.claim, settled.escalated) == (None, True)
    assert document(aws)["command"] == f"python deploy.py loops redrive --execution {EXECUTION} --stage dev"
    aws.describe_execution("TIMED_OUT", event)
    assert aws.abandoned.settle(EXECUTION) is None
    assert len(aws.messages) == 1


def test_execution_whose_row_cannot_be_read_is_reported(aws: AWS) -> None:
    claimed(aws)
    aws.clients["dynamodb"].update_item(
        TableName="ledger",
        Key={"humanLoopName": {"S": "loop"}},
        UpdateExpression="SET attempt = :odd",
        ExpressionAttributeValues={":odd": {"S": "first"}},
    )
    aws.describe_execution("ABORTED", EVENT)
    aws.describe_history()
    aws.accept_message()
    assert aws.abandoned.settle(EXECUTION) is not None
    assert "attempt" in document(aws)["reason"]


def test_execution_that_reported_its_event_sends_no_second_message(aws: AWS) -> None:
    aws.describe_execution("FAILED", EVENT)
    aws.describe_history("Escalate unclaimed event")
    assert aws.abandoned.settle(EXECUTION) is None


@pytest.mark.parametrize("state", ["working", "done"])
def test_duplicate_that_was_stopped_before_its_claim_needs_nothing(aws: AWS, state: str) -> None:
    claimed(aws, state, execution=EXECUTION + "-2")
    aws.describe_execution("ABORTED", EVENT)
    assert aws.abandoned.settle(EXECUTION) is None


def test_redrive_that_was_stopped_before_its_claim_is_reported(aws: AWS) -> None:
    claimed(aws, "released", execution=EXECUTION + "-1", outcome="failed", escalated_at=AT)
    aws.describe_execution("ABORTED", EVENT)
    aws.describe_history()
    aws.accept_message()
    settled = aws.abandoned.settle(EXECUTION)
    assert settled is not None
    assert settled.escalated
