"""Prints what needs attention in a stage for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.cli.terminal import say, shown
from workflow.operations.story import age

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.operations.attention import Attention, FailedExecution

__all__ = ["show_attention"]

MAX_CAUSE = 200
"""How much of a cause is shown. `loops show` has all of it."""


def show_attention(console: Console, attention: Attention) -> None:
    """Prints what needs attention, and the commands to continue with."""
    if attention.alarms:
        say(console, "\n[bold]Alarms[/]")
    for alarm in attention.alarms:
        say(console, f"  [bold red]{shown(alarm.name)}[/] for {age(alarm.since)}: {shown(alarm.description)}")
    if attention.executions:
        say(console, "\n[bold]Failed executions[/], the newest of the last 24 hours")
    for execution in attention.executions:
        _show_execution(console, execution)
    if attention.waiting:
        number = " and ".join(f"{count:,} {outcome}" for outcome, count in attention.waiting.items())
        say(console, f"\n[bold]Human loops that need a person[/]: {number}")
    for loop in attention.loops:
        reason = f": {shown(loop.why)}" if loop.why else ""
        say(console, f"  {shown(loop.human_loop_name)}  [bold red]{shown(loop.outcome)}[/]{reason}")
    if attention.next:
        say(console, "\n[bold]What you can do next[/]")
    for step in attention.next:
        say(console, f"  {shown(step.why)}:")
        say(console, f"    {shown(step.command)}")


def _show_execution(console: Console, execution: FailedExecution) -> None:
    name = execution.arn.rpartition(":")[2]
    of = f" {shown(execution.human_loop_name)}" if execution.human_loop_name else ""
    now = (
        f" (the loop is now {shown(execution.outcome)})" if execution.outcome not in (None, "failed") else ""
    )
    why = ": ".join(filter(None, (execution.error, execution.cause)))
    more = "…" if len(why) > MAX_CAUSE else ""
    say(console, f"  [red]{shown(execution.status)}[/] {age(execution.stopped)} ago:{of}{now}")
    say(console, f"    [dim]{shown(name)}[/]  {shown(why[:MAX_CAUSE])}{more}".rstrip())
