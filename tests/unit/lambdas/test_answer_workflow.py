from __future__ import annotations

import pytest
from pydantic import ValidationError

from lambdas import answer_workflow
from lambdas.loops.confirmation import NotEnded
from tests.unit.lambdas.conftest import AWS, Context

# Powertools warns if a function that fails has counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def test_handler_notifies_waiting_workflows(function: AWS, context: Context) -> None:
    function.add_row()
    for token in ("a", "b"):
        function.waiting.join("loop", token)
    function.ledger.update("loop", outcome="escalated")
    function.stubs["stepfunctions"].add_response("send_task_failure", {})
    function.stubs["stepfunctions"].add_client_error("send_task_failure", "TaskTimedOut")
    assert answer_workflow.handler({"humanLoopName": "loop"}, context) == {"delivered": 1, "ended": 1}
    assert answer_workflow.handler({"humanLoopName": "loop"}, context) == {"delivered": 0, "ended": 0}


def test_handler_raises_if_loop_has_not_ended(function: AWS, context: Context) -> None:
    function.add_row()
    function.waiting.join("loop", "a")
    with pytest.raises(NotEnded):
        answer_workflow.handler({"humanLoopName": "loop"}, context)


def test_handler_refuses_unknown_fields(function: AWS, context: Context) -> None:
    with pytest.raises(ValidationError):
        answer_workflow.handler({"humanLoopName": "loop", "token": "a"}, context)
