from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from lambdas import reconcile
from lambdas.loops.reconciliation import Reconciliation
from tests.unit.lambdas.conftest import AWS, Context, Logged
from tests.unit.lambdas.executions import Executions


@pytest.fixture
def states(function: AWS, monkeypatch: pytest.MonkeyPatch) -> Any:
    states = Executions()
    monkeypatch.setitem(function.clients, "stepfunctions", states)
    return states


@pytest.mark.usefixtures("states")
def test_handler_returns_what_it_found(function: AWS, context: Context) -> None:
    function.a2i.add("loop", "Completed")
    found = reconcile.handler({}, context)
    assert (found["lookedAt"], list(found["missed"])) == (1, ["loop Completed"])
    assert found["complete"]


def test_handler_raises_after_problems_so_that_lambda_retries(
    function: AWS, context: Context, states: Any
) -> None:
    function.a2i.add("first", "Completed")
    function.a2i.add("second", "Completed", age=-timedelta(seconds=1))
    states.errors["StartExecution"] = ["ThrottlingException"]
    with pytest.raises(reconcile.ReconciliationIncomplete, match=r"first: .*ThrottlingException"):
        reconcile.handler({}, context)


@pytest.mark.usefixtures("states")
def test_handler_stops_before_the_timeout(function: AWS, context: Context) -> None:
    function.a2i.add("loop", "Completed")
    context.remaining_milliseconds = reconcile.RESERVE_MILLISECONDS - 1
    assert not reconcile.handler({}, context)["complete"]


def test_only_a_complete_run_without_problems_counts_as_completed(
    function: AWS, context: Context, states: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured() -> dict[str, Any]:
        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        names = ("ReconciliationsCompleted", "LoopsOverdue", "ClaimsOverdue", "OldestOpenLoopSeconds")
        return {name: line[name] for name in (*names, "OldestClaimSeconds") if name in line}

    zero = {
        "LoopsOverdue": [0],
        "ClaimsOverdue": [0],
        "OldestOpenLoopSeconds": [0],
        "OldestClaimSeconds": [0],
    }
    reconcile.handler({}, context)
    assert measured() == {"ReconciliationsCompleted": [1], **zero}
    function.a2i.add("loop", "Completed")
    states.errors["StartExecution"] = ["ThrottlingException"]
    with pytest.raises(reconcile.ReconciliationIncomplete):
        reconcile.handler({}, context)
    assert measured() == zero
    context.remaining_milliseconds = reconcile.RESERVE_MILLISECONDS - 1
    reconcile.handler({}, context)
    assert measured() == zero


def test_execution_can_hold_its_claim_for_the_longest_wait_of_the_settings(
    function: AWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {
        "back_off": {"max_seconds": 7200},
        "flow_definitions": {"slow": {"back_off": {"max_seconds": 86_400}}},
    }
    monkeypatch.setenv("RESTART_SETTINGS", json.dumps(rules))
    assert reconcile._reconciler().longest_claim == timedelta(hours=26)


@pytest.mark.usefixtures("states")
def test_response_names_so_many_loops_that_it_fits(
    function: AWS, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_NAMED", 2)
    for name in ("a", "b", "c"):
        function.a2i.add(name)
        function.a2i.add(f"ended-{name}", "Completed")
    found = reconcile.handler({}, context)
    assert found["adopted"] == ["a", "b", "and 1 more"]
    assert list(found["missed"]) == ["ended-a Completed", "ended-b Completed", "more"]


def test_handler_logs_each_loop_that_it_touched(
    function: AWS, context: Context, logged: Logged, states: Any
) -> None:
    function.a2i.add("missed", "Completed")
    function.a2i.add("open")
    found = reconcile.handler({}, context)
    (execution,) = states.executions
    assert found["missed"] == {"missed Completed": execution}
    assert logged.about(humanLoopName="missed", humanLoopStatus="Completed", execution=execution) == [
        "processing a missed status change"
    ]
    assert logged.about(humanLoopName="open") == ["added a loop in progress to the ledger"]


def test_each_loop_that_was_touched_is_named_with_its_execution() -> None:
    found = Reconciliation(
        looked_at=9,
        missed={"loop-1 Failed": "arn:1"},
        deleted={"loop-2": "arn:2"},
        adopted=["loop-3"],
        earlier=["loop-4"],
        resumed=["loop-5"],
        refused={"loop-6": "arn:6"},
        released={"loop-7 2026-03-01T10:00:00.000Z Stopped": "arn:7"},
        reported=["arn:8"],
        answered=["loop-9"],
    )
    touched = [(about.get("humanLoopName"), about.get("execution")) for _, about in found.touched()]
    assert sorted(touched, key=str) == sorted(
        [
            ("loop-1", "arn:1"),
            ("loop-2", "arn:2"),
            ("loop-3", None),
            ("loop-5", None),
            ("loop-6", "arn:6"),
            ("loop-7", "arn:7"),
            (None, "arn:8"),
            ("loop-9", None),
        ],
        key=str,
    )
