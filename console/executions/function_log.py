"""The log lines of the function that a step calls."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from console.executions.views import LogLineView, LogsView
from console.site import Connection
from workflow.operations.executions import ExecutionView, Visit
from workflow.operations.logs import log_lines
from workflow.publish.aws_errors import explained

__all__ = ["MAX_LINES", "logs_of"]

MAX_LINES = 200
"""Log lines of a step that the page shows."""


def logs_of(connection: Connection, execution: ExecutionView, visit: Visit | None) -> LogsView | None:
    """Returns the log lines of a step that calls a function; None for other steps."""
    if visit is None or not any(attempt.function for attempt in visit.attempts):
        return None
    try:
        found = log_lines(connection.session, connection.resources, execution, visit.state, visit.number)
    except (BotoCoreError, ClientError) as error:
        return LogsView(notes=(f"The log cannot be read: {explained(error) or error}.",))
    shown = found.lines[-MAX_LINES:]
    return LogsView(
        lines=tuple(
            LogLineView(
                time=line.time,
                level=line.level,
                message=line.message,
                fields=dict(line.fields),
                attempt=line.attempt,
                by_time=line.by_time,
            )
            for line in shown
        ),
        earlier=len(found.lines) - len(shown),
        notes=tuple(found.notes),
    )
