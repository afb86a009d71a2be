"""Following a stack operation to its end, event by event, and finding why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from workflow.errors import DeploymentError
from workflow.publish.account import Account, Event, pauses

__all__ = ["first_cause", "follow"]


def follow(account: Account, stack_id: str, token: str, on_event: Callable[[Event], None]) -> list[Event]:
    """Waits until an operation of a stack has ended; tells of each event as it comes.

    Args:
        account: where the stack is.
        stack_id: its ARN.
        token: what the operation was started with; its events carry it.
        on_event: called with each event, oldest first.

    Returns:
        All events of the operation, oldest first.

    Raises:
        DeploymentError: the operation failed; tells the first cause that CloudFormation gives.
    """
    seen: set[str] = set()
    events: list[Event] = []
    for pause in pauses():
        new = account.events(stack_id, token, seen)
        events += new
        for event in new:
            on_event(event)
        if events and _is_last(events[-1]):
            break
        time.sleep(pause)
    status = events[-1].status
    if "ROLLBACK" in status or status.endswith("FAILED"):
        raise _failure(events)
    return events


def _is_last(event: Event) -> bool:
    """Whether the stack rests after an event."""
    return event.is_of_stack and not event.status.endswith("IN_PROGRESS")


def first_cause(events: Sequence[Event]) -> Event | None:
    """The first failure of an operation; what CloudFormation cancelled because of it is none."""
    failures = [event for event in events if event.status.endswith("FAILED") and event.reason]
    causes = [event for event in failures if "cancelled" not in event.reason and not event.is_of_stack]
    return next(iter([*causes, *failures]), None)


def _failure(events: Sequence[Event]) -> DeploymentError:
    cause = first_cause(events) or events[-1]
    status = events[-1].status
    outcome = {
        "ROLLBACK_COMPLETE": "what was made is deleted again",
        "UPDATE_ROLLBACK_COMPLETE": "the stack is as it was before",
        "DELETE_FAILED": "the rest is deleted; put it right and destroy again",
    }.get(status, f"the stack is left in {status}")
    reason = " ".join(cause.reason.split()) or "CloudFormation gives no reason"
    return DeploymentError(
        f"{cause.resource} ({cause.type}): {reason}; {outcome}",
        resource=cause.resource,
        cause=reason,
        status=status,
    )
