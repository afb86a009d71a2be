"""The reconciler: missed events, unfinished starts, abandoned claims, and workflows that were not notified."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from lambdas.loops.reconciling import Reconciler, Reconciliation
from lambdas.reviews.event import parse_status_change
from lambdas.reviews.times import timestamp
from tests.unit.lambdas.conftest import AWS, EXECUTION, FLOW, MACHINE, start_request
from tests.unit.lambdas.executions import Executions
from tests.unit.odd_items import odd_items

OLD = timestamp(datetime.now(UTC) - timedelta(minutes=10))


class Reconcile:
    """Runs the reconciler, and keeps the events with which it starts executions."""

    def __init__(self, aws: AWS) -> None:
        self.aws = aws
        self.events: list[dict[str, Any]] = []

    def reconciler(self, states: Any) -> Reconciler:
        clients = self.aws.clients
        return Reconciler(
            ledger=self.aws.ledger,
            starter=self.aws.starter,
            a2i=clients["sagemaker-a2i-runtime"],
            sagemaker=clients["sagemaker"],
            states=states,
            state_machine=MACHINE,
            abandoned=self.aws.abandoned,
        )

    def __call__(self, *flows: str, **options: Any) -> Reconciliation:
        clients = self.aws.clients

        def keep_event(params: Any, **_: Any) -> None:
            assert params["stateMachineArn"] == MACHINE
            self.events.append(json.loads(params["input"]))

        events, hook = clients["stepfunctions"].meta.events, "before-parameter-build.*.StartExecution"
        events.register_first(hook, keep_event)
        try:
            return self.reconciler(clients["stepfunctions"]).run(flows or (FLOW,), **options)
        finally:
            events.unregister(hook, keep_event)

    def start_execution(self, count: int = 1) -> None:
        for _ in range(count):
            self.aws.stubs["stepfunctions"].add_response(
                "start_execution", {"executionArn": EXECUTION, "startDate": datetime.now(UTC)}
            )


@pytest.fixture
def reconcile(aws: AWS) -> Reconcile:
    return Reconcile(aws)


def ended(aws: AWS, status: str = "Completed", state: str = "done", **values: Any) -> str:
    """A loop that has ended, and whose status change was claimed. Returns the claim."""
    loop = aws.a2i.add("loop", status)
    claim = f"{timestamp(loop['CreationTime'])} {status}"
    held = {"state": state, "execution": EXECUTION, "at": OLD}
    aws.add_row(**{"status": status} | values, claims={claim: held})
    return claim


def unfinished(aws: AWS, **values: Any) -> None:
    """A row whose start was abandoned ten minutes ago."""
    aws.starter.start(start_request("other"))
    row = aws.row("other").model_copy(
        update={"human_loop_name": "loop", "status": "Starting", "created_at": OLD, "human_loop_arn": None}
        | values
    )
    aws.clients["dynamodb"].delete_item(TableName="ledger", Key={"humanLoopName": {"S": "other"}})
    assert aws.ledger.open(row) is None
    aws.clients["dynamodb"].update_item(
        TableName="ledger",
        Key={"humanLoopName": {"S": "loop"}},
        UpdateExpression="SET updatedAt = :old",
        ExpressionAttributeValues={":old": {"S": OLD}},
    )


def test_nothing_is_done_if_nothing_was_missed(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws)
    aws.a2i.add("running")
    found = reconcile()
    assert (found.looked_at, found.found_nothing, found.complete) == (1, True, True)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_missed_event_starts_the_workflow(aws: AWS, reconcile: Reconcile, status: str, known: bool) -> None:
    output = {"HumanLoopOutput": {"OutputS3Uri": "s3://outputs/output.json"}} if status != "Failed" else {}
    aws.a2i.add("loop", status, FailureCode="Expired", FailureReason="too late", **output)
    if known:
        aws.add_row()
    reconcile.start_execution()
    found = reconcile()
    assert found.missed == {f"loop {status}": EXECUTION}
    change = parse_status_change(reconcile.events[0])
    assert (change.human_loop_name, change.detail.human_loop_status) == ("loop", status)
    assert change.detail.failure_code == "Expired"
    assert (change.output is not None) is (status != "Failed")


def test_status_change_of_an_earlier_loop_with_the_name_is_not_a_claim(
    aws: AWS, reconcile: Reconcile
) -> None:
    # A2I allows the name again once its loop was deleted.
    ended(aws)
    aws.a2i.add("loop", "Completed", age=timedelta(days=1))
    reconcile.start_execution()
    assert list(reconcile().missed) == ["loop Completed"]


def test_loop_deleted_after_it_was_listed_is_skipped(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("loop", "Completed")
    aws.a2i.errors["DescribeHumanLoop"] = ["ResourceNotFoundException"]
    assert reconcile().found_nothing


@pytest.mark.parametrize("status", ["InProgress", "Completed"])
def test_loop_older_than_the_list_is_asked_for_by_name(aws: AWS, reconcile: Reconcile, status: str) -> None:
    long_ago = timedelta(days=20)
    aws.add_row(created_at=timestamp(datetime.now(UTC) - long_ago))
    aws.add_row("other", created_at=timestamp(datetime.now(UTC) - long_ago), flow_definition_arn=FLOW + "-2")
    aws.a2i.add("loop", status, flow="arn:not-listed", age=long_ago)
    if status == "Completed":
        reconcile.start_execution()
    assert list(reconcile().missed) == (["loop Completed"] if status == "Completed" else [])


def test_problem_with_one_loop_does_not_stop_the_others(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("first", "Completed")
    aws.a2i.add("second", "Completed")
    aws.stubs["stepfunctions"].add_client_error("start_execution", "ThrottlingException", "not now")
    reconcile.start_execution()
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
    reconcile.start_execution()
    found = reconcile()
    # Not started again each hour: nobody knows whether an execution has claimed it.
    assert list(found.missed) == ["good Completed"]
    assert len(found.problems) == 1
    assert "'odd': its item in the ledger's table cannot be read: attempt: Input" in found.problems[0]


@given(item=odd_items())
def test_no_item_keeps_the_others_from_the_reconciler(
    aws: AWS, reconcile: Reconcile, item: dict[str, Any]
) -> None:
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item)
    aws.a2i.loops.clear()
    aws.a2i.add("odd", "Completed")
    aws.a2i.add("good", "Completed")
    found = reconcile.reconciler(Executions()).run([FLOW])
    assert "good Completed" in found.missed
    assert found.complete


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
    reconcile.start_execution()
    assert reconcile().refused == {"loop": EXECUTION}
    change = parse_status_change(reconcile.events[0])
    assert (change.detail.failure_code, change.created_at) == ("StartRefused", datetime.fromisoformat(OLD))
    assert "refuses to start human loop 'loop'" in (change.detail.failure_reason or "")
    assert change.detail.flow_definition_arn == FLOW


def test_refused_start_that_cannot_be_escalated_is_tried_again(aws: AWS, reconcile: Reconcile) -> None:
    unfinished(aws, input_location="s3://reviews/inputs/deleted.json")
    aws.stubs["stepfunctions"].add_client_error("start_execution", "ThrottlingException", "not now")
    found = reconcile()
    assert (found.refused, len(found.problems)) == ({}, 1)
    assert aws.row().status == "Starting"
    reconcile.start_execution()
    assert reconcile().refused == {"loop": EXECUTION}


def test_claim_of_dead_execution_is_released(aws: AWS, reconcile: Reconcile) -> None:
    claim = ended(aws, state="working")
    aws.describe_execution("ABORTED", cause="out of memory")
    aws.describe_history()
    aws.accept_message()
    assert reconcile().released == {f"loop {claim}": EXECUTION}
    assert (aws.row().claims[claim]["state"], aws.row().outcome) == ("released", "failed")


def test_claim_of_running_execution_is_kept(aws: AWS, reconcile: Reconcile) -> None:
    ended(aws, state="working")
    aws.describe_execution("RUNNING")
    assert reconcile().found_nothing


def waiting(aws: AWS) -> None:
    ended(aws, "Failed")
    aws.waiting.join("loop", "token")
    aws.ledger.update("loop", outcome="escalated")


def test_waiting_workflow_is_notified(aws: AWS, reconcile: Reconcile) -> None:
    waiting(aws)
    aws.describe_execution("SUCCEEDED")
    aws.stubs["stepfunctions"].add_response("send_task_failure", {})
    found = reconcile()
    assert (found.answered, found.released) == (["loop"], {})
    assert aws.row().answer == "delivered"


def test_undeliverable_token_is_a_problem(aws: AWS, reconcile: Reconcile) -> None:
    waiting(aws)
    aws.describe_execution("SUCCEEDED")
    aws.stubs["stepfunctions"].add_client_error("send_task_failure", "AccessDeniedException", "no")
    found = reconcile()
    assert (found.answered, len(found.problems)) == ([], 1)


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


def test_run_lists_all_flow_definitions_by_default(aws: AWS, reconcile: Reconcile) -> None:
    summary = {
        "FlowDefinitionName": "triage",
        "FlowDefinitionArn": FLOW,
        "FlowDefinitionStatus": "Active",
        "CreationTime": datetime.now(UTC),
    }
    aws.stubs["sagemaker"].add_response("list_flow_definitions", {"FlowDefinitionSummaries": [summary]})
    ended(aws)
    reconciler = Reconciler(
        aws.ledger,
        aws.starter,
        aws.clients["sagemaker-a2i-runtime"],
        aws.clients["sagemaker"],
        aws.clients["stepfunctions"],
        MACHINE,
        aws.abandoned,
    )
    assert reconciler.run().looked_at == 1


def test_json_has_camel_case_keys() -> None:
    assert Reconciliation(looked_at=2).as_json()["lookedAt"] == 2


def test_claim_with_unreadable_time_matches_no_loop(aws: AWS, reconcile: Reconcile) -> None:
    aws.a2i.add("loop", "Failed")
    aws.add_row(claims={"4 March Failed": {"state": "done", "execution": EXECUTION, "at": OLD}})
    reconcile.start_execution()
    assert list(reconcile().missed) == ["loop Failed"]
