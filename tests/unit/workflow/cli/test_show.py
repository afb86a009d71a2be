"""Tests of the progress of a stack. publish/test_plan.py tests how plans are printed."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.text import Text

from workflow.cli.show import StackActivity
from workflow.publish.stacks import Event


def event(resource: str, status: str, reason: str = "") -> Event:
    return Event("1", datetime(2026, 1, 1, tzinfo=UTC), resource, "AWS::SNS::Topic", status, reason)


def shown(events: list[Event], *, terminal: bool) -> str:
    """The output during a stack operation, without colors."""
    file = StringIO()
    activity = StackActivity(Console(file=file, width=80, force_terminal=terminal))
    with activity.running():
        activity.step("Creating the stack")
        for one in events:
            activity.event(one)
        activity.console.print("")  # Draws the line again.
    return Text.from_ansi(file.getvalue()).plain


def test_stack_activity_counts_resources_and_keeps_failures() -> None:
    events = [
        event("Ledger", "CREATE_COMPLETE"),
        event("Topic", "CREATE_COMPLETE"),
        event("Topic", "CREATE_COMPLETE"),
        event("Rule", "CREATE_FAILED", "[no] such role"),
    ]
    text = shown(events, terminal=True)
    assert "Rule CREATE_FAILED [no] such role\n" in text
    assert "Creating the stack 2 resources done; Rule create failed" in text


def test_stack_activity_is_silent_without_a_terminal() -> None:
    assert shown([event("Rule", "CREATE_FAILED", "no")], terminal=False).strip() == ""
