"""Following a stack operation to its end, event by event, and finding why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from workflow.errors import DeploymentError
from workflow.publish.stacks import Event, Stacks, pauses

__all__ = ["first_cause", "follow", "follow_deletion"]


def follow(
    stacks: Stacks,
    stack_id: str,
    token: str,
    on_event: Callable[[Event], None],
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Waits until a stack operation has ended, and reports each event.

    Args:
        stacks: the stacks of the account.
        stack_id: the stack's ARN.
        token: the token that the operation was started with; its events carry it.
        on_event: called with each event, oldest first.
        meanwhile: called as long as the operation goes on, every few seconds at least.

    Raises:
        DeploymentError: the operation failed; the message has the first cause that CloudFormation gives.
    """
    # Events rather than a waiter of boto3: the status alone gives neither progress nor a cause. And by ARN,
    # because a deleted stack cannot be found by its name.
    events: list[Event] = []
    for pause in pauses():
        new = stacks.events(stack_id, token, {event.id for event in events})
        events += new
        for event in new:
            on_event(event)
        if events and events[-1].ends_operation:
            break
        meanwhile()
        time.sleep(pause)
    status = events[-1].status
    if "ROLLBACK" in status or status.endswith("FAILED"):
        raise _failure(events)


def follow_deletion(stacks: Stacks, stack_id: str, meanwhile: Callable[[], object]) -> None:
    """Waits until a stack is deleted whose deletion somebody else, or an earlier command, has begun.

    Args:
        stacks: the stacks of the account.
        stack_id: the stack's ARN.
        meanwhile: called as long as the deletion goes on, every few seconds at least.

    Raises:
        DeploymentError: the deletion failed.
    """
    for pause in pauses():
        stack = stacks.find(stack_id)
        if stack is None:
            return
        if stack.status == "DELETE_FAILED":
            reason = stack.reason or "CloudFormation gives no reason"
            raise DeploymentError(
                f"{stack.name}: {reason}; fix the cause and run destroy again",
                resource=stack.name,
                cause=reason,
                status=stack.status,
            )
        meanwhile()
        time.sleep(pause)


def first_cause(events: Sequence[Event]) -> Event | None:
    """The first failure of an operation; None if no event gives a reason."""
    failures = [event for event in events if event.status.endswith("FAILED") and event.reason]
    # CloudFormation cancels what is in progress after a failure, and may report that before the failure itself.
    causes = [event for event in failures if "cancelled" not in event.reason and not event.is_stack_event]
    return next(iter([*causes, *failures]), None)


def _failure(events: Sequence[Event]) -> DeploymentError:
    cause = first_cause(events) or events[-1]
    status = events[-1].status
    outcome = {
        "ROLLBACK_COMPLETE": "the new resources were deleted",
        "UPDATE_ROLLBACK_COMPLETE": "the stack was rolled back and is unchanged",
        "DELETE_FAILED": "the other resources were deleted; fix the cause and run destroy again",
    }.get(status, f"the stack is now in {status}")
    reason = " ".join(cause.reason.split()) or "CloudFormation gives no reason"
    return DeploymentError(
        f"{cause.resource} ({cause.type}): {reason}; {outcome}",
        resource=cause.resource,
        cause=reason,
        status=status,
    )
