"""A stage as people see it. What plans look like is tested with the plans, in publish/test_plan.py."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from workflow.cli.show import StackActivity
from workflow.publish.stacks import Event


def event(resource: str, status: str, reason: str = "") -> Event:
    return Event("1", datetime(2026, 1, 1, tzinfo=UTC), resource, "AWS::SNS::Topic", status, reason)


def shown(events: list[Event], *, terminal: bool) -> str:
    """What stands on a screen after a stack operation, without colours."""
    file = StringIO()
    activity = StackActivity(Console(file=file, width=80, force_terminal=terminal))
    with activity.running():
        activity.step("Creating the stack")
        for one in events:
            activity.event(one)
        activity.console.print("")  # draws the line once more
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())


def test_a_stack_s_activity_counts_what_is_done_and_keeps_what_failed() -> None:
    events = [
        event("Ledger", "CREATE_COMPLETE"),
        event("Topic", "CREATE_COMPLETE"),
        event("Topic", "CREATE_COMPLETE"),
        event("Rule", "CREATE_FAILED", "[no] such role"),
    ]
    text = shown(events, terminal=True)
    assert "Rule CREATE_FAILED [no] such role\n" in text
    assert "Creating the stack 2 resources done; Rule create failed" in text


def test_a_stack_s_activity_is_silent_where_no_terminal_is() -> None:
    assert shown([event("Rule", "CREATE_FAILED", "no")], terminal=False).strip() == ""
