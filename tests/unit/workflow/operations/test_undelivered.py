"""Tests of the queue of undelivered events: an event is delivered before its message is deleted."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from tests.unit.doubles import REGION, StepFunctions, StubbedSession, create_ledger_table
from workflow.operations.loops import Loops
from workflow.operations.several import Interruption, Results
from workflow.operations.stage_resources import StageResources
from workflow.operations.undelivered import UndeliveredEvents, execution_name
from workflow.publish.account import Account

ACCOUNT = "123456789012"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:afterloop-dev"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/afterloop-dev"


class Stage:
    """A stage with a queue of undelivered events."""

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.states = StepFunctions(MACHINE)
        self.session.use("stepfunctions", self.states)
        self.sqs = self.session.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="undelivered")["QueueUrl"]
        self.ledger = Ledger(self.session.client("dynamodb"), "ledger")
        outputs = {
            "LedgerTable": "ledger", "StateMachine": MACHINE, "UndeliveredEvents": self.queue, "Rule": "afterloop-dev",
        }  # fmt: skip
        resources = StageResources("dev", "aws", REGION, ACCOUNT, outputs)
        self.events: UndeliveredEvents = Loops(resources, self.session).undelivered()  # type: ignore[arg-type]

    def add(self, body: object, **attributes: str) -> str:
        """Puts a message into the queue as EventBridge does. Returns its id."""
        values = {
            "RULE_ARN": RULE,
            "ERROR_CODE": "NO_PERMISSIONS",
            "ERROR_MESSAGE": "not\nallowed",
            **attributes,
        }
        sent = self.sqs.send_message(
            QueueUrl=self.queue,
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value
            },
        )
        return str(sent["MessageId"])

    def process(self, **more: Any) -> Results:
        return self.events.process(Interruption(), **{"dry_run": False, "at_once": 3, **more})

    def left(self) -> list[str]:
        """Returns the ids of the messages that can be read, and leaves them so."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += messages
        for message in found:
            self.sqs.change_message_visibility(
                QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return sorted(message["MessageId"] for message in found)


@pytest.fixture(scope="module", autouse=True)
def _ledger(simulated: StubbedSession) -> None:
    create_ledger_table(simulated.client("dynamodb"))


@pytest.fixture
def stage(simulated: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(Account, "is_aws", True)
    monkeypatch.setattr("workflow.operations.undelivered.POLL_SECONDS", 0)
    simulated.reset()
    stage = Stage(simulated)
    yield stage
    simulated.assert_all_called()
    stage.sqs.delete_queue(QueueUrl=stage.queue)


def status_change(name: object = "loop-1", **envelope: object) -> dict[str, Any]:
    detail = {
        "humanLoopName": name,
        "humanLoopStatus": "Completed",
        "creationTime": "2026-03-04T05:06:07.890Z",
    }
    return {"source": SOURCE, "detail-type": DETAIL_TYPE, "detail": detail, **envelope}


def execution_ended(machine: str = MACHINE) -> dict[str, Any]:
    detail = {"executionArn": "arn:execution", "stateMachineArn": machine, "status": "ABORTED"}
    return {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}


def test_every_event_starts_an_execution_and_is_deleted(stage: Stage) -> None:
    bodies = {f"loop-{number}": json.dumps(status_change(f"loop-{number}", x="ü")) for number in range(23)}
    for body in bodies.values():
        stage.add(body)
    seen: list[int] = []
    found = stage.process(progress=lambda so_far: seen.append(len(so_far.results)))
    assert {one.name: one.result for one in found.results} == dict.fromkeys(bodies, "done")
    assert seen == list(range(1, 24))
    assert (stage.left(), found.left, found.stopped) == ([], 0, None)
    inputs = [one["input"] for one in stage.states.executions.values()]
    assert sorted(inputs) == sorted(bodies.values())


def test_row_of_the_loop_says_who_processed_its_event(stage: Stage) -> None:
    created = "2026-03-04T05:06:07.890Z"
    for name, other in (("loop-a", created), ("loop-b", "2026-01-01T00:00:00.000Z")):
        stage.ledger.open(Loop(human_loop_name=name, status="InProgress", loop_created_at=other))
        stage.add(status_change(name))
    assert stage.process().count("done") == 2
    rows = [stage.ledger.find(name) for name in ("loop-a", "loop-b")]
    # The event of the other one is about a later loop of its name.
    assert [[one.action for one in row.operator_actions] for row in rows if row] == [["redrive"], []]


def test_error_of_a_function_is_shown(stage: Stage) -> None:
    attributes = {"RULE_ARN": "", "ERROR_CODE": "", "ERROR_MESSAGE": ""}
    stage.add(execution_ended(), **attributes, RequestID="1", ErrorCode="200", ErrorMessage="no row")
    (result,) = stage.process(dry_run=True).results
    assert (result.result, result.detail) == ("possible", "it was not delivered: 200: no row")


def test_dry_run_shows_events_and_leaves_them(stage: Stage) -> None:
    ids = [stage.add(status_change(f"loop-{number}")) for number in range(12)]
    ids.append(stage.add("not JSON"))
    found = stage.process(dry_run=True)
    assert (found.count("possible"), found.count("skipped")) == (12, 1)
    assert found.results[0].detail == "it was not delivered: NO_PERMISSIONS: not allowed"
    assert sorted(one.message_id or "" for one in found.results) == stage.left() == sorted(ids)
    assert stage.states.started == []


def test_messages_that_are_no_event_of_the_stage_stay(stage: Stage) -> None:
    reasons = {
        stage.add(body, **attributes): why
        for body, attributes, why in (
            ("not JSON", {}, "its body is not a JSON object: 'not JSON'"),
            ("[" * 5000, {}, "its body is not a JSON object: "),
            ([1], {}, "its body is not a JSON object: '[1]'"),
            ({"source": "mine"}, {}, "its event is none of this stage: source mine, detail-type None"),
            ({"source": ["x"], "detail-type": {}}, {}, "its event is none of this stage: source ['x']"),
            (status_change(), {"RULE_ARN": f"{RULE}-2"}, f"its event is of another rule, {RULE}-2"),
            (
                execution_ended("arn:other"),
                {},
                "its event is about the state machine arn:other, which is not",
            ),
            ({**execution_ended(), "detail": 7}, {}, "its event is about the state machine None"),
        )
    }
    stage.add(status_change())
    found = stage.process()
    assert (found.count("done"), found.count("skipped")) == (1, len(reasons))
    for one in found.results:
        if one.result == "skipped":
            assert one.detail.startswith(reasons[one.message_id or ""])
            assert one.detail.endswith("; it was not delivered: NO_PERMISSIONS: not allowed")
    assert stage.left() == sorted(reasons)


def test_odd_events_of_the_stage_are_delivered(stage: Stage) -> None:
    """The workflow escalates an event that does not name its loop."""
    for name in (None, 7, " ", "a b\nc"):
        stage.add(status_change(name), RULE_ARN="", ERROR_CODE="", ERROR_MESSAGE="")
    found = stage.process()
    assert sorted(one.name for one in found.results) == ["a b c", "unknown", "unknown", "unknown"]
    assert (found.count("done"), stage.left()) == (4, [])


def test_event_that_cannot_be_delivered_stays(stage: Stage) -> None:
    messages = [stage.add(status_change(f"loop-{number}")) for number in range(2)]
    stage.states.refuse = [("StartExecution", "AccessDenied"), ("StartExecution", "InvalidExecutionInput")]
    found = stage.process(at_once=1)
    assert sorted(one.detail for one in found.results) == [
        "StartExecution failed (AccessDenied): refused by the test",
        "StartExecution failed (InvalidExecutionInput): refused by the test",
    ]
    assert (found.count("error"), stage.left()) == (2, sorted(messages))


def test_event_is_started_once_if_its_message_could_not_be_deleted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = stage.add(status_change())
    stage.states.outcome = lambda name: "RUNNING"
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteMessage")
    with monkeypatch.context() as patched:
        patched.setattr(stage.sqs, "delete_message", lambda **_: (_ for _ in ()).throw(refused))
        (result,) = stage.process(wait=False).results
    assert (result.result, stage.left()) == ("error", [message])
    assert "the event was delivered, but its message" in result.detail

    # Meanwhile the execution ended, so StartExecution refuses its name.
    for execution in stage.states.executions.values():
        execution["status"] = "FAILED"
    (result,) = stage.process().results
    assert (result.result, stage.left()) == ("failed", [])
    assert len(stage.states.started) == 1


def test_same_event_in_two_messages_starts_one_execution(stage: Stage) -> None:
    for _ in range(2):
        stage.add(status_change())
    assert [one.result for one in stage.process(at_once=1).results] == ["done", "done"]
    assert (len(stage.states.started), stage.left()) == (1, [])


def test_ended_execution_is_passed_to_its_function(stage: Stage) -> None:
    messages = [stage.add(execution_ended(), RULE_ARN=f"{RULE}-executions") for _ in range(2)]
    for body, more in (({}, {}), ({"errorType": "E", "errorMessage": "m"}, {"FunctionError": "Unhandled"})):
        payload = json.dumps(body).encode()
        stage.session.stubs["lambda"].add_response(
            "invoke",
            {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(payload), len(payload)), **more},
            {
                "FunctionName": "afterloop-dev-ReleaseClaim",
                "Payload": json.dumps(execution_ended(), ensure_ascii=False).encode(),
            },
        )
    done, error = stage.process(at_once=1).results
    assert (done.result, done.name, error.result) == ("done", "arn:execution", "error")
    assert "function afterloop-dev-ReleaseClaim: E: m" in error.detail
    assert stage.left() == [error.message_id]
    assert {done.message_id, error.message_id} == set(messages)


def test_messages_that_somebody_else_reads_are_counted_and_left_alone(stage: Stage) -> None:
    for number in range(3):
        stage.add(status_change(f"loop-{number}"))
    stage.sqs.receive_message(QueueUrl=stage.queue, MaxNumberOfMessages=1, VisibilityTimeout=300)
    queued = stage.events.count()
    assert (queued.visible, queued.held) == (2, 1)
    assert len(stage.process().results) == 2


@pytest.mark.parametrize("interrupted", [True, False])
def test_run_that_stops_leaves_the_other_messages(stage: Stage, interrupted: bool) -> None:
    for number in range(30):
        stage.add(status_change(f"loop-{number}"))
    stage.states.outcome = lambda name: "SUCCEEDED" if interrupted else "FAILED"
    interruption = Interruption()

    def progress(so_far: Results) -> None:
        if interrupted and len(so_far.results) == 2:
            interruption.request()

    found = stage.events.process(interruption, dry_run=False, at_once=1, progress=progress)
    assert found.stopped == ("interrupted" if interrupted else "failing")
    begun = len(found.results)
    assert begun == len(stage.states.started)
    assert begun < 30 if interrupted else begun == 5
    assert len(stage.left()) == found.left == 30 - begun


def test_message_that_is_held_too_long_is_processed_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that stay can be read again while a long queue is processed."""
    monkeypatch.setattr("workflow.operations.undelivered.HELD_SECONDS", 0)
    stage.add("not JSON")
    assert [one.result for one in stage.process().results] == ["skipped"]


def test_names_of_executions_follow_from_the_body() -> None:
    body = json.dumps(status_change("a/ä" * 60))
    assert execution_name(body) == execution_name(body)
    assert len(execution_name(body)) == 79
    assert execution_name(body).isascii()
    assert execution_name(body) != execution_name(body + " ")
    assert execution_name("{").startswith("undelivered-event-")
