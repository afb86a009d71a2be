"""Tests of what is done to one of many loops, with a real ledger table and a Step Functions that keeps names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from lambdas.loops.ledger import Ledger
from tests.unit.doubles import REGION, StepFunctions, StubbedSession, add_red_loop, create_ledger_table
from workflow.operations.actions import MAX_WAIT_SECONDS, Actions
from workflow.operations.loops import LoopError, Loops
from workflow.operations.several import Interruption
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account

MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:afterloop-dev"
FLOW = f"arn:aws:sagemaker:{REGION}:111122223333:flow-definition/triage"


class Patient(Interruption):
    """Does not wait. After each pause, `then` is called with the number of pauses so far."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.then: Any = lambda number: None

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.then(len(self.pauses))
        return self.requested


class Stage:
    """A stage with a loop that the workflow failed to process."""

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.dynamodb = session.client("dynamodb")
        self.states = StepFunctions(MACHINE)
        session.use("stepfunctions", self.states)
        create_ledger_table(self.dynamodb)
        outputs = {"LedgerTable": "ledger", "StateMachine": MACHINE}
        resources = StageResources("dev", "aws", REGION, "111122223333", outputs)
        self.actions: Actions = Loops(resources, session).actions  # type: ignore[arg-type]
        self.ledger = Ledger(self.dynamodb, "ledger")
        self.patient = Patient()
        self.add("loop-1")

    def add(self, name: str, **attributes: Any) -> str:
        return add_red_loop(self.dynamodb, self.states, name, flowDefinitionArn=FLOW, **attributes)

    def function(self, name: str, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.session.stubs["lambda"].add_response(
            "invoke", {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body))}
        )


@pytest.fixture
def stage(simulated: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(Account, "is_aws", True)
    monkeypatch.setattr(Account, "caller", "arn:aws:sts::111122223333:assumed-role/operators/ada")
    simulated.reset()
    stage = Stage(simulated)
    yield stage
    simulated.assert_all_called()
    stage.dynamodb.delete_table(TableName="ledger")


class TestRedrive:
    @pytest.mark.parametrize(
        ("end", "result", "detail"),
        [
            ({"status": "SUCCEEDED"}, "done", ""),
            ({"status": "ABORTED"}, "failed", "ABORTED"),
            ({"status": "FAILED", "error": "E", "cause": "no\nobject"}, "failed", "E: no object"),
        ],
    )
    def test_redrive_waits_for_the_end_of_the_execution(
        self, stage: Stage, end: dict[str, str], result: str, detail: str
    ) -> None:
        stage.states.outcome = lambda name: "RUNNING"

        def then(number: int) -> None:
            # Step Functions may not know the execution at first: DescribeExecution is eventually consistent.
            (arn,) = [arn for arn in stage.states.executions if ":redrive-" in arn]
            if number == 4:
                stage.states.executions[arn].update(end)

        stage.states.refuse = [("StartExecution", "ThrottlingException")]
        stage.patient.then = lambda number: then(number) if number > 1 else None
        found = stage.actions.redrive(stage.patient)("loop-1")
        assert (found.result, found.detail) == (result, detail)
        assert found.execution in stage.states.executions
        assert len(stage.patient.pauses) == 4

    def test_redrive_waits_no_longer_than_a_minute(self, stage: Stage) -> None:
        stage.states.outcome = lambda name: "RUNNING"
        found = stage.actions.redrive(stage.patient)("loop-1")
        assert found.result == "running"
        assert MAX_WAIT_SECONDS <= sum(stage.patient.pauses) < MAX_WAIT_SECONDS + 10

    def test_interruption_ends_the_waiting(self, stage: Stage) -> None:
        stage.states.outcome = lambda name: "RUNNING"
        stage.patient.request()
        assert stage.actions.redrive(stage.patient)("loop-1").result == "running"
        assert len(stage.patient.pauses) == 1

    def test_redrive_whose_end_is_unknown_is_not_an_error(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        describe = stage.states.describe_execution

        def refused_afterwards(**call: str) -> dict[str, Any]:
            if stage.states.started:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeExecution")
            return describe(**call)

        monkeypatch.setattr(stage.states, "describe_execution", refused_afterwards)
        found = stage.actions.redrive(stage.patient)("loop-1")
        assert (found.result, found.detail) == (
            "running", "its result is unknown: DescribeExecution failed (AccessDenied): no",
        )  # fmt: skip


class TestClose:
    def test_close_that_is_repeated_closes_once(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """DynamoDB wrote the row, and its answer was lost."""
        settle, lost = Ledger.settle, [True]

        def settle_without_answer(ledger: Ledger, *row: Any, **changes: Any) -> bool:
            settled = settle(ledger, *row, **changes)
            if lost.pop():
                raise ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")
            return settled

        lost.insert(0, False)
        monkeypatch.setattr(Ledger, "settle", settle_without_answer)
        assert stage.actions.close(stage.patient, "a duplicate")("loop-1").result == "done"
        row = stage.ledger.find("loop-1")
        assert row is not None
        assert (row.outcome, row.note) == ("closed", "a duplicate")

    def test_close_that_somebody_else_made_is_refused(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settle = Ledger.settle

        def settled_by_somebody_else(ledger: Ledger, *row: Any, **changes: Any) -> bool:
            assert settle(ledger, *row, **{**changes, "note": "another note"})
            return settle(ledger, *row, **changes)

        monkeypatch.setattr(Ledger, "settle", settled_by_somebody_else)
        # The other one wrote in the same millisecond, so the row is as it was read.
        monkeypatch.setattr("lambdas.loops.ledger.now", lambda: "2026-03-06T00:00:00.000Z")
        with pytest.raises(LoopError, match="changed in the meantime"):
            stage.actions.close(stage.patient, "a duplicate")("loop-1")


class TestRestart:
    def test_restart_that_is_repeated_starts_one_loop(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.add("loop-2", status="Failed", outcome="escalated", state="done")
        find, failures = Ledger.find, [None]

        def busy_after_the_start(ledger: Ledger, name: str) -> Any:
            if name.endswith("attempt-2") and failures:
                failures.clear()
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem")
            return find(ledger, name)

        monkeypatch.setattr(Ledger, "find", busy_after_the_start)
        for _ in range(2):
            stage.function("RestartLoop", {"humanLoopName": "loop-2-attempt-2"})
        found = stage.actions.restart(stage.patient, more_attempts=2)("loop-2")
        assert (found.result, found.next_loop_name) == ("done", "loop-2-attempt-2")
        row = stage.ledger.find("loop-2")
        assert row is not None
        assert (row.outcome, row.max_attempts) == ("restarted", 3)


class TestCheck:
    def test_check_says_what_is_possible_and_what_is_not(self, stage: Stage) -> None:
        stage.add("loop-2", status="Failed", outcome="escalated", state="done", reason="Expired.")
        checks = {
            operation: stage.actions.check(operation, stage.patient)  # type: ignore[arg-type]
            for operation in ("redrive", "restart", "close")
        }
        before = stage.dynamodb.scan(TableName="ledger")["Items"]
        assert ":first-loop-1 failed to process" in checks["redrive"]("loop-1").detail
        assert checks["restart"]("loop-2").detail == f"with {FLOW}"
        assert checks["close"]("loop-2").detail == "Expired."
        for operation, name in (("redrive", "loop-2"), ("restart", "loop-1")):
            with pytest.raises(LoopError, match=name):
                checks[operation](name)
        assert stage.dynamodb.scan(TableName="ledger")["Items"] == before
        assert stage.states.started == []
