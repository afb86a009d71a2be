"""Tests of the operations on loops, with a real ledger table and stubbed A2I, Step Functions and Lambda."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import ANY
from moto import mock_aws
from pydantic import ValidationError

from lambdas.loops.ledger import Ledger, now
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import RestartRules
from lambdas.loops.start_request import StartedLoop
from tests.unit.doubles import REGION, StubbedSession, create_ledger_table, create_token_table
from tests.unit.workflow.operations.executions.histories import History
from workflow.operations.client import LoopsClient
from workflow.operations.loops import MAX_ATTEMPTS, LoopError, LoopFilter, Loops
from workflow.operations.redriving import MAX_EXECUTIONS
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account
from workflow.publish.stacks import Stack, Stacks

ACCOUNT = "111122223333"
FLOW = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:flow-definition/triage"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:escalations"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:afterloop-dev"
EXECUTION = MACHINE.replace("stateMachine", "execution") + ":first"
CREATED = datetime(2026, 3, 4, 5, 6, 7, 890_999, tzinfo=UTC)
CLAIM = "2026-03-04T05:06:07.890Z Failed"


class Stage:
    """A stage with an empty ledger, and what the services answer next."""

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.dynamodb = self.session.client("dynamodb")
        table = create_ledger_table(self.dynamodb)
        resources = StageResources(
            stage="dev",
            partition="aws",
            region=REGION,
            account_id=ACCOUNT,
            outputs={
                "EscalationTopic": TOPIC,
                "LedgerTable": table,
                "TokenTable": create_token_table(self.dynamodb),
                "ReviewBucket": "reviews",
                "StateMachine": MACHINE,
            },
        )
        self.loops = Loops(resources, self.session)  # type: ignore[arg-type]
        self.ledger = Ledger(self.dynamodb, table)

    def add(self, name: str = "loop-1", *, claim: str = CLAIM, state: str = "", **more: Any) -> Loop:
        """Adds a row, with a claim in the given state."""
        row = Loop(
            human_loop_name=name, **{"flow_definition_arn": FLOW, "created_at": CLAIM.split()[0], **more}
        )
        assert self.ledger.open(row) is None
        if state:
            held = {"state": {"S": state}, "execution": {"S": EXECUTION}, "at": {"S": now()}}
            self.dynamodb.update_item(
                TableName="ledger",
                Key={"humanLoopName": {"S": name}},
                UpdateExpression="SET #claim = :held",
                ExpressionAttributeNames={"#claim": f"claim {claim}"},
                ExpressionAttributeValues={":held": {"M": held}},
            )
        return row

    def row(self, name: str = "loop-1") -> Loop:
        row = self.ledger.find(name)
        assert row is not None
        return row

    def execution(self, status: str, times: int = 1, **more: Any) -> None:
        """Step Functions describes an execution as having this status; GONE if it has none."""
        stub = self.session.stubs["stepfunctions"]
        for _ in range(times):
            if status == "GONE":
                stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
            else:
                answer = {
                    "executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": status, "startDate": CREATED,
                }  # fmt: skip
                stub.add_response("describe_execution", answer | more)

    def history(self, history: History) -> None:
        """Step Functions returns the definition and the history of an execution."""
        stub = self.session.stubs["stepfunctions"]
        machine = {
            "stateMachineArn": MACHINE,
            "name": "m",
            "definition": "{}",
            "roleArn": "arn:r",
            "updateDate": CREATED,
        }
        stub.add_response("describe_state_machine_for_execution", machine)
        stub.add_response("get_execution_history", {"events": history.events})

    def a2i(self, status: str | None, code: str = "ResourceNotFoundException") -> None:
        """A2I describes the loop as having this status; None if it does not have the loop."""
        stub = self.session.stubs["sagemaker-a2i-runtime"]
        if status is None:
            stub.add_client_error("describe_human_loop", code)
            return
        answer = {
            "CreationTime": CREATED,
            "HumanLoopStatus": status,
            "HumanLoopName": "loop-1",
            "HumanLoopArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:human-loop/loop-1",
            "FlowDefinitionArn": FLOW,
        }
        stub.add_response("describe_human_loop", answer)

    def function(self, name: str, answer: dict[str, Any]) -> None:
        """A function of the stage answers its next call."""
        body = json.dumps(answer).encode()
        self.session.stubs["lambda"].add_response(
            "invoke",
            {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body))},
            {"FunctionName": f"afterloop-dev-{name}", "Payload": ANY},
        )

    def restarts(self, name: str) -> None:
        """The stage's function restarts a loop under this name."""
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:human-loop/{name}"
        self.function("RestartLoop", {"humanLoopName": name, "humanLoopArn": arn, "status": "InProgress"})

    def runs(self) -> None:
        """Step Functions starts an execution of the live version. No execution had its name before."""
        self.execution("GONE")
        self.session.stubs["stepfunctions"].add_response(
            "start_execution",
            {"executionArn": "arn:second", "startDate": CREATED},
            {"stateMachineArn": f"{MACHINE}:live", "name": ANY, "input": ANY},
        )


