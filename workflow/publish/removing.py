"""Updates of a stack beside the one that a plan shows: permissions that come before, and removals that come after.

Both have a change set of their own, with the template and the parameters that were sent, like that of the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import AfterloopError, PublishError
from workflow.publish.change_sets import change_set_of, url_of
from workflow.publish.following import follow
from workflow.publish.updates import removal, widening

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.needs import StillNeeded
    from workflow.publish.package import Package
    from workflow.publish.progress import Progress
    from workflow.publish.stacks import Stack
    from workflow.publish.updates import Updates

__all__ = ["add_permissions", "remove_unneeded"]


def remove_unneeded(
    account: Account, stack: Stack, planned: Updates, package: Package, progress: Progress
) -> list[StillNeeded]:
    """Removes what the first update has kept and no running execution needs; returns what stays.

    Raises:
        PublishError: it could not be removed. The stage is published all the same.
    """
    left, still_needed = removal(account, stack, planned, package)
    if left is not planned.first:
        progress.step("Removing what no running execution needs")
        try:
            _update(account, stack, left, progress)
        except (AfterloopError, ClientError) as error:
            raise PublishError(
                f"the stage is published, but what no running execution needs could not be removed ({error}): publish "
                "again to remove it"
            ) from error
    return still_needed


def add_permissions(account: Account, stack: Stack, target: Package, number: int, progress: Progress) -> bool:
    """Adds the permissions that executions of an earlier publish need; returns whether some were missing.

    Args:
        account: where the stage is.
        stack: its stack.
        target: the package of that publish.
        number: the number of that publish.
        progress: receives the progress.

    Raises:
        PublishError: CloudFormation rejects the update.
        DeploymentError: the update failed and was rolled back.
    """
    wider = widening(account, stack, target)
    if wider is not None:
        progress.step(f"Adding the permissions that publish {number} needs")
        _update(account, stack, wider, progress)
    return wider is not None


def _update(account: Account, stack: Stack, package: Package, progress: Progress) -> None:
    change_set = change_set_of(account, stack.name, package, url_of(account, package))
    if not change_set.is_empty:
        token = account.stacks.execute_change_set(change_set.id, create=False)
        follow(account.stacks, change_set.stack_id, token, progress.event, report=progress.step)
