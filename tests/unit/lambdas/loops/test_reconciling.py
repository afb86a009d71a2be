"""The reconciler: what was missed or left unfinished, found by two witnesses, the ledger and A2I's list."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops import listed_loops, open_loops
from lambdas.loops.abandoned import AbandonedExecutions
from lambdas.loops.escalation import Escalation
from lambdas.loops.ledger import Ledger
from lambdas.loops.marks import Marks
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.reconciling import Reconciler
from lambdas.loops.reports import Reports
from lambdas.loops.waiting import WaitingWorkflows
from lambdas.reviews.event import parse_status_change
from lambdas.reviews.times import timestamp
from tests.unit.lambdas.conftest import ALARMS, AWS, EXECUTION, FLOW, MACHINE, TOPIC, start_request
from tests.unit.lambdas.executions import Executions
from tests.unit.odd_items import odd_items

LONG = timedelta(minutes=10)
OLD = timestamp(datetime.now(UTC) - LONG)


class Topic:
    """The escalation topic."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        self.messages.append(message)


class Reconcile:
    """Runs the reconciler with a double of Step Functions."""

    def __init__(self, aws: AWS) -> None:
        self.aws = aws
        self.states: Any = Executions()
        self.topic: Any = Topic()

    def __call__(self, *flows: str, **options: Any) -> Reconciliation:
        return self.reconciler.run(flows or (FLOW,), **options)

    @property
    def reconciler(self) -> Reconciler:
        aws, clients = self.aws, self.aws.clients
        waiting = WaitingWorkflows(
            aws.ledger, aws.tokens, clients["s3"], self.states, clients["sagemaker-a2i-runtime"]
        )
        abandoned = AbandonedExecutions(
            aws.ledger,
            waiting,
            self.states,
            Escalation(self.topic, TOPIC, ALARMS, "dev"),
            Reports(clients["dynamodb"], "ledger"),
        )
        return Reconciler(
            ledger=aws.ledger,
            marks=self.marks,
            starter=aws.starter,
            a2i=clients["sagemaker-a2i-runtime"],
            sagemaker=clients["sagemaker"],
            states=self.states,
            state_machine=MACHINE,
            abandoned=abandoned,
        )

    @property
    def marks(self) -> Marks:
        return Marks(self.aws.clients["dynamodb"], "ledger")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events with which executions were started."""
        found: list[dict[str, Any]] = self.states.events
        return found


@pytest.fixture
def reconcile(aws: AWS) -> Reconcile:
    """A reconciler that has read the list before."""
    reconcile = Reconcile(aws)
    reconcile.marks.advance(FLOW, datetime.now(UTC) - timedelta(days=3))
    return reconcile


def age(aws: AWS, name: str, by: timedelta = LONG) -> None:
    """Lets the last change of a row be that long ago."""
    aws.clients["dynamodb"].update_item(
        TableName="ledger",
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET updatedAt = :then",
        ExpressionAttributeValues={":then": {"S": timestamp(datetime.now(UTC) - by)}},
    )


def in_progress(aws: AWS, name: str = "loop", ago: timedelta = LONG, **values: Any) -> None:
    """A row of a loop that was started then."""
    aws.add_row(name, created_at=timestamp(datetime.now(UTC) - ago), **values)
    age(aws, name, ago)


def ended(aws: AWS, status: str = "Completed", state: str = "done", **values: Any) -> str:
    """A loop that has ended, and whose status change was claimed. Returns the claim."""
    loop = aws.a2i.add("loop", status)
    claim = f"{timestamp(loop['CreationTime'])} {status}"
    held = {"state": state, "execution": EXECUTION, "at": OLD}
    outcome = {"outcome": "processing"} if state == "working" else {}
    aws.add_row(**{"status": status} | outcome | values, claims={claim: held})
    return claim


def unfinished(aws: AWS, **values: Any) -> None:
    """A row whose start was abandoned ten minutes ago."""
    aws.starter.start(start_request("other"))
    changes = {"human_loop_name": "loop", "status": "Starting", "created_at": OLD, "human_loop_arn": None}
    row = aws.row("other").model_copy(update=changes | {"started_at": None} | values)
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": "other"}})
    del aws.a2i.loops["other"]
    assert aws.ledger.open(row) is None
    age(aws, "loop")


def test_nothing_is_done_if_nothing_was_missed(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws)
    aws.a2i.add("running")
    aws.add_row("running")
    found = reconcile()
    assert (found.looked_at, found.found_nothing, found.complete) == (2, True, True)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_missed_event_starts_the_workflow(aws: AWS, reconcile: Reconcile, status: str, known: bool) -> None:
    output = {"HumanLoopOutput": {"OutputS3Uri": "s3://outputs/output.json"}} if status != "Failed" else {}
    aws.a2i.add("loop", status, FailureCode="Expired", FailureReason="too late", **output)
    if known:
        aws.add_row()
    found = reconcile()
    assert list(found.missed) == [f"loop {status}"]
    change = parse_status_change(reconcile.events[0])
    assert (change.human_loop_name, change.detail.human_loop_status) == ("loop", status)
    assert change.detail.failure_code == "Expired"
    assert (change.output is not None) is (status != "Failed")


def test_status_change_of_an_earlier_loop_with_the_name_is_not_a_claim(
    aws: AWS, reconcile: Reconcile
) -> None:
    # A2I allows the name again once its loop was deleted.
    ended(aws)
    aws.a2i.add("loop", "Completed", age=timedelta(minutes=1))
    assert list(reconcile().missed) == ["loop Completed"]


def test_problem_with_one_loop_does_not_stop_the_others(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("first", "Completed", age=LONG)
    aws.a2i.add("second", "Completed")
    reconcile.states.errors["StartExecution"] = ["ThrottlingException"]
    found = reconcile()
    assert list(found.missed) == ["second Completed"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("first: ")
    assert not found.found_nothing


@pytest.mark.parametrize("status", ["Starting", "InProgress", "Completed"])
def test_row_that_cannot_be_read_is_skipped_and_named(aws: AWS, reconcile: Reconcile, status: str) -> None:
    item = {"humanLoopName": {"S": "odd"}, "attempt": {"S": "three"}, "createdAt": {"S": "2026"}}
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item | {"status": {"S": status}})
    aws.a2i.add("odd", "Completed")
    aws.a2i.add("good", "Completed")
    found = reconcile()
    # Not started again each hour: nobody knows whether an execution has claimed it.
    assert list(found.missed) == ["good Completed"]
    assert len(found.problems) == 1
    assert "'odd': its item in the ledger's table cannot be read: attempt: Input" in found.problems[0]


@given(item=odd_items(), since=st.sampled_from([None, datetime(2026, 1, 1, tzinfo=UTC)]))
def test_no_item_keeps_the_others_from_the_reconciler(
    aws: AWS, item: dict[str, Any], since: datetime | None
) -> None:
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item)
    aws.a2i.loops.clear()
    aws.a2i.add("odd", "Completed")
    aws.a2i.add("good", "Completed")
    found = Reconcile(aws)(since=since)
    assert "good Completed" in found.missed
    assert found.complete


# Starts


@pytest.mark.parametrize("exists", [True, False])
def test_unfinished_start_is_resumed(aws: AWS, reconcile: Reconcile, exists: bool) -> None:
    unfinished(aws)
    if exists:
        aws.a2i.add("loop")
    assert reconcile().resumed == ["loop"]
    assert aws.row().status == "InProgress"
    assert aws.a2i.calls.count("StartHumanLoop") == (1 if exists else 2)  # one for the loop of `unfinished`


def test_recent_start_is_left_alone(aws: AWS, reconcile: Reconcile) -> None:
    aws.add_row("new", status="Starting")
    unfinished(aws)
    aws.ledger.update("loop", reason="a call is resuming the start now")
    assert reconcile().found_nothing


def test_refused_start_is_escalated_as_a_failed_loop(aws: AWS, reconcile: Reconcile) -> None:
    unfinished(aws)
    aws.a2i.errors["StartHumanLoop"] = ["ValidationException"]
    assert list(reconcile().refused) == ["loop"]
    change = parse_status_change(reconcile.events[0])
    assert (change.detail.failure_code, change.created_at) == ("StartRefused", datetime.fromisoformat(OLD))
    assert "refuses to start human loop 'loop'" in (change.detail.failure_reason or "")
    assert change.detail.flow_definition_arn == FLOW


def test_refused_start_that_cannot_be_escalated_is_tried_again(aws: AWS, reconcile: Reconcile) -> None:
    unfinished(aws, input_location="s3://reviews/inputs/deleted.json")
    reconcile.states.errors["StartExecution"] = ["ThrottlingException"]
    found = reconcile()
    assert (found.refused, len(found.problems)) == ({}, 1)
    assert aws.row().status == "Starting"
    assert list(reconcile().refused) == ["loop"]


# Claims


def test_claim_of_dead_execution_is_released(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    reconcile.states.add("ABORTED", cause="out of memory")
    assert reconcile().released == {f"loop {claim}": EXECUTION}
    assert (aws.row().claims[claim]["state"], aws.row().outcome) == ("released", "failed")
    assert len(reconcile.topic.messages) == 1


@pytest.mark.parametrize("status", ["ABORTED", "gone"])
def test_claim_is_released_if_a2i_no_longer_has_the_loop(aws: AWS, reconcile: Reconcile, status: str) -> None:
    claim = ended(aws, state="working", created_at="2025-01-01T00:00:00.000Z")
    aws.a2i.loops.clear()
    if status != "gone":
        reconcile.states.add(status)
    assert reconcile().released == {f"loop {claim}": EXECUTION}


def test_claim_of_running_execution_is_kept(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws, state="working")
    reconcile.states.add("RUNNING")
    assert reconcile().found_nothing


def test_row_processed_by_no_execution_needs_a_person(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws, outcome="processing")
    age(aws, "loop")
    found = reconcile()
    assert "loop: The ledger said that the loop was being processed, but no exec" in found.problems[0]
    assert aws.row().outcome == "failed"
    assert reconcile().found_nothing


def test_execution_that_ended_is_settled_although_no_index_has_its_claim(
    aws: AWS, reconcile: Reconcile
) -> None:
    # Its row was written by an earlier version, which had no outcome `processing`, and A2I's list was read before.
    claim = ended(aws, state="working", outcome=None)
    aws.a2i.loops.clear()
    event = {
        "detail": {"humanLoopName": "loop", "creationTime": claim.split()[0], "humanLoopStatus": "Completed"}
    }
    stopped = datetime.now(UTC) - LONG
    reconcile.states.add("TIMED_OUT", input=json.dumps(event), stopDate=stopped, startDate=stopped)
    assert reconcile().released == {f"loop {claim}": EXECUTION}
    assert reconcile().found_nothing


def test_executions_are_listed_back_to_the_oldest_that_was_running(aws: AWS, reconcile: Reconcile) -> None:
    def add(number: int, status: str = "FAILED", **more: Any) -> None:
        then = datetime.now(UTC) - timedelta(days=number, minutes=10)
        reconcile.states.add(status, f"{EXECUTION}-{number}", **{"startDate": then, "stopDate": then} | more)

    days = range(0, 20, 2)
    for number in days:
        add(number)
    reconcile.states.add("RUNNING", startDate=datetime.now(UTC) - timedelta(days=7))
    # The first run settles what ended in the last 14 days.
    assert sorted(reconcile().reported) == sorted(f"{EXECUTION}-{number}" for number in days if number < 14)
    # Pages of two: nobody knew what was running before.
    assert reconcile.states.calls["ListExecutions"] == 1 + 5 + 2
    assert reconcile().found_nothing
    # The fourth execution began before the one that runs, so what comes after it cannot be new.
    assert reconcile.states.calls["ListExecutions"] == 8 + 1 + 3 + 2


def test_end_of_an_execution_that_waited_for_days_is_settled(
    aws: AWS, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(aws)
    aws.a2i.loops.clear()
    begun = datetime.now(UTC) - timedelta(days=20)
    reconcile.states.add("RUNNING", startDate=begun)
    for number in range(5):
        reconcile.states.add("ABORTED", f"{EXECUTION}-{number}", stopDate=begun + timedelta(days=number))
    assert reconcile().found_nothing
    created, status = next(iter(aws.row().claims)).split()
    event = {"detail": {"humanLoopName": "loop", "creationTime": created, "humanLoopStatus": status}}
    reconcile.states.add("ABORTED", startDate=begun, input=json.dumps(event))
    # Too soon: its report may be on its way. The next run still looks for it.
    assert reconcile().found_nothing
    monkeypatch.setattr(open_loops, "UNFINISHED_AFTER", timedelta(0))
    found = reconcile()
    assert (found.answered, list(found.released.values())) == (["loop"], [EXECUTION])
    assert "steps after that may not have run" in reconcile.topic.messages[0]["Message"]
    assert reconcile().found_nothing


def test_failed_loop_whose_message_was_never_sent_is_reported(aws: AWS, reconcile: Reconcile) -> None:
    # Its execution ended days ago. The topic refused the message, and nothing repeated that.
    ended(aws, state="released", outcome="failed", reason="It was stopped.")
    age(aws, "loop")
    then = datetime.now(UTC) - timedelta(days=9)
    reconcile.states.add("ABORTED", startDate=then, stopDate=then)
    assert reconcile().reported == [EXECUTION]
    assert "It was stopped." in reconcile.topic.messages[0]["Message"]
    assert reconcile().found_nothing
    assert len(reconcile.topic.messages) == 1


@pytest.mark.parametrize("told", [True, False])
def test_loop_that_failed_again_is_reported_once(aws: AWS, reconcile: Reconcile, told: bool) -> None:
    minute = timedelta(minutes=1 if told else -1)
    escalated = timestamp(datetime.fromisoformat(OLD) + minute)
    ended(aws, state="released", outcome="failed", escalated_at=escalated)
    age(aws, "loop")
    reconcile.states.add("ABORTED")
    assert len(reconcile().reported) == (0 if told else 1)
    assert reconcile().reported == []


def test_failed_loop_that_is_redriven_at_this_moment_is_not_reported(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws, state="released", outcome="failed")
    reconcile.states.add("ABORTED")
    assert reconcile().reported == []


def waiting(aws: AWS) -> None:
    ended(aws, "Failed")
    aws.waiting.join("loop", "token")
    aws.ledger.update("loop", outcome="escalated")


def test_waiting_workflow_is_notified(aws: AWS, reconcile: Reconcile) -> None:
    waiting(aws)
    reconcile.states.add("SUCCEEDED")
    found = reconcile()
    assert (found.answered, found.released) == (["loop"], {})
    assert aws.row().answer == "delivered"
    assert reconcile.states.answers[0]["error"] == "HumanReview.Failed"


def test_undeliverable_token_is_a_problem(aws: AWS, reconcile: Reconcile) -> None:
    waiting(aws)
    reconcile.states.add("SUCCEEDED")
    reconcile.states.errors["SendTaskFailure"] = ["AccessDeniedException"]
    found = reconcile()
    assert (found.answered, len(found.problems)) == ([], 1)


# Loops in progress


def test_loop_that_was_deleted_is_escalated(aws: AWS, reconcile: Reconcile) -> None:
    in_progress(aws, loop_created_at=OLD)
    found = reconcile()
    assert list(found.deleted) == ["loop"]
    change = parse_status_change(reconcile.events[0])
    assert (change.detail.human_loop_status, change.detail.failure_code) == ("Failed", "LoopDeleted")
    assert change.created_at == datetime.fromisoformat(OLD)
    assert "A2I no longer has the loop" in (change.detail.failure_reason or "")
    assert change.detail.human_loop_arn.endswith(":human-loop/loop")


def test_deleted_loop_has_the_same_claim_each_time(aws: AWS, reconcile: Reconcile) -> None:
    # Two reconcilers, or two runs before the first execution has claimed it.
    in_progress(aws)
    for _ in range(2):
        reconcile()
    times = {event["detail"]["creationTime"] for event in reconcile.events}
    assert (len(reconcile.events), len(times)) == (2, 1)


def test_loop_whose_name_was_used_again_is_escalated(aws: AWS, reconcile: Reconcile) -> None:
    in_progress(aws, ago=timedelta(days=2), loop_created_at=timestamp(datetime.now(UTC) - timedelta(days=2)))
    aws.a2i.add("loop", age=LONG)
    found = reconcile()
    assert list(found.deleted) == ["loop"]
    # The other loop is open in the ledger from now on.
    (key,) = found.adopted
    assert (aws.row(key).status, aws.row(key).name) == ("InProgress", "loop")
    assert reconcile().adopted == []


@pytest.mark.parametrize("recent", ["created", "written"])
def test_loop_that_a2i_does_not_know_yet_is_left_alone(aws: AWS, reconcile: Reconcile, recent: str) -> None:
    aws.add_row(**({} if recent == "created" else {"created_at": OLD}))
    assert reconcile().found_nothing


def test_loop_deleted_after_its_event_was_processed_is_left_alone(aws: AWS, reconcile: Reconcile) -> None:
    # The index still shows the row as it was before.
    in_progress(aws)

    def process(when: str, operation: str) -> None:
        if (when, operation) == ("after", "DescribeHumanLoop"):
            aws.ledger.update("loop", status="Completed", outcome="stored")

    with aws.watched(process):
        assert reconcile().found_nothing


@pytest.mark.parametrize("created_at", ["4 March", "9999-12-31T23:59:59Z+", "zzz"])
def test_loop_with_an_odd_creation_time_is_looked_up(aws: AWS, reconcile: Reconcile, created_at: str) -> None:
    aws.add_row(created_at=created_at)
    age(aws, "loop")
    assert list(reconcile().deleted) == ["loop"]


@pytest.mark.parametrize("status", ["InProgress", "Stopping", "Completed"])
@pytest.mark.parametrize("ago", [timedelta(minutes=10), timedelta(days=60)])
def test_loop_is_looked_up_whatever_its_age(
    aws: AWS, reconcile: Reconcile, status: str, ago: timedelta
) -> None:
    in_progress(aws, ago=ago)
    aws.a2i.add("loop", status, flow="arn:deleted-or-not-listed", age=ago)
    for _ in range(2):
        assert list(reconcile().missed) == (["loop Completed"] if status == "Completed" else [])
    # From now on, another loop with the name cannot be taken for this one.
    assert (aws.row().loop_created_at is None) is (status == "Completed")


def test_loop_that_cannot_be_looked_up_is_tried_again(aws: AWS, reconcile: Reconcile) -> None:
    for name in ("a", "b"):
        in_progress(aws, name)
    aws.a2i.errors["DescribeHumanLoop"] = ["ThrottlingException"]
    found = reconcile()
    assert (len(found.deleted), len(found.problems)) == (1, 1)
    assert "ThrottlingException" in found.problems[0]
    assert sorted(found.deleted | reconcile().deleted) == ["a", "b"]


def test_restart_that_was_deleted_is_escalated(aws: AWS, reconcile: Reconcile) -> None:
    aws.starter.start(start_request())
    aws.waiting.join("loop", "token")
    aws.ledger.update("loop", status="Failed", outcome="restarted")
    aws.starter.restart(aws.row(), FLOW)
    age(aws, "loop-attempt-2")
    aws.a2i.loops.clear()
    # The workflow of the first loop waits for the second now, and so does another one with the same key.
    aws.waiting.join("loop", "other token")
    age(aws, "loop-attempt-2")
    assert list(reconcile().deleted) == ["loop-attempt-2"]
    assert aws.tokens.of("loop-attempt-2") == ["other token", "token"]
    assert aws.row("loop-attempt-2").waiting


def test_name_that_a2i_refuses_is_a_problem(aws: AWS, reconcile: Reconcile) -> None:
    in_progress(aws, "not a name")
    aws.a2i.errors["DescribeHumanLoop"] = ["ValidationException"]
    found = reconcile()
    assert (found.deleted, len(found.problems)) == ({}, 1)


# A2I's list


def test_loop_in_progress_without_a_row_gets_one(aws: AWS) -> None:
    reconcile = Reconcile(aws)
    loop = aws.a2i.add("loop", age=timedelta(days=29))
    assert reconcile().adopted == ["loop"]
    row = aws.row()
    created = timestamp(loop["CreationTime"])
    assert (row.status, row.flow_definition_arn) == ("InProgress", FLOW)
    assert row.created_at == row.loop_created_at == created
    assert reconcile().found_nothing
    # Its event is lost, and its flow definition is not listed any more.
    loop |= {"HumanLoopStatus": "Completed", "FlowDefinitionArn": "arn:deleted"}
    age(aws, "loop")
    assert list(reconcile().missed) == ["loop Completed"]


def test_loop_deleted_while_it_is_dealt_with_gets_a_row(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("loop", "Completed", age=LONG)
    aws.a2i.errors["DescribeHumanLoop"] = ["ResourceNotFoundException"]
    assert reconcile().adopted == ["loop"]
    # So it cannot be forgotten.
    age(aws, "loop")
    del aws.a2i.loops["loop"]
    assert list(reconcile().deleted) == ["loop"]


@pytest.mark.parametrize("next_loop_name", [None, "loop-attempt-2"])
def test_restart_that_the_ledger_lost_is_not_made_again(
    aws: AWS, reconcile: Reconcile, next_loop_name: str | None
) -> None:
    # The table was restored to the time before the loop failed and was restarted.
    aws.starter.start(start_request())
    first = aws.row()
    aws.starter.restart(first, FLOW)
    aws.ledger.update("loop", next_loop_name=next_loop_name)
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": "loop-attempt-2"}})
    assert reconcile().adopted == ["loop-attempt-2"]
    row = aws.row("loop-attempt-2")
    assert (row.attempt, row.previous_loop_name, row.root) == (2, "loop", "loop")
    assert (aws.row().next_loop_name, row.input_location) == ("loop-attempt-2", first.input_location)
    again = aws.starter.restart(aws.row(), FLOW)
    assert (again.human_loop_name, again.already) == ("loop-attempt-2", True)
    assert aws.a2i.calls.count("StartHumanLoop") == 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("other-attempt-2", {}),
        ("loop-attempt-1", {}),
        ("loop-attempt-3", {}),
        ("loop-attempt-2", {"attempt": 2}),
        ("loop-attempt-2", {"root_loop_name": "another"}),
        ("loop-attempt-2", {"next_loop_name": "loop-restarted"}),
    ],
)
def test_loop_with_the_name_of_no_restart_is_adopted_as_it_is(
    aws: AWS, reconcile: Reconcile, name: str, values: dict[str, Any]
) -> None:
    aws.add_row("loop", **values)
    aws.a2i.add("loop")
    aws.a2i.add(name)
    assert reconcile().adopted == [name]
    assert aws.row(name).previous_loop_name is None
    assert aws.row().next_loop_name == values.get("next_loop_name")


def test_loop_that_is_being_started_is_not_adopted(aws: AWS, reconcile: Reconcile) -> None:
    aws.add_row(status="Starting")
    aws.a2i.add("loop")
    assert reconcile().found_nothing


def test_no_hourly_run_processes_loops_that_ended_before_the_ledger(aws: AWS) -> None:
    """The second run reads the last hour before the first one again."""
    reconcile = Reconcile(aws)
    aws.a2i.add("before", "Completed", age=timedelta(minutes=30))
    assert (reconcile().earlier, reconcile().missed, reconcile().missed) == (["before"], {}, {})


def test_first_run_leaves_loops_that_ended_before_the_ledger(aws: AWS) -> None:
    reconcile = Reconcile(aws)
    aws.a2i.add("before", "Completed", age=timedelta(days=3))
    aws.a2i.add("open", age=timedelta(days=3))
    aws.a2i.add("after", "Completed")
    found = reconcile()
    assert (found.earlier, found.adopted, list(found.missed)) == (["before"], ["open"], ["after Completed"])
    assert reconcile().earlier == []
    # Except on request.
    found = reconcile(since=datetime.now(UTC) - timedelta(days=4))
    assert sorted(found.missed) == ["after Completed", "before Completed"]


def test_list_is_read_from_the_mark(aws: AWS, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "created", lambda self: datetime.now(UTC) - timedelta(days=1))
    reconcile.marks.advance(FLOW, datetime.now(UTC))
    aws.a2i.add("old", "Completed", age=timedelta(hours=2))
    aws.a2i.add("overlap", "Completed", age=timedelta(minutes=50))
    assert list(reconcile().missed) == ["overlap Completed"]


def test_mark_waits_for_what_could_not_be_done(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("first", "Completed", age=timedelta(days=1, hours=12))
    aws.a2i.add("second", "Completed", age=timedelta(days=1))
    reconcile.states.errors["StartExecution"] = ["AccessDeniedException"]
    assert len(reconcile().problems) == 1
    assert list(reconcile().missed) == ["first Completed", "second Completed"]
    assert reconcile().looked_at == 0


def test_mark_does_not_go_back(reconcile: Reconcile) -> None:
    now, before = datetime.now(UTC), datetime.now(UTC) - timedelta(days=1)
    for moment in (before, now, before):
        reconcile.marks.advance(FLOW, moment)
    assert timestamp(reconcile.marks.get(FLOW) or before) == timestamp(now)


@pytest.mark.parametrize("value", [{"N": "5"}, {"S": "yesterday"}])
def test_odd_mark_is_no_mark(aws: AWS, reconcile: Reconcile, value: Any) -> None:
    item = {"humanLoopName": {"S": f"read {FLOW}"}, "readUntil": value}
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item)
    aws.a2i.add("loop", age=timedelta(days=29))
    assert reconcile().adopted == ["loop"]
    assert [row.human_loop_name for row in aws.ledger.select(unreadable=pytest.fail)] == ["loop"]


def test_denied_list_does_not_stop_the_others(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("here", "Completed")
    aws.a2i.add("there", "Completed", flow=FLOW + "-2")
    aws.a2i.errors["ListHumanLoops"] = ["AccessDeniedException"]
    now = datetime.now(UTC)
    found = reconcile(FLOW, FLOW + "-2")
    (denied,) = {FLOW, FLOW + "-2"} & {problem.partition(": ")[0] for problem in found.problems}
    assert len(found.missed) == 1
    assert (reconcile.marks.get(denied) or now) <= now
    assert len(reconcile(FLOW, FLOW + "-2").missed) == 2


def test_long_list_is_marked_day_by_day(
    aws: AWS, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_loops, "PAGE_SIZE", 10)
    for number in range(21):
        aws.a2i.add(f"loop-{number}", age=timedelta(hours=number * 3.3))
    seen: set[str] = set()
    for _ in range(3):
        # Each run has the time for two pages.
        found = reconcile(out_of_time=countdown(2), only=FLOW)
        seen |= set(found.adopted)
    assert len(seen) == 21
    assert reconcile(only=FLOW).looked_at < 3


def test_loops_created_and_deleted_while_the_list_is_read(
    aws: AWS, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_loops, "PAGE_SIZE", 10)
    reconcile.marks.advance(FLOW, datetime.now(UTC) - timedelta(hours=20))
    for number in range(25):
        aws.a2i.add(f"loop-{number:02}", age=timedelta(minutes=300 - number))
    pages = 0

    def change(*_: object) -> None:
        nonlocal pages
        pages += 1
        aws.a2i.loops.pop(f"loop-{pages}0", None)
        aws.a2i.add(f"new-{pages}")

    found = reconcile(progress=change)
    # Those that were deleted before they were listed had ended, and had an event each.
    assert {f"loop-{number:02}" for number in range(25)} - set(found.adopted) <= {"loop-10", "loop-20"}
    assert {"new-1", "new-2"} <= set(found.adopted)


def test_loop_deleted_after_it_was_listed_first_is_dealt_with(
    aws: AWS, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_loops, "PAGE_SIZE", 2)
    for number in range(5):
        aws.a2i.add(f"loop-{number}", age=timedelta(hours=60 - number))
    lists: list[str] = []

    def delete_after_first_list(when: str, operation: str) -> None:
        if (when, operation) == ("after", "ListHumanLoops"):
            lists.append(operation)
            if len(lists) == 1:
                del aws.a2i.loops["loop-0"]

    with aws.watched(delete_after_first_list):
        found = reconcile()
    assert sorted(found.adopted) == [f"loop-{number}" for number in range(5)]


# Time


def countdown(steps: int) -> Any:
    """Says that the time is over after that many steps."""
    left = iter(range(steps - 1))
    return lambda: next(left, None) is None


def test_run_stops_when_out_of_time(aws: AWS, reconcile: Reconcile) -> None:
    pages: list[tuple[str, int]] = []
    found = reconcile(
        FLOW,
        FLOW + "-2",
        out_of_time=lambda: True,
        progress=lambda flow, so_far: pages.append((flow, so_far.looked_at)),
    )
    assert not found.complete
    assert len(pages) == 1


def test_no_work_waits_for_other_work_when_out_of_time(aws: AWS, reconcile: Reconcile) -> None:
    # Each run has the time for fewer steps than there are loops in progress.
    for number in range(5):
        in_progress(aws, f"running-{number}", loop_created_at=OLD)
        aws.a2i.add(f"running-{number}", CreationTime=datetime.fromisoformat(OLD))
    in_progress(aws, "gone", ago=timedelta(days=1))
    unfinished(aws)
    ended_claim(aws, "claimed")
    reconcile.states.add("ABORTED")
    aws.a2i.add("ended", "Completed", age=timedelta(hours=1))
    done: set[str] = set()
    runs = 0
    while len(done) < 4:
        runs += 1
        assert runs < 60
        found = reconcile(out_of_time=countdown(7))
        assert not found.complete
        done |= {*found.resumed, *found.deleted, *found.missed, *found.released}
    assert reconcile().complete


def ended_claim(aws: AWS, name: str) -> None:
    """A row whose status change an execution has claimed."""
    held = {"state": "working", "execution": EXECUTION, "at": OLD}
    aws.add_row(name, status="Completed", outcome="processing", claims={f"{OLD} Completed": held})


def test_run_lists_all_flow_definitions_by_default(aws: AWS, reconcile: Reconcile) -> None:
    summary = {
        "FlowDefinitionName": "triage",
        "FlowDefinitionArn": FLOW,
        "FlowDefinitionStatus": "Active",
        "CreationTime": datetime.now(UTC),
    }
    aws.stubs["sagemaker"].add_response("list_flow_definitions", {"FlowDefinitionSummaries": [summary]})
    ended(aws)
    assert reconcile.reconciler.run().looked_at == 1


def test_only_one_flow_definition_is_looked_at_on_request(aws: AWS, reconcile: Reconcile) -> None:
    in_progress(aws, "here")
    in_progress(aws, "there", flow_definition_arn=FLOW + "-2")
    assert list(reconcile(FLOW, FLOW + "-2", only=FLOW).deleted) == ["here"]


# Calls


def test_calls_grow_with_what_is_new_and_open(aws: AWS, reconcile: Reconcile) -> None:
    # The ledger knows 3,000 loops; 30 are new, and 40 in progress.
    reconcile.marks.advance(FLOW, datetime.now(UTC) - timedelta(hours=1))
    for number in range(3_000):
        aws.a2i.add(f"known-{number}", "Completed", age=timedelta(days=1, seconds=number))
    for number in range(30):
        aws.a2i.add(f"new-{number}", "Completed")
    for number in range(40):
        in_progress(aws, f"open-{number}", loop_created_at=OLD)
        aws.a2i.add(f"open-{number}", CreationTime=datetime.fromisoformat(OLD))
    calls: Counter[str] = Counter()

    def count(when: str, operation: str) -> None:
        calls[operation] += when == "before"

    with aws.watched(count):
        found = reconcile()
    calls += reconcile.states.calls
    assert len(found.missed) == 30
    assert calls["ListHumanLoops"] == calls["BatchGetItem"] == 1
    assert (calls["DescribeHumanLoop"], calls["StartExecution"]) == (70, 30)
    assert sum(calls.values()) < 120


# The whole ledger


@pytest.mark.parametrize("status", ["SUCCEEDED", "gone"])
def test_claim_of_a_restored_ledger_is_run_again(aws: AWS, reconcile: Reconcile, status: str) -> None:
    claim = ended(aws, state="working")
    age(aws, "loop")
    if status == "SUCCEEDED":
        reconcile.states.add(status)
    found = reconcile(since=datetime.now(UTC) - timedelta(days=1))
    assert list(found.missed) == ["loop Completed"]
    assert aws.row().claims[claim]["state"] == "released"
    assert reconcile.events[0]["detail"]["creationTime"] == claim.split()[0]


def test_claim_is_run_again_with_the_event_of_its_execution(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    age(aws, "loop")
    aws.a2i.loops.clear()
    detail = {"humanLoopName": "loop", "creationTime": claim.split()[0], "humanLoopStatus": "Completed"}
    reconcile.states.add("SUCCEEDED", input=json.dumps({"detail": detail, "more": 1}))
    assert list(reconcile(since=datetime.now(UTC)).missed) == ["loop Completed"]
    assert reconcile.events == [{"detail": detail, "more": 1}]


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", '{"detail": [1]}', None])
def test_claim_with_an_unreadable_input_is_run_again_from_a2i(
    aws: AWS, reconcile: Reconcile, text: str | None
) -> None:
    ended(aws, state="working")
    age(aws, "loop")
    reconcile.states.add("SUCCEEDED", **({"input": text} if text else {}))
    assert list(reconcile(since=datetime.now(UTC)).missed) == ["loop Completed"]


def test_half_of_a_surrogate_pair_in_an_event_is_sent_on(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    age(aws, "loop")
    detail = {"humanLoopName": "loop", "creationTime": claim.split()[0], "humanLoopStatus": "Completed"}
    reconcile.states.add("SUCCEEDED", input=json.dumps({"detail": detail, "more": "ü\ud800"}))
    assert list(reconcile(since=datetime.now(UTC)).missed) == ["loop Completed"]
    assert reconcile.events == [{"detail": detail, "more": "ü\ud800"}]


def test_claim_of_which_nothing_is_left_needs_a_person(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    age(aws, "loop")
    aws.a2i.loops.clear()
    assert list(reconcile(since=datetime.now(UTC)).released) == [f"loop {claim}"]
    assert (aws.row().outcome, len(reconcile.topic.messages)) == ("failed", 1)


def test_hourly_run_says_that_the_ledger_was_restored(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    age(aws, "loop")
    reconcile.states.add("SUCCEEDED")
    found = reconcile()
    assert found.missed == {}
    assert "loops reconcile --since" in found.problems[0]
    assert aws.row().claims[claim]["state"] == "working"


def test_workflow_that_waits_for_a_lost_row_is_not_forgotten(aws: AWS, reconcile: Reconcile) -> None:
    aws.starter.start(start_request())
    aws.waiting.join("loop", "token")
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": "loop"}})
    assert reconcile(since=datetime.now(UTC) - timedelta(hours=1)).adopted == ["loop"]
    assert aws.row().waiting


def test_workflow_that_waits_for_a_restored_row_is_not_forgotten(aws: AWS, reconcile: Reconcile) -> None:
    aws.starter.start(start_request())
    aws.waiting.join("loop", "token")
    aws.a2i.loops["loop"]["HumanLoopStatus"] = "Completed"
    aws.ledger.update("loop", waiting=None)  # the row is from before the workflow began to wait
    assert list(reconcile(since=datetime.now(UTC) - timedelta(hours=1)).missed) == ["loop Completed"]
    assert aws.row().waiting


def test_whole_ledger_has_what_no_index_has(aws: AWS, reconcile: Reconcile) -> None:
    # An earlier version wrote no outcome `processing`, and rows without createdAt are in no index.
    claim = ended(aws, state="working", outcome=None)
    reconcile.marks.advance(FLOW, datetime.now(UTC) + timedelta(days=1))
    reconcile.states.add("ABORTED", stopDate=datetime(2026, 1, 1, tzinfo=UTC))
    aws.a2i.loops.clear()
    bare = {"humanLoopName": {"S": "bare"}, "status": {"S": "InProgress"}}
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=bare)
    assert reconcile().found_nothing
    found = reconcile(since=datetime.now(UTC))
    assert (list(found.released), list(found.deleted)) == ([f"loop {claim}"], ["bare"])


def test_json_has_camel_case_keys() -> None:
    assert Reconciliation(looked_at=2).as_json()["lookedAt"] == 2


def test_claim_with_unreadable_time_matches_no_loop(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("loop", "Failed")
    aws.add_row(claims={"4 March Failed": {"state": "done", "execution": EXECUTION, "at": OLD}})
    assert list(reconcile().missed) == ["loop Failed"]


def lifetime(aws: AWS, **config: int) -> None:
    """Lets the flow definition have these times; without any, it cannot be read."""
    if not config:
        aws.stubs["sagemaker"].add_client_error("describe_flow_definition", "AccessDeniedException")
        return
    flow = {
        "FlowDefinitionArn": FLOW, "FlowDefinitionName": "triage", "FlowDefinitionStatus": "Active",
        "CreationTime": datetime.now(UTC), "OutputConfig": {"S3OutputPath": "s3://outputs"}, "RoleArn": "r" * 20,
        "HumanLoopConfig": {
            "WorkteamArn": "team", "HumanTaskUiArn": "ui", "TaskTitle": "t", "TaskDescription": "d", "TaskCount": 1,
            **config,
        },
    }  # fmt: skip
    aws.stubs["sagemaker"].add_response("describe_flow_definition", flow, {"FlowDefinitionName": "triage"})


DAY = 24 * 3600


@pytest.mark.parametrize(
    ("hours", "config", "overdue"),
    [
        pytest.param(24 + 1, {"TaskAvailabilityLifetimeInSeconds": DAY}, False, id="a worker may still answer"),
        pytest.param(24 + 3, {"TaskAvailabilityLifetimeInSeconds": DAY}, True, id="longer than it allows"),
        pytest.param(
            24 + 3, {"TaskAvailabilityLifetimeInSeconds": DAY, "TaskTimeLimitInSeconds": 4 * 3600}, False,
            id="a worker has more time",
        ),
        pytest.param(29 * 24, {}, False, id="it may not be read"),
        pytest.param(31 * 24, {}, True, id="longer than A2I allows"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["InProgress", "Stopping"])
def test_loop_that_is_open_for_too_long_is_overdue(
    aws: AWS, reconcile: Reconcile, status: str, hours: int, config: dict[str, int], overdue: bool
) -> None:
    for name in ("first", "second"):
        aws.a2i.add(name, status, age=timedelta(hours=hours))
        in_progress(aws, name, timedelta(hours=hours))
    lifetime(aws, **config)  # once for both
    found = reconcile()
    assert sorted(found.overdue) == (["first", "second"] if overdue else [])
    assert abs(found.oldest_open_seconds - hours * 3600) < 60
    assert (found.problems, reconcile.events) == ([], [])


def test_claim_of_a_running_execution_is_overdue_after_the_longest_wait(
    aws: AWS, reconcile: Reconcile
) -> None:
    claim = "2026-03-01T10:00:00.000Z Failed"
    for name, hours in (("new", 1), ("old", 5)):
        arn = reconcile.states.start_execution(stateMachineArn=MACHINE, name=name, input="{}")["executionArn"]
        at = timestamp(datetime.now(UTC) - timedelta(hours=hours))
        claims = {claim: {"state": "working", "execution": arn, "at": at}}
        aws.add_row(name, status="Failed", outcome="processing", claims=claims)
    reconciler = replace(reconcile.reconciler, longest_claim=timedelta(hours=3))
    found = reconciler.run((FLOW,))
    assert found.overdue_claims == [f"old {claim}"]
    assert abs(found.oldest_claim_seconds - 5 * 3600) < 60
    assert reconcile().overdue_claims == []
