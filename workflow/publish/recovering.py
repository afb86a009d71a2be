"""Continuing the rollback of an update that could not be rolled back: the stack is in UPDATE_ROLLBACK_FAILED."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workflow.errors import PublishError
from workflow.publish.following import follow
from workflow.publish.plan import Plan
from workflow.publish.stack_state import said_of

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.progress import Progress
    from workflow.publish.stacks import Stack

__all__ = ["StuckRollbackError", "continue_rollback", "plan_of_rollback", "stuck_rollback"]


class StuckRollbackError(PublishError):
    """The stack accepts nothing but to continue its rollback.

    Attributes:
        stack: The stack.
        skipped: Logical IDs of the resources that could not be rolled back, because they no longer exist.
    """

    def __init__(self, message: str, stack: Stack, skipped: Sequence[str]) -> None:
        super().__init__(message)
        self.stack, self.skipped = stack, skipped


def stuck_rollback(account: Account, stack: Stack) -> StuckRollbackError:
    """The error for a stack in UPDATE_ROLLBACK_FAILED."""
    events = account.stacks.last_operation(stack.id)
    last = {event.resource: event.status for event in events}
    skipped = sorted(one.id for one in account.missing(stack.name) if last.get(one.id) == "UPDATE_FAILED")
    return StuckRollbackError(
        f"stack {stack.name} is in {stack.status}: {said_of(stack, events)}", stack, skipped
    )


def plan_of_rollback(stuck: StuckRollbackError) -> Plan:
    """What `continue_rollback` would do."""
    without = f", without {', '.join(stuck.skipped)}, which no longer exists" if stuck.skipped else ""
    return Plan(
        stuck.stack.name,
        creates=False,
        notes=[
            f"{stuck}.",
            f"First, the rollback of that update continues{without}. Then the changes of this publish are shown.",
        ],
    )


def continue_rollback(
    account: Account, stuck: StuckRollbackError, *, confirm: Callable[[Plan], bool], progress: Progress
) -> bool:
    """Continues a rollback that failed. What was deleted outside of CloudFormation is skipped.

    Args:
        account: where the stack is.
        stuck: the stack, and what is skipped.
        confirm: receives the plan and returns whether to continue.
        progress: receives the progress.

    Returns:
        Whether it was continued, which `confirm` decides.

    Raises:
        DeploymentError: the rollback failed again.
    """
    if not confirm(plan_of_rollback(stuck)):
        return False
    progress.step("Continuing the rollback of the last update")
    token = account.stacks.continue_rollback(stuck.stack.id, without=stuck.skipped)
    follow(
        account.stacks,
        stuck.stack.id,
        token,
        progress.event,
        report=progress.step,
        expected=("UPDATE_ROLLBACK_COMPLETE",),
    )
    return True