@pytest.fixture(scope="module")
def session() -> Iterator[StubbedSession]:
    with mock_aws():
        yield StubbedSession("sagemaker-a2i-runtime", "stepfunctions", "lambda", "cloudformation")


@pytest.fixture
def stage(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(Account, "caller", ADA)
    session.reset()
    stage = Stage(session)
    yield stage
    session.assert_all_called()
    stage.dynamodb.delete_table(TableName="ledger")
    stage.dynamodb.delete_table(TableName="tokens")


ADA = f"arn:aws:sts::{ACCOUNT}:assumed-role/operators/ada"


def did(row: Loop) -> list[tuple[str, str]]:
    """What operators did with a loop, and who."""
    return [(one.action, one.by) for one in row.operator_actions]


def event(name: str = "loop-1", status: str = "Failed", created: str = "2026-03-04T05:06:07.890Z") -> str:
    return json.dumps({"detail": {"humanLoopName": name, "humanLoopStatus": status, "creationTime": created}})


class TestListing:
    @pytest.fixture
    def listed(self, stage: Stage) -> Stage:
        for name, days, status, outcome in (
            ("running", 5, "InProgress", None),
            ("starting", 1, "Starting", None),
            ("stored", 9, "Completed", "stored"),
            ("unstored", 3, "Completed", "failed"),
            ("escalated", 4, "Failed", "escalated"),
            ("closed", 8, "Failed", "closed"),
            ("processed", 2, "Completed", "processing"),
        ):
            created = datetime.now(UTC) - timedelta(days=days)
            stage.add(name, status=status, outcome=outcome, created_at=created.isoformat())
        stage.add("other", status="InProgress", flow_definition_arn=f"{FLOW}-2", created_at="2000-01-01")
        return stage

    @pytest.mark.parametrize(
        ("loop_filter", "expected"),
        [
            ({}, ["escalated", "unstored", "other", "running", "processed", "starting", "closed", "stored"]),
            (
                {"flow_definition": "triage"},
                ["escalated", "unstored", "running", "processed", "starting", "closed", "stored"],
            ),
            ({"status": "Completed"}, ["processed", "unstored", "stored"]),
            ({"outcome": "processing"}, ["processed"]),
            ({"status": "Starting"}, ["starting"]),
            ({"outcome": "closed"}, ["closed"]),
            ({"flow_definition": FLOW, "until": datetime.now(UTC) - timedelta(days=7)}, ["closed", "stored"]),
            ({"since": datetime.now(UTC) - timedelta(hours=60)}, ["processed", "starting"]),
        ],
    )
    def test_loops_that_need_action_come_first_and_ended_ones_last(
        self, listed: Stage, loop_filter: dict[str, Any], expected: list[str]
    ) -> None:
        found = listed.loops.listing(LoopFilter(**loop_filter))
        assert [loop.human_loop_name for loop in found.loops] == expected
        assert not found.more

    def test_newest_first_puts_the_newest_first_also_when_others_wait(self, listed: Stage) -> None:
        found = listed.loops.listing(LoopFilter(flow_definition="triage"), newest_first=True)
        newest = ["starting", "processed", "unstored", "escalated", "running", "closed", "stored"]
        assert [loop.human_loop_name for loop in found.loops] == newest
        found = listed.loops.listing(LoopFilter(), newest_first=True)
        assert [loop.human_loop_name for loop in found.loops] == [*newest, "other"]

    def test_limit_says_whether_there_are_more(self, listed: Stage) -> None:
        few = listed.loops.listing(LoopFilter(), limit=1)
        assert ([loop.human_loop_name for loop in few.loops], few.more) == (["escalated"], True)
        assert not listed.loops.listing(LoopFilter(), limit=8).more

    def test_pages_continue_where_the_last_one_ended(self, listed: Stage) -> None:
        names: list[str] = []
        cursor = None
        for _ in range(4):
            page = listed.loops.page(LoopFilter(flow_definition="triage"), after=cursor, limit=2)
            names += [loop.human_loop_name for loop in page.loops]
            cursor = page.next_cursor
        assert names == ["escalated", "unstored", "running", "processed", "starting", "closed", "stored"]
        assert cursor is None

    @pytest.mark.parametrize(
        "loop_filter",
        [
            LoopFilter(),
            LoopFilter(status="Completed"),
            LoopFilter(flow_definition="some"),
            LoopFilter(outcome="escalated"),
            LoopFilter(outcome="stored", flow_definition="some"),
            LoopFilter(status="InProgress", flow_definition="some", until=datetime.now(UTC) - timedelta(1)),
        ],
    )
    def test_list_never_scans_the_table(self, stage: Stage, loop_filter: LoopFilter) -> None:
        calls: set[str] = set()
        stage.dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: calls.add(model.name))
        stage.loops.listing(loop_filter)
        stage.loops.listing(loop_filter, newest_first=True)
        assert calls == {"Query"}

    def test_progress_is_reported_every_hundred_loops(self, stage: Stage) -> None:
        for number in range(101):
            stage.add(f"loop-{number}", status="Completed", outcome="stored", created_at="2026-01-01")
        counts: list[int] = []
        stage.loops.listing(LoopFilter(outcome="stored"), progress=counts.append)
        assert counts == [100]


