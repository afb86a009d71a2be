"""Tests of the names of redriven executions: however often and by whomever it is run, one execution is started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.loops.ledger import Ledger
from tests.unit.doubles import REGION, StepFunctions, StubbedSession, add_red_loop, create_ledger_table
from workflow.operations.redriving import Redrives, execution_name
from workflow.operations.stage_loops import LoopError, StageLoops
from workflow.operations.stage_resources import StageResources
from workflow.publish.account import Account

MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:afterloop-dev"
CLAIM = "2026-03-04T05:06:07.890Z Completed"


class Stage:
    """A stage whose Step Functions knows the names of executions."""

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.dynamodb = self.session.client("dynamodb")
        self.states = StepFunctions(MACHINE)
        self.session.use("stepfunctions", self.states)
        create_ledger_table(self.dynamodb)
        outputs = {"LedgerTable": "ledger", "StateMachine": MACHINE}
        resources = StageResources("dev", "aws", REGION, "111122223333", outputs)
        self.ledger = Ledger(self.dynamodb, "ledger")
        self.redrives = Redrives(StageLoops(resources, self.session))  # type: ignore[arg-type]

    def add(self, name: str = "loop-1", state: str = "released") -> str:
        return add_red_loop(self.dynamodb, self.states, name, state=state)

    def redrive(self, name: str = "loop-1") -> str:
        return self.redrives.run(self.redrives.plan(name)).execution

    def state(self) -> str:
        row = self.ledger.find("loop-1")
        assert row is not None
        return str(row.claims[CLAIM]["state"])


@pytest.fixture
def stage(simulated: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(Account, "is_aws", True)
    stage = Stage(simulated)
    yield stage
    stage.dynamodb.delete_table(TableName="ledger")


def test_names_are_the_same_for_the_same_redrive_only() -> None:
    name = execution_name("order 17/ä" * 30, CLAIM, "arn:before")
    assert name == execution_name("order 17/ä" * 30, CLAIM, "arn:before")
    assert len(name) == 79
    assert name.isascii()
    others = {
        execution_name("a", CLAIM, "arn:before"),
        execution_name("a", f"{CLAIM}-2", "arn:before"),
        execution_name("a", CLAIM, "arn:later"),
        execution_name("", CLAIM, "arn:later"),
    }
    assert len(others) == 4


@pytest.mark.parametrize("state", ["released", "working"])
def test_redrives_at_the_same_time_start_one_execution(stage: Stage, state: str) -> None:
    stage.add(state=state)
    stage.states.outcome = lambda name: "RUNNING"
    plans = [stage.redrives.plan("loop-1") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        redriven = list(pool.map(stage.redrives.run, plans))
    assert len({one.execution for one in redriven}) == 1
    assert len(stage.states.executions) == 2
    assert stage.state() == "released"


def test_second_redrive_before_the_claim_is_refused(stage: Stage) -> None:
    stage.add()
    stage.states.outcome = lambda name: "RUNNING"
    execution = stage.redrive()
    with pytest.raises(
        LoopError, match=r"human loop loop-1: an execution is processing it: .*redrive-loop-1-"
    ):
        stage.redrive()
    assert len(stage.states.started) == 1
    # Somebody whose plan is older finds that it has ended in the meantime, and starts nothing.
    plan = stage.redrives.plan
    del stage.states.executions[execution]
    older = plan("loop-1")
    stage.states.add(execution.rpartition(":")[2], "FAILED")
    assert stage.redrives.run(older).execution == execution
    assert len(stage.states.started) == 1


def test_redrive_that_failed_before_its_claim_can_run_again(stage: Stage) -> None:
    """DynamoDB was unavailable, so the ledger still names the execution before it."""
    stage.add()
    stage.states.outcome = lambda name: "FAILED"
    first, second = stage.redrive(), stage.redrive()
    assert first != second
    assert len(stage.states.executions) == 3


@pytest.mark.parametrize("done", [True, False])
def test_redrive_that_succeeded_runs_again_only_if_the_ledger_lost_it(stage: Stage, done: bool) -> None:
    stage.add()
    first = stage.redrive()
    if done:
        # Another operator's redrive succeeds between the read of the row and that of the execution.
        read = stage.redrives._loops.in_ledger("loop-1")
        stage.add(state="done")
        stage.redrives._loops.in_ledger = lambda name: read  # type: ignore[method-assign]
        with pytest.raises(LoopError, match=f"is already processed, by {first}"):
            stage.redrive()
    else:
        assert stage.redrive() != first


def test_working_claim_is_listed_as_failed_until_it_runs_again(stage: Stage) -> None:
    stage.add(state="working")
    plan = stage.redrives.plan("loop-1")
    stage.ledger.update("loop-1", outcome=None, reason=None)
    stage.states.refuse = [("StartExecution", "AccessDeniedException")]
    with pytest.raises(Exception, match="AccessDenied"):
        stage.redrives.run(plan)
    row = stage.ledger.find("loop-1")
    assert row is not None
    assert (row.outcome, stage.state()) == ("failed", "released")
    # Not the present: no message was sent.
    assert row.escalated_at == row.claims[CLAIM]["at"]
    assert json.loads(stage.states.executions[stage.redrives.run(plan).execution]["input"]) == plan.event


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"detail": {"9" * 5000}}}', "null"])
def test_input_that_cannot_be_read_is_refused(stage: Stage, text: str) -> None:
    arn = stage.states.add("odd", input=text)
    with pytest.raises(LoopError, match="its input cannot be read"):
        stage.redrives.plan_execution(arn)


def test_event_of_an_execution_runs_once(stage: Stage) -> None:
    arn = stage.states.add("unclaimed", input=json.dumps({"detail": {"humanLoopName": "nobody"}}))
    stage.states.outcome = lambda name: "RUNNING"
    stage.redrives.run(stage.redrives.plan_execution(arn))
    with pytest.raises(LoopError, match="human loop nobody: an execution is processing it"):
        stage.redrives.plan_execution(arn)
    for found in stage.states.executions.values():
        found["status"] = "SUCCEEDED" if ":redrive-" in found["executionArn"] else found["status"]
    with pytest.raises(LoopError, match=r"already processed, by .*redrive-nobody-"):
        stage.redrives.plan_execution(arn)
