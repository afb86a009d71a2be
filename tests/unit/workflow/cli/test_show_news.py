"""Tests of what is printed of executions while they run."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

from rich.console import Console

from tests.unit.workflow.operations.executions.histories import START
from workflow.asl.graph import StateStatus
from workflow.cli.show_news import MAX_CAUSE, show_news
from workflow.operations.executions import ExecutionView, Visit
from workflow.operations.logs import LogLine, Logs
from workflow.operations.new_executions import News


def printed(
    *, status: str = "RUNNING", error: str | None = None, cause: str | None = None, **news: Any
) -> list[str]:
    execution = ExecutionView(
        arn="arn", name="run-1", machine="arn", status=status, started=START,
        stopped=START + timedelta(seconds=1.25), error=error, cause=cause,
    )  # fmt: skip
    given = {"has_started": False, "visits": (), "has_ended": False, "logs": Logs(), "loop": "loop[1]\n"}
    console = Console(file=StringIO(), width=40)
    show_news(console, News(execution, **(given | news)), "dev")
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def line(level: Any, message: str) -> LogLine:
    return LogLine(START, "afterloop-dev-Ask", level, message, {}, "Ask", 1, 1, None, False, message)


def visit(status: StateStatus, seconds: float | None = None, **more: Any) -> Visit:
    exited = None if seconds is None else START + timedelta(seconds=seconds)
    return Visit("Ask", "Task", status=status, entered=START, exited=exited, **more)


def test_each_line_names_the_loop_and_shows_its_characters() -> None:
    assert printed(has_started=True) == ["loop[1]\\n: started, execution run-1"]


def test_visits_have_a_sign_their_time_and_the_error() -> None:
    cause = json.dumps({"errorMessage": "'location'", "errorType": "KeyError", "stackTrace": []})
    visits = (
        visit(StateStatus.PASSED, 0.42),
        visit(StateStatus.RUNNING),
        visit(StateStatus.CAUGHT, 2, error="KeyError", cause=cause),
        visit(StateStatus.FAILED, error="Own", cause='{"why": "no message"}'),
        visit(StateStatus.ABORTED, cause="x" * 400),
    )
    assert [one.removeprefix("loop[1]\\n: ") for one in printed(visits=visits)] == [
        "✓ Ask  0.4 s",
        "… Ask (running)",
        "! Ask (caught KeyError)  2.0 s: 'location'",
        '✗ Ask (failed: Own): {"why": "no message"}',
        f"- Ask (stopped): {'x' * MAX_CAUSE}…",
    ]


def test_log_lines_are_those_of_loops_logs() -> None:
    logs = Logs([line("METRIC", "{}"), line("ERROR", "no\n[red]why")], ["The log group cannot be read."])
    assert [one.removeprefix("loop[1]\\n: ") for one in printed(logs=logs)] == [
        "2026-03-04T12:00:00.000Z  Ask  ERROR  no",
        "    [red]why",
        "The log group cannot be read.",
    ]


def test_end_has_status_time_and_cause() -> None:
    assert printed(status="SUCCEEDED", has_ended=True) == ["loop[1]\\n: succeeded after 1.2 s"]
    assert printed(status="TIMED_OUT", error="States.Timeout", cause="late", has_ended=True) == [
        "loop[1]\\n: timed out after 1.2 s: States.Timeout: late"
    ]
