"""The log lines of the function that a step calls."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from console.executions.views import LogLineView, LogsView
from console.site import Connection
from lambdas.loops.visible import quoted
from workflow.operations.executions import ExecutionView, Visit
from workflow.operations.logs import log_lines
from workflow.publish.refused import in_words

__all__ = ["MAX_LINES", "logs_of"]

MAX_LINES = 200
"""Log lines of a step that the page shows."""


def logs_of(
    connection: Connection, execution: ExecutionView, visit: Visit | None, loop: str | None = None
) -> LogsView | None:
    """Returns the log lines of a step that calls a function; None for other steps.

    Args:
        connection: The stage.
        execution: The execution.
        visit: The visit to the step; None if there is none.
        loop: The human loop that the execution processes, for the command that follows the log.
    """
    if visit is None or not any(attempt.function for attempt in visit.attempts):
        return None
    try:
        found = log_lines(connection.session, connection.resources, execution, visit.state, visit.number)
    except (BotoCoreError, ClientError) as error:
        return LogsView(notes=(f"The log cannot be read: {in_words(error) or error}.",))
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
        command=_command(connection, loop, visit.state) if loop else "",
    )


def _command(connection: Connection, loop: str, step: str) -> str:
    stage = connection.resources.stage
    return f"python deploy.py loops logs {quoted(loop)} --step {quoted(step)} --stage {stage}"
