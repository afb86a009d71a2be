"""Prints what happens in executions, while it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.asl.graph import StateStatus
from workflow.cli.loop_logs import STYLES, is_shown, line_text
from workflow.cli.terminal import say, shown
from workflow.operations.executions import why

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.operations.executions import Visit
    from workflow.operations.new_executions import News

__all__ = ["show_news"]

MAX_CAUSE = 300
"""Characters of the cause of an error that are printed."""

_SIGNS = {
    StateStatus.PASSED: "[green]✓[/]",
    StateStatus.RETRIED: "[green]✓[/]",
    StateStatus.CAUGHT: "[yellow]![/]",
    StateStatus.FAILED: "[red]✗[/]",
    StateStatus.RUNNING: "[cyan]…[/]",
}


def show_news(console: Console, news: News, stage: str) -> None:
    """Prints what is new in an execution. Each line begins with the name of its human loop."""
    execution = news.execution
    lines = [f"started, execution {shown(execution.name)}"] if news.has_started else []
    lines += [_visit(visit) for visit in news.visits]
    lines += [
        f"[{STYLES.get(one.level, 'dim')}]{shown(line)}[/]"
        for one in news.logs.lines
        if is_shown(one)
        for line in line_text(one, stage).split("\n")
    ]
    if news.has_ended:
        seconds = (
            f" after {(execution.stopped - execution.started).total_seconds():.1f} s"
            if execution.stopped
            else ""
        )
        status = execution.status.lower().replace("_", " ")
        style = "bold green" if execution.status == "SUCCEEDED" else "bold red"
        lines.append(f"[{style}]{shown(status)}[/]{seconds}{_why(execution.error, execution.cause)}")
    for line in [*lines, *(f"[yellow]{shown(note)}[/]" for note in news.logs.notes)]:
        say(console, f"{shown(news.loop)}: {line}")


def _visit(visit: Visit) -> str:
    sign = _SIGNS.get(visit.status, "-")
    took = f"  {visit.duration.total_seconds():.1f} s" if visit.duration is not None else ""
    # The text of a visit has the error already.
    return f"{sign} {shown(visit)}{took}{_why(None, visit.cause)}"


def _why(error: str | None, cause: str | None) -> str:
    text = why(error, cause, MAX_CAUSE)
    return f": {shown(text)}" if text else ""
