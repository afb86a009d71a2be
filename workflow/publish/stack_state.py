"""The state of a stack in words: what CloudFormation does to it, or why its last operation failed, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.publish.following import first_cause
from workflow.publish.handler_errors import advice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow.publish.account import Account
    from workflow.publish.stacks import Event, Stack

__all__ = ["DRIFT_DETECTABLE", "in_words", "said_of"]

DRIFT_DETECTABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
)
"""Statuses in which CloudFormation detects drift
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/detect-drift-stack.html)."""

_IN_PROGRESS = {
    "CREATE": "creates the stack",
    "DELETE": "deletes the stack",
    "IMPORT": "imports resources into the stack",
    "IMPORT_ROLLBACK": "undoes an import of resources",
    "ROLLBACK": "deletes what it created",
    "UPDATE": "updates the stack",
    "UPDATE_COMPLETE_CLEANUP": "deletes what the update replaced",
    "UPDATE_ROLLBACK": "rolls an update back",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP": "deletes what the update created",
}
"""Status without its `_IN_PROGRESS` → what CloudFormation does."""

_FAILED = {
    "CREATE_FAILED": (
        "the first publish failed and was not rolled back",
        "fix the cause, then {publish}, which first rolls it back",
    ),
    "DELETE_FAILED": ("the deletion failed", "fix the cause, then finish the deletion with {destroy}"),
    "IMPORT_ROLLBACK_COMPLETE": ("an import of resources failed", "fix the cause, then {publish}"),
    "IMPORT_ROLLBACK_FAILED": (
        "an import of resources failed and could not be undone",
        "fix the cause in the CloudFormation console, which can finish it, then {publish}",
    ),
    "REVIEW_IN_PROGRESS": ("a first publish began and did not go on", "{publish}"),
    "ROLLBACK_COMPLETE": (
        "the first publish failed and was undone",
        "fix the cause, then {publish}, which deletes what is left",
    ),
    "ROLLBACK_FAILED": (
        "the first publish failed and could not be undone",
        "delete what is there with {destroy}, fix the cause, then {publish}",
    ),
    "UPDATE_FAILED": (
        "the last update failed and was not rolled back",
        "fix the cause, then {publish}, which first rolls it back",
    ),
    "UPDATE_ROLLBACK_COMPLETE": (
        "the last update failed and was rolled back",
        "fix the cause, then {publish}",
    ),
    "UPDATE_ROLLBACK_FAILED": (
        "the last update failed and could not be rolled back",
        "{publish}, which first continues the rollback without what no longer exists",
    ),
}
"""Status → what happened, and what to do."""


def in_words(account: Account, stack: Stack) -> str | None:
    """What CloudFormation does to a stack, or why its last operation failed, in one line; None if all is well."""
    if stack.status in _FAILED or stack.status.endswith("_IN_PROGRESS"):
        return said_of(stack, account.stacks.last_operation(stack.id))
    return None


def said_of(stack: Stack, events: Sequence[Event]) -> str:
    """The same, given the events of the last operation, of a stack that is not well."""
    return _failure(stack, events) if stack.status in _FAILED else _progress(stack, events)


def _progress(stack: Stack, events: Sequence[Event]) -> str:
    doing = _IN_PROGRESS.get(
        stack.status.removesuffix("_IN_PROGRESS"), f"works on the stack ({stack.status})"
    )
    since = f" since {events[0].at.astimezone():%Y-%m-%d %H:%M}" if events else ""
    ended = {event.resource for event in events if not event.status.endswith("IN_PROGRESS")}
    open_ones = dict.fromkeys(one.resource for one in events if not one.is_stack_event)
    now = [resource for resource in open_ones if resource not in ended]
    at = f", now {', '.join(now[:3])}{' and others' if len(now) > 3 else ''}" if now else ""
    cause = first_cause(events)
    because = f"; the first failure: {_cause(cause)}" if cause else ""
    return f"CloudFormation {doing}{since}{at}{because}; wait until it has ended"


def _failure(stack: Stack, events: Sequence[Event]) -> str:
    happened, remedy = _FAILED[stack.status]
    cause = first_cause(events)
    reason = _cause(cause) if cause else stack.reason or "CloudFormation gives no reason"
    if (known := advice(reason)) and remedy.startswith("fix the cause"):
        remedy = known if "publish again" in known else remedy.replace("fix the cause", known, 1)
    stage = stack.name.removeprefix("afterloop-")
    remedy = remedy.format(
        publish=f"`python deploy.py publish --stage {stage}`",
        destroy=f"`python deploy.py destroy --stage {stage}`",
    )
    return f"{happened}: {' '.join(reason.split()).rstrip('.')}; {remedy}"


def _cause(event: Event) -> str:
    return f"{event.resource} ({event.type}): {' '.join(event.reason.split()).rstrip('.')}"