class TestShow:
    def test_show_reads_lineage_and_executions(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="restarted", next_loop_name="loop-2", state="done")
        stage.add("loop-2", status="Completed", outcome="stored", previous_loop_name="loop-1")
        stage.execution("SUCCEEDED", name="first")
        stage.history(History())

        story = stage.loops.show("loop-1")

        assert [loop.human_loop_name for loop in story.lineage] == ["loop-1", "loop-2"]
        (change,) = story.changes
        assert (change.human_loop_status, change.execution.status) == ("Failed", "SUCCEEDED")
        assert (change.execution.link or "").startswith(f"https://{REGION}.console.aws.amazon.com/states/")
        assert [one.execution for one in story.executions] == [change.execution]

    def test_show_asks_a2i_about_loops_that_have_not_ended(self, stage: Stage) -> None:
        stage.add(status="InProgress", loop_created_at="2026-03-04T05:06:07.890Z")
        stage.a2i("Completed")
        assert "has not received the status change" in stage.loops.show("loop-1").outcome

    def test_show_finds_a_loop_by_its_key(self, stage: Stage) -> None:
        from lambdas.loops.names import from_key

        stage.add(from_key("Order 17"), status="Completed", outcome="stored")
        assert stage.loops.show("Order 17").outcome == "The review is stored."

    def test_show_describes_a_loop_that_only_a2i_has(self, stage: Stage) -> None:
        stage.a2i("InProgress")
        story = stage.loops.show("loop-1")
        assert (story.started, story.loop.flow_definition_arn) == ("not through Afterloop", FLOW)

    @pytest.mark.parametrize(
        ("created", "key"),
        [
            ("2026-03-04T05:06:07.890Z", None),
            ("2026-03-01T00:00:00.000Z", "loop-1@2026-03-04T05:06:07Z"),
        ],
    )
    def test_newer_loop_of_a_name_is_the_one_that_a2i_has_now(
        self, stage: Stage, created: str, key: str | None
    ) -> None:
        first = stage.add(status="Completed", outcome="stored", loop_created_at=created)
        stage.add(
            "loop-1@2026-03-04T05:06:07Z", status="InProgress", loop_created_at="2026-03-04T05:06:07.890Z"
        )
        stage.a2i("InProgress")
        newer = stage.loops.newer_of_name(first)
        assert (newer and newer.human_loop_name) == key

    def test_newer_loop_of_a_name_that_a2i_does_not_have_is_none(self, stage: Stage) -> None:
        stage.a2i(None)
        assert stage.loops.newer_of_name(stage.add(status="Completed")) is None

    def test_unknown_loop_is_an_error(self, stage: Stage) -> None:
        stage.a2i(None)
        with pytest.raises(
            LoopError, match=r"human loop 'nobody' does not exist in stage dev.* run `.* loops list "
        ):
            stage.loops.show("nobody")
        with pytest.raises(LoopError, match="specify the name"):
            stage.loops.show("")

    def test_other_errors_of_a2i_pass_through(self, stage: Stage) -> None:
        stage.a2i(None, "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            stage.loops.show("loop-1")

    def test_other_errors_of_step_functions_pass_through(self, stage: Stage) -> None:
        stage.session.stubs["stepfunctions"].add_client_error("describe_execution", "ThrottlingException")
        with pytest.raises(ClientError, match="Throttling"):
            stage.loops.execution(EXECUTION)


class TestRestart:
    def test_restart_records_who_restarted_it_and_settles_claims(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated", state="released")
        stage.add("loop-1-attempt-2", status="InProgress", previous_loop_name="loop-1")
        stage.restarts("loop-1-attempt-2")

        started = stage.loops.restart("loop-1", more_attempts=2)

        assert started.human_loop_name == "loop-1-attempt-2"
        row = stage.row()
        assert (row.outcome, row.max_attempts, row.claims[CLAIM]["state"]) == ("restarted", 3, "done")
        assert row.reason == "Restarted by assumed-role/operators/ada."
        assert did(row) == [("restart", ADA)]

    def test_restart_keeps_a_review_that_was_stored_meanwhile(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The loop was escalated because A2I no longer had it, and its own event was late."""
        stage.add(status="Failed", outcome="escalated", state="done")
        stage.restarts("loop-1-attempt-2")
        restart = LoopsClient.restart

        def late(client: LoopsClient, name: str, flow: str) -> StartedLoop:
            stage.ledger.update(name, status="Completed", outcome="stored")
            return restart(client, name, flow)

        monkeypatch.setattr(LoopsClient, "restart", late)
        stage.loops.restart("loop-1")
        assert (stage.row().outcome, stage.row().reason) == ("stored", None)

    def test_loop_that_was_closed_by_mistake_can_be_restarted(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated", state="done")
        stage.loops.close("loop-1", "by mistake")
        stage.restarts("loop-1-attempt-2")
        assert stage.loops.restart("loop-1").human_loop_name == "loop-1-attempt-2"
        assert stage.row().outcome == "restarted"

    def test_restart_never_allows_more_attempts_than_rules_can(self, stage: Stage) -> None:
        stage.add(status="Stopped", outcome="notified", attempt=MAX_ATTEMPTS)
        stage.restarts("next")
        stage.loops.restart("loop-1", more_attempts=5)
        assert stage.row().max_attempts == MAX_ATTEMPTS
        assert RestartRules(max_attempts=MAX_ATTEMPTS)
        with pytest.raises(ValidationError):
            RestartRules(max_attempts=MAX_ATTEMPTS + 1)

    def test_restart_leaves_the_record_to_a_running_execution(self, stage: Stage) -> None:
        stage.add(status="Failed", state="working")
        stage.execution("RUNNING", times=3)
        with pytest.raises(LoopError, match="a running execution may restart it"):
            stage.loops.restart("loop-1", flow_definition="other")
        stage.restarts("loop-1-attempt-2")
        stage.loops.restart("loop-1")
        assert stage.row().outcome is None

    def test_restart_reports_a_race_with_another_flow_definition(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated")
        stage.add("loop-1-attempt-2", status="InProgress")
        stage.restarts("loop-1-attempt-2")
        with pytest.raises(LoopError, match="restarted at the same time, as loop-1-attempt-2 with arn:"):
            stage.loops.restart("loop-1", flow_definition="other")
        assert stage.row().outcome == "escalated"

    def test_restart_records_a_restart_that_an_execution_overwrote(self, stage: Stage) -> None:
        """A person restarted the loop while an execution decided to escalate it."""
        stage.add(status="Failed", outcome="escalated", state="done", next_loop_name="loop-1-attempt-2")
        other = f"{FLOW}-2"
        stage.add("loop-1-attempt-2", status="InProgress", flow_definition_arn=other)
        stage.restarts("loop-1-attempt-2")
        assert stage.loops.restart("loop-1").human_loop_name == "loop-1-attempt-2"
        assert (stage.row().outcome, stage.row().max_attempts) == ("restarted", None)

    def test_restart_leaves_a_status_change_to_an_execution_that_claims_it_meanwhile(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.add(status="Failed", outcome="failed", state="released")
        stage.restarts("loop-1-attempt-2")
        update = Ledger.update

        def claimed_before(ledger: Ledger, name: str, **changes: Any) -> bool:
            stage.dynamodb.update_item(
                TableName="ledger",
                Key={"humanLoopName": {"S": name}},
                UpdateExpression="SET #claim.#state = :working",
                ExpressionAttributeNames={"#claim": f"claim {CLAIM}", "#state": "state"},
                ExpressionAttributeValues={":working": {"S": "working"}},
            )
            return update(ledger, name, **changes)

        monkeypatch.setattr(Ledger, "update", claimed_before)
        stage.execution("RUNNING")
        stage.loops.restart("loop-1")
        assert (stage.row().outcome, stage.row().claims[CLAIM]["state"]) == ("failed", "working")

    @pytest.mark.parametrize(
        ("loop", "in_a2i", "message"),
        [
            ({"status": "Starting"}, "", r"is still starting; .* loops reconcile"),
            ({"status": "InProgress"}, "InProgress", r"is in progress; .* loops stop loop-1"),
            ({"status": "InProgress"}, "Failed", r"ended as Failed, but .* loops reconcile"),
            ({"status": "Completed", "outcome": "stored"}, "", "needs no restart: The review is stored."),
            ({"status": "Failed", "flow_definition_arn": None}, "", "specify --new-flow-definition"),
        ],
    )
    def test_restart_refuses(self, stage: Stage, loop: dict[str, Any], in_a2i: str, message: str) -> None:
        stage.add(**loop)
        if in_a2i:
            stage.a2i(in_a2i)
        with pytest.raises(LoopError, match=message):
            stage.loops.restart("loop-1")

    def test_only_the_last_loop_of_a_lineage_can_be_restarted(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="restarted", next_loop_name="b")
        stage.add("b", status="Failed", outcome="restarted", next_loop_name="c")
        stage.add("c", status="Failed", outcome="escalated")
        with pytest.raises(LoopError, match=r"last loop of its lineage is c \(Failed\): .* loops restart c"):
            stage.loops.restart("loop-1")

    def test_a_loop_outside_the_ledger_cannot_be_restarted(self, stage: Stage) -> None:
        stage.a2i("Failed")
        with pytest.raises(
            LoopError, match=r"is not in the ledger; its status in A2I is Failed: .*reconcile"
        ):
            stage.loops.restart("loop-1")


class TestStop:
    def stops(self, stage: Stage) -> None:
        stage.a2i("InProgress")
        stage.session.stubs["sagemaker-a2i-runtime"].add_response(
            "stop_human_loop", {}, {"HumanLoopName": "loop-1"}
        )

    def test_stop_asks_a2i_and_records_who_did(self, stage: Stage) -> None:
        stage.add(status="InProgress", loop_created_at=CLAIM.split()[0])
        self.stops(stage)
        assert stage.loops.stop("loop-1") == "loop-1"
        assert did(stage.row()) == [("stop", ADA)]

    def test_stop_is_recorded_before_a2i_is_asked(self, stage: Stage) -> None:
        stage.add(status="InProgress", loop_created_at=CLAIM.split()[0])
        stage.a2i("InProgress")
        stage.session.stubs["sagemaker-a2i-runtime"].add_client_error(
            "stop_human_loop", "InternalServerException"
        )
        with pytest.raises(ClientError):
            stage.loops.stop("loop-1")
        assert did(stage.row()) == [("stop", ADA)]

    def test_stop_of_a_loop_without_a_row_gives_it_one(self, stage: Stage) -> None:
        self.stops(stage)
        stage.loops.stop("loop-1")
        row = stage.row()
        assert (row.status, row.flow_definition_arn, did(row)) == ("InProgress", FLOW, [("stop", ADA)])

    def test_stop_leaves_the_row_of_an_earlier_loop_of_the_name_alone(self, stage: Stage) -> None:
        earlier = "2026-01-01T00:00:00.000Z"
        stage.add(status="Completed", created_at=earlier, loop_created_at=earlier, outcome="stored")
        self.stops(stage)
        stage.loops.stop("loop-1")
        assert did(stage.row()) == []
        assert did(stage.row("loop-1@2026-03-04T05:06:07Z")) == [("stop", ADA)]

    def test_loop_of_a_flow_definition_that_the_stage_does_not_hear_is_stopped_without_a_row(
        self, stage: Stage
    ) -> None:
        stage.loops.resources.parameters["FlowDefinitionArns"] = f"{FLOW}-2"  # type: ignore[index]
        self.stops(stage)
        stage.loops.stop("loop-1")
        assert stage.ledger.find("loop-1") is None

    @pytest.mark.parametrize(
        ("loop", "in_a2i", "message"),
        [
            ({"status": "Completed"}, "Completed", "it already ended, as Completed; see "),
            ({"status": "Starting"}, None, "it is still starting"),
            (None, None, "A2I has no loop with this name"),
            ({"status": "InProgress"}, "InProgress", "A2I refused: not now"),
        ],
    )
    def test_stop_explains_refusals(
        self, stage: Stage, loop: dict[str, Any] | None, in_a2i: str | None, message: str
    ) -> None:
        if loop:
            stage.add(**loop)
        stage.a2i(in_a2i)
        stub = stage.session.stubs["sagemaker-a2i-runtime"]
        stub.add_client_error("stop_human_loop", "ValidationException", "not now")
        with pytest.raises(LoopError, match=message):
            stage.loops.stop("loop-1")

    def test_other_errors_pass_through(self, stage: Stage) -> None:
        stage.a2i(None)
        stub = stage.session.stubs["sagemaker-a2i-runtime"]
        stub.add_client_error("stop_human_loop", "ThrottlingException")
        with pytest.raises(ClientError, match="Throttling"):
            stage.loops.stop("loop-1")


class TestClose:
    def test_close_records_who_when_and_why(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated", state="done")
        closed = stage.loops.close("loop-1", "a duplicate")
        assert (closed.loop.outcome, closed.loop.note, closed.answered) == ("closed", "a duplicate", 0)
        assert closed.loop.closed_by == "assumed-role/operators/ada"
        assert did(closed.loop) == [("close", ADA)]
        assert closed.loop.operator_actions[0].at == closed.loop.closed_at
        with pytest.raises(LoopError, match=r"is already closed, by .*/ada at .*: a duplicate"):
            stage.loops.close("loop-1", "again")

    @pytest.mark.parametrize("outcome", [None, "processing"])
    def test_close_settles_an_abandoned_claim(self, stage: Stage, outcome: str | None) -> None:
        stage.add(status="Failed", outcome=outcome, state="working")
        stage.execution("ABORTED")
        assert stage.loops.close("loop-1", "why").loop.claims[CLAIM]["state"] == "done"

    def test_close_notifies_waiting_workflows_even_the_second_time(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated", waiting=True)
        stage.session.stubs["lambda"].add_client_error("invoke", "TooManyRequestsException")
        with pytest.raises(ClientError):
            stage.loops.close("loop-1", "why")
        assert stage.row().outcome == "closed"
        stage.function("AnswerWorkflow", {"delivered": 2})
        assert stage.loops.close("loop-1", "why").answered == 2

    def test_close_refuses_loops_that_need_no_action(self, stage: Stage) -> None:
        stage.add(status="Completed", outcome="stored")
        with pytest.raises(LoopError, match="needs no action: The review is stored"):
            stage.loops.close("loop-1", "why")

    def test_close_records_a_restart_that_an_execution_overwrote(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="escalated", state="done", next_loop_name="loop-1-attempt-2")
        stage.add("loop-1-attempt-2", status="InProgress")
        with pytest.raises(LoopError, match="was restarted as loop-1-attempt-2, which is now recorded"):
            stage.loops.close("loop-1", "why")
        assert (stage.row().outcome, stage.row().note) == ("restarted", None)

    def test_close_completes_a_restart_that_was_interrupted(self, stage: Stage) -> None:
        # The waiting workflow does not wait for the next attempt yet.
        restart = {"outcome": "failed", "waiting": True, "next_loop_name": "loop-1-attempt-2"}
        stage.add(status="Failed", state="released", **restart)
        stage.add("loop-1-attempt-2", status="InProgress")
        stage.restarts("loop-1-attempt-2")
        with pytest.raises(LoopError, match="was restarted as loop-1-attempt-2, which is now recorded"):
            stage.loops.close("loop-1", "why")
        stage.session.stubs["lambda"].assert_no_pending_responses()
        assert stage.row().outcome == "restarted"

    def test_close_refuses_while_an_execution_runs(self, stage: Stage) -> None:
        stage.add(status="Failed", outcome="failed", state="working")
        stage.execution("RUNNING")
        with pytest.raises(LoopError, match="an execution is processing it: https://"):
            stage.loops.close("loop-1", "why")

    def test_close_loses_a_race_with_another_change(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.add(status="Failed", outcome="escalated")
        restarts = Ledger.restarts

        def changes_meanwhile(ledger: Ledger, loop: Loop) -> list[Loop]:
            moment = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
            stage.dynamodb.update_item(
                TableName="ledger",
                Key={"humanLoopName": {"S": "loop-1"}},
                UpdateExpression="SET updatedAt = :moment",
                ExpressionAttributeValues={":moment": {"S": moment}},
            )
            return restarts(ledger, loop)

        monkeypatch.setattr(Ledger, "restarts", changes_meanwhile)
        with pytest.raises(LoopError, match="changed in the meantime"):
            stage.loops.close("loop-1", "why")
        assert (stage.row().outcome, did(stage.row())) == ("escalated", [])


class TestRedrive:
    @pytest.mark.parametrize("state", ["released", "working"])
    def test_redrive_releases_the_claim_and_runs_the_same_event(self, stage: Stage, state: str) -> None:
        stage.add(status="Failed", state=state)
        stage.execution("FAILED", times=2 if state == "working" else 1, input=event())
        stage.runs()
        redrive = stage.loops.redrive("loop-1")
        assert (redrive.claim, redrive.before) == (CLAIM, EXECUTION)
        assert redrive.execution.startswith(f"{EXECUTION.removesuffix('first')}redrive-loop-1-")
        assert stage.row().claims[CLAIM]["state"] == "released"
        assert did(stage.row()) == [("redrive", ADA)]

    def test_redrive_keeps_the_newest_executions_of_the_row(self, stage: Stage) -> None:
        stage.add(status="Failed", state="released")
        names = {f"#{number}": f"execution arn:{number:03}" for number in range(MAX_EXECUTIONS + 2)}
        stage.dynamodb.update_item(
            TableName="ledger",
            Key={"humanLoopName": {"S": "loop-1"}},
            UpdateExpression=f"SET {', '.join(f'{name} = :map' for name in names)}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={":map": {"M": {}}},
        )
        stage.execution("FAILED", input=event())
        stage.runs()
        stage.loops.redrive("loop-1")
        assert len(stage.row().executions) == MAX_EXECUTIONS
        assert next(iter(stage.row().executions)) == "arn:002"

    def test_redrive_that_cannot_start_leaves_the_loop_among_those_that_need_action(
        self, stage: Stage
    ) -> None:
        stage.add(status="Failed", outcome="processing", state="working")
        stage.execution("ABORTED", times=2, input=event())
        stage.execution("GONE")
        stage.session.stubs["stepfunctions"].add_client_error("start_execution", "ServiceUnavailable")
        with pytest.raises(ClientError):
            stage.loops.redrive("loop-1")
        assert (stage.row().outcome, stage.row().claims[CLAIM]["state"]) == ("failed", "released")

    def test_redrive_gets_a_lost_event_from_a2i_with_the_claims_time(self, stage: Stage) -> None:
        claim = "2026-03-04T06:06:07.890+01:00 Failed"
        stage.add(status="Failed", state="released", claim=claim)
        stage.execution("GONE")
        stage.a2i("Failed")
        sent: list[str] = []
        stage.session.client("stepfunctions").meta.events.register(
            "provide-client-params.sfn.StartExecution", lambda params, **_: sent.append(params["input"])
        )
        stage.runs()
        assert stage.loops.redrive("loop-1").claim == claim
        assert json.loads(sent[0])["detail"]["creationTime"] == claim.removesuffix(" Failed")

    @pytest.mark.parametrize("in_a2i", [None, "Completed"])
    def test_redrive_refuses_if_the_event_is_lost(self, stage: Stage, in_a2i: str | None) -> None:
        stage.add(status="Failed", state="released")
        stage.execution("FAILED", input=event("another"))
        stage.a2i(in_a2i)
        with pytest.raises(LoopError, match="is no longer available, neither from Step Functions nor"):
            stage.loops.redrive("loop-1")

    def test_redrive_refuses_without_an_open_claim(self, stage: Stage) -> None:
        stage.add(status="InProgress")
        with pytest.raises(LoopError, match=r"no status change was received; .* loops reconcile"):
            stage.loops.redrive("loop-1")
        stage.add("loop-2", status="Completed", outcome="stored", state="done")
        # The failed escalation of a loop that was deleted, whose own event arrived later.
        stage.add("loop-3", status="Completed", outcome="stored", state="released")
        for name in ("loop-2", "loop-3"):
            with pytest.raises(LoopError, match="already processed: The review is stored"):
                stage.loops.redrive(name)

    def test_redrive_refuses_while_an_execution_runs(self, stage: Stage) -> None:
        stage.add(status="Failed", state="working")
        stage.execution("PENDING_REDRIVE")
        with pytest.raises(LoopError, match="an execution is processing it"):
            stage.loops.redrive("loop-1")

    def test_redrive_loses_a_race_for_the_claim(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        stage.add(status="Failed", state="working")
        stage.execution("FAILED", times=2, input=event())
        stage.execution("GONE")
        monkeypatch.setattr(Ledger, "release", lambda *held, **changes: False)
        with pytest.raises(LoopError, match="claimed by another execution in the meantime"):
            stage.loops.redrive("loop-1")


class TestRedriveExecution:
    @pytest.mark.parametrize("given", [event("loop-9"), event(), json.dumps([1]), json.dumps({"detail": 7})])
    def test_event_of_a_failed_execution_runs_again(self, stage: Stage, given: str) -> None:
        stage.add(status="Failed", state="working")
        stage.execution("FAILED", input=given)
        stage.runs()
        assert ":redrive-" in stage.loops.redrive_execution(EXECUTION).execution
        state = stage.row().claims[CLAIM]["state"]
        assert state == ("released" if given == event() else "working")

    @pytest.mark.parametrize(
        ("status", "message"),
        [
            ("RUNNING", "is RUNNING; only a failed execution can run again"),
            ("SUCCEEDED", "is SUCCEEDED; only"),
            ("GONE", "is no longer in Step Functions; only"),
        ],
    )
    def test_only_failed_executions_run_again(self, stage: Stage, status: str, message: str) -> None:
        stage.execution(status)
        with pytest.raises(LoopError, match=message):
            stage.loops.redrive_execution(EXECUTION)

    def test_executions_of_other_machines_are_refused(self, stage: Stage) -> None:
        with pytest.raises(LoopError, match="is not an execution of stage dev"):
            stage.loops.redrive_execution("arn:aws:states:us-east-1:1:execution:other:x")

    def test_processed_status_change_does_not_run_again(self, stage: Stage) -> None:
        stage.add(status="Failed", state="done")
        stage.execution("FAILED", input=event())
        with pytest.raises(LoopError, match="is already processed, by "):
            stage.loops.redrive_execution(EXECUTION)

    def test_status_change_of_a_running_execution_does_not_run_again(self, stage: Stage) -> None:
        stage.add(status="Failed", state="working")
        stage.execution("FAILED", input=event())
        stage.execution("RUNNING")
        with pytest.raises(LoopError, match="another execution is processing its status change"):
            stage.loops.redrive_execution(f"{EXECUTION}-earlier")


class TestReconcile:
    def test_reconcile_starts_the_workflow_with_missed_events(self, stage: Stage) -> None:
        stub = stage.session.stubs["sagemaker-a2i-runtime"]
        summary = {"HumanLoopName": "loop-1", "HumanLoopStatus": "Completed", "CreationTime": CREATED}
        stub.add_response("list_human_loops", {"HumanLoopSummaries": [summary | {"FlowDefinitionArn": FLOW}]})
        stage.a2i("Completed")
        stage.session.stubs["stepfunctions"].add_response(
            "start_execution", {"executionArn": "arn:second", "startDate": CREATED}
        )
        # Without `since`, a loop that ended before the ledger was created is left alone.
        found = stage.loops.reconcile(flow_definition="triage", since=CREATED)
        assert found.missed == {"loop-1 Completed": "arn:second"}

    def test_reconcile_checks_the_stages_flow_definitions(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack = Stack(
            "afterloop-dev", "id", "UPDATE_COMPLETE", parameters={"FlowDefinitionArns": f"{FLOW},*"}
        )
        monkeypatch.setattr(Stacks, "find", lambda self, name: stack)
        stub = stage.session.stubs["sagemaker-a2i-runtime"]
        asked = {
            "FlowDefinitionArn": FLOW, "CreationTimeAfter": CREATED, "MaxResults": ANY, "SortOrder": "Ascending",
        }  # fmt: skip
        stub.add_response("list_human_loops", {"HumanLoopSummaries": []}, asked)
        for status in ("RUNNING", "ABORTED", "FAILED", "TIMED_OUT"):
            expected = {"stateMachineArn": MACHINE, "statusFilter": status, "maxResults": 1000}
            stage.session.stubs["stepfunctions"].add_response("list_executions", {"executions": []}, expected)
        assert stage.loops.reconcile(since=CREATED).found_nothing


def test_start_calls_the_stages_function(stage: Stage) -> None:
    from lambdas.loops.starting import StartRequest

    stage.function("StartLoop", {"humanLoopName": "loop-1", "status": "InProgress"})
    task = {"type": "custom", "inputContent": {"a": 1}}
    request = StartRequest.read({"humanLoopName": "loop-1", "flowDefinitionArn": FLOW, "task": task})
    assert stage.loops.start(request).human_loop_name == "loop-1"


def test_local_engines_have_no_console_link(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "is_aws", False)
    stage.execution("SUCCEEDED")
    assert stage.loops.execution(EXECUTION).link is None
