from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambdas import reconcile
from tests.unit.lambdas.conftest import AWS, EXECUTION, Context

STARTED = {"executionArn": EXECUTION, "startDate": datetime.now(UTC)}


def test_handler_returns_what_it_found(function: AWS, context: Context) -> None:
    function.a2i.add("loop", "Completed")
    function.stubs["stepfunctions"].add_response("start_execution", STARTED)
    found = reconcile.handler({}, context)
    assert (found["lookedAt"], found["missed"]) == (1, {"loop Completed": EXECUTION})
    assert found["complete"]


def test_handler_raises_after_problems_so_that_lambda_retries(function: AWS, context: Context) -> None:
    function.a2i.add("first", "Completed")
    function.a2i.add("second", "Completed")
    function.stubs["stepfunctions"].add_client_error("start_execution", "ThrottlingException")
    function.stubs["stepfunctions"].add_response("start_execution", STARTED)
    with pytest.raises(reconcile.ReconciliationIncomplete, match=r"first: .*ThrottlingException"):
        reconcile.handler({}, context)


def test_handler_stops_before_the_timeout(function: AWS, context: Context) -> None:
    context.remaining_milliseconds = reconcile.RESERVE_MILLISECONDS - 1
    assert not reconcile.handler({}, context)["complete"]
