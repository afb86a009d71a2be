"""Before a publish: rolling back what the last one left, because it failed without a rollback or the rollback failed.

    CREATE_FAILED, UPDATE_FAILED   the last publish failed, with `--no-rollback`: its changes are rolled back
    UPDATE_ROLLBACK_FAILED         its changes could not be rolled back: that continues

A publish could also go on from there. But a plan compares with what was published, and a stack in between has neither
the one nor the other.
"""

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

__all__ = ["NOT_ROLLED_BACK", "StuckRollbackError", "continue_rollback", "plan_of_rollback", "stuck_rollback"]

NOT_ROLLED_BACK = ("CREATE_FAILED", "UPDATE_FAILED")
"""Statuses after an operation that failed and was not rolled back."""


class StuckRollbackError(PublishError):
    """The stack has to be rolled back first, or to continue its rollback.

    Attributes:
        stack: The stack.
        skipped: Logical IDs of the resources that could not be rolled back, because they no longer exist.
    """

    def __init__(self, message: str, stack: Stack, skipped: Sequence[str]) -> None:
        super().__init__(message)
        self.stack, self.skipped = stack, skipped


def stuck_rollback(account: Account, stack: Stack) -> StuckRollbackError:
    """The error for a stack in UPDATE_ROLLBACK_FAILED, or in one of `NOT_ROLLED_BACK`."""
    events = account.stacks.last_operation(stack.id)
    if stack.status in NOT_ROLLED_BACK:
        return StuckRollbackError(
            f"stack {stack.name} is in {stack.status}: {said_of(stack, events)}", stack, ()
        )
    last = {event.resource: event.status for event in events}
    skipped = sorted(
        one.id for one in account.checked(stack.name).missing if last.get(one.id) == "UPDATE_FAILED"
    )
    return StuckRollbackError(
        f"stack {stack.name} is in {stack.status}: {said_of(stack, events)}", stack, skipped
    )


def plan_of_rollback(stuck: StuckRollbackError) -> Plan:
    """What `continue_rollback` would do."""
    if stuck.stack.status in NOT_ROLLED_BACK:
        first = "First, what that publish created and changed is rolled back."
        return Plan(
            stuck.stack.name,
            creates=False,
            notes=[f"{stuck}.", f"{first} Then the changes of this publish are shown."],
        )
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
    """Rolls back what was not, or continues a rollback that failed without what was deleted outside of CloudFormation.

    Args:
        account: where the stack is.
        stuck: the stack, and what is skipped.
        confirm: receives the plan and returns whether to continue.
        progress: receives the progress.

    Returns:
        Whether that was done, which `confirm` decides.

    Raises:
        DeploymentError: the rollback failed again.
    """
    if not confirm(plan_of_rollback(stuck)):
        return False
    if stuck.stack.status in NOT_ROLLED_BACK:
        progress.step("Rolling back what the last publish left")
        token = account.stacks.roll_back(stuck.stack.id)
    else:
        progress.step("Continuing the rollback of the last update")
        token = account.stacks.continue_rollback(stuck.stack.id, without=stuck.skipped)
    follow(
        account.stacks,
        stuck.stack.id,
        token,
        progress.event,
        report=progress.step,
        expected=("UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE"),
    )
    return True
