from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lambdas import reconcile
from tests.unit.lambdas.conftest import AWS, Context
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
