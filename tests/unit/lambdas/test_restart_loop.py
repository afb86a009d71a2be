from __future__ import annotations

import pytest

from lambdas import restart_loop
from lambdas.loops.start_request import InputUnknown
from lambdas.reviews.errors import TransientServiceError
from tests.unit.lambdas.conftest import AWS, FLOW, Context, start_request

# Powertools warns if a function that fails has counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

EVENT = {"humanLoopName": "loop", "flowDefinitionArn": FLOW}


def test_handler_starts_one_restart(function: AWS, context: Context) -> None:
    function.starter.start(start_request())
    first, second = (restart_loop.handler(EVENT, context) for _ in range(2))
    assert (first["humanLoopName"], first["already"]) == ("loop-attempt-2", False)
    assert (second["humanLoopName"], second["already"]) == ("loop-attempt-2", True)
    assert "prediction" not in first
    assert list(function.a2i.loops) == ["loop", "loop-attempt-2"]


def test_handler_refuses_unknown_loop(function: AWS, context: Context) -> None:
    with pytest.raises(InputUnknown, match="The ledger has no human loop 'loop'"):
        restart_loop.handler(EVENT, context)


def test_throttled_restart_can_be_retried(function: AWS, context: Context) -> None:
    function.starter.start(start_request())
    function.a2i.errors["StartHumanLoop"] = ["ThrottlingException"]
    with pytest.raises(TransientServiceError, match="ThrottlingException"):
        restart_loop.handler(EVENT, context)
    assert restart_loop.handler(EVENT, context)["humanLoopName"] == "loop-attempt-2"
