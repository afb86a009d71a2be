"""The log lines of the function that a step calls."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from console.executions.function_log import MAX_LINES, logs_of
from console.executions.views import LogsView
from tests.unit.console.conftest import resources
from tests.unit.console.executions.executions import START, History, LogSession, execution_of
from workflow.operations.executions import ExecutionView

REQUEST = "11111111-1111-4111-8111-111111111111"


def logged(execution: ExecutionView, answer: Any, loop: str | None = None) -> LogsView:
    """Returns the log of the first step. `answer` is what CloudWatch Logs returns: texts, or an error."""

    def search(**_: Any) -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        time = int((START + timedelta(seconds=2)).timestamp() * 1000)
        events = [{"logStreamName": "s", "timestamp": time, "message": text} for text in answer]
        return {"events": events}

    connection: Any = SimpleNamespace(session=LogSession(search), resources=resources())
    found = logs_of(connection, execution, execution.visits[0], loop)
    assert found is not None
    return found


@pytest.fixture
def execution() -> ExecutionView:
    history = History()
    history.entered("Tell the shop")
    history.tried("Refused")
    history.add("ExecutionFailed", error="Refused")
    return execution_of(history, "FAILED")


def line(execution: ExecutionView, message: str, **more: Any) -> str:
    common = {"level": "ERROR", "function_request_id": REQUEST, "execution": execution.arn, "attempt": 1}
    return json.dumps({**common, "state": "Tell the shop", "message": message, **more})


def test_lines_have_level_message_and_attempt(execution: ExecutionView) -> None:
    found = logged(execution, [line(execution, "no such order", order=7)])
    (only,) = found.lines
    assert (only.level, only.message, only.attempt, only.fields) == (
        "ERROR",
        "no such order",
        1,
        {"order": 7},
    )
    assert found.notes == ()


def test_only_the_last_of_many_lines_are_shown(execution: ExecutionView) -> None:
    found = logged(execution, [line(execution, f"line {number}") for number in range(MAX_LINES + 5)])
    assert (len(found.lines), found.earlier, found.lines[-1].message) == (
        MAX_LINES,
        5,
        f"line {MAX_LINES + 4}",
    )


def test_command_shows_the_log_of_the_step_in_a_terminal(execution: ExecutionView) -> None:
    found = logged(execution, [], "order 7")
    assert found.command == "python deploy.py loops logs 'order 7' --step 'Tell the shop' --stage dev"
    assert logged(execution, []).command == ""


def test_log_that_cannot_be_read_costs_only_itself(execution: ExecutionView) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "FilterLogEvents")
    broken = ClientError({"Error": {"Code": "InternalFailure", "Message": "down"}}, "FilterLogEvents")
    unreachable = EndpointConnectionError(endpoint_url="https://logs.eu-west-1.amazonaws.com")
    for error, text in ((denied, "logs:FilterLogEvents"), (broken, "down"), (unreachable, "cannot be read")):
        found = logged(execution, error)
        assert found.lines == ()
        assert text in " ".join(found.notes)


def test_step_without_a_function_has_no_log() -> None:
    history = History()
    history.passed("A")
    execution = execution_of(history)
    assert logs_of(None, execution, execution.visits[0]) is None  # type: ignore[arg-type]
