"""Carrying a plan out: the stack is created or updated and followed to its end, and what it publishes goes live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.adopting import adopt
from workflow.publish.change_sets import change_set_of, uploaded
from workflow.publish.following import follow
from workflow.publish.live import settle
from workflow.publish.live_import import import_live
from workflow.publish.locks import Lock
from workflow.publish.plan import Plan
from workflow.publish.progress import Progress
from workflow.publish.proposing import Proposal, discard
from workflow.publish.protection import not_yet_protecting
from workflow.publish.pruning import prune, prune_functions
from workflow.publish.removing import remove_unneeded
from workflow.publish.shifts import ShiftWatch
from workflow.publish.stacks import ChangeSet
from workflow.publish.swapping import forget_swaps, undo_swaps
from workflow.publish.updates import running_definitions
from workflow.stack.stages import Stage

if TYPE_CHECKING:
    from workflow.publish.history import Record
    from workflow.publish.needs import StillNeeded

__all__ = ["Published", "carry_out"]


@dataclass(frozen=True)
class Published:
    """A stage after a publish."""

    stack: str
    changed: bool
    """Whether the publish changed something."""
    outputs: Mapping[str, str]
    version: str | None = None
    """ARN of the state machine version that new executions run on."""
    plan: Plan | None = None
    still_needed: Sequence[StillNeeded] = ()
    """What stays until running executions have ended."""
    warnings: Sequence[str] = ()
    """What concerns this operation alone, beside the warnings of the plan."""
    unconfirmed: Sequence[str] = ()
    """The addresses that get no messages before they confirm."""


def carry_out(
    account: Account,
    stage: Stage,
    proposal: Proposal,
    progress: Progress,
    restores: Record | None,
    lock: Lock,
    *,
    keeps_failed: bool,
) -> Published:
    """Makes a stage what its plan says.

    Args:
        account: where the stage is.
        stage: which stage.
        proposal: the plan, and the change set that was made for it.
        progress: receives the progress.
        restores: for a rollback, the publish that it restores.
        lock: the lock of the stage.
        keeps_failed: whether what was created or changed stays as it is if the operation fails.

    Raises:
        ObsoleteChangeSetError: the stack has changed since the plan.
        DeploymentError: the stack operation failed and was rolled back.
    """
    if proposal.plan.creates:
        return _create(account, stage, proposal, progress, lock, keeps_failed=keeps_failed)
    if proposal.plan.swapped:
        progress.step("Undoing hot swaps")
        # A rollback has already routed new executions to the version that it restores.
        undo_swaps(
            account,
            stage,
            proposal.existing,
            route=restores is None or not proposal.change_set,
            missing={one.id for one in proposal.missing},
        )
    if change_set := _with_live(account, stage, proposal, progress):
        progress.step("Updating the stack")
        return _execute(
            account,
            stage,
            proposal,
            change_set,
            progress,
            lock,
            restores=restores,
            keeps_failed=keeps_failed,
        )
    version = settle(account.machines, proposal.existing)
    if not proposal.plan.is_empty:
        from workflow.publish.history import record

        record(account, stage.name, proposal.package, version=version, restores=restores)
    return Published(
        proposal.existing.name,
        changed=not proposal.plan.is_empty,
        outputs=proposal.existing.outputs,
        version=version,
        plan=proposal.plan,
        still_needed=proposal.plan.still_needed,
    )


def _create(
    account: Account, stage: Stage, proposal: Proposal, progress: Progress, lock: Lock, *, keeps_failed: bool
) -> Published:
    package = proposal.package
    if proposal.stack:
        progress.step("Deleting what an earlier, failed publish left behind")
        with lock.doing("waits"):
            follow(
                account.stacks,
                proposal.stack.id,
                account.stacks.delete(proposal.stack.id),
                progress.event,
                report=progress.step,
            )
    progress.step("Uploading template and functions")
    written: dict[str, str] = {}
    package, url = uploaded(account, package, written)
    proposal = replace(proposal, package=package, template_url=url, written=written)
    if proposal.adopted:
        progress.step("Adopting the kept data")
        adopt(
            account,
            stage.stack_name,
            proposal.adopted,
            package.content[0],
            progress,
            role=package.service_role,
        )
    progress.step("Creating the stack")
    try:
        change_set = change_set_of(
            account, stage.stack_name, not_yet_protecting(package), url, create=not proposal.adopted
        )
    except PublishError:
        # A change set of type CREATE makes an empty stack, which stays when the change set is rejected.
        empty = account.stacks.find(stage.stack_name)
        if empty and empty.status == "REVIEW_IN_PROGRESS":
            account.stacks.delete(empty.id)
        discard(account, stage, proposal)
        raise
    published = _execute(account, stage, proposal, change_set, progress, lock, keeps_failed=keeps_failed)
    if stage.protected:
        progress.step("Protecting the tables")
        token = account.stacks.update(
            stage.stack_name,
            template_url=url,
            parameters=package.parameters,
            tags=package.tags,
            role=package.service_role,
        )
        if token:
            with lock.doing("waits"):
                follow(account.stacks, change_set.stack_id, token, progress.event)
    return published


def _with_live(account: Account, stage: Stage, proposal: Proposal, progress: Progress) -> ChangeSet | None:
    """The change set, made again if the stack has to have the alias and its version first."""
    if not proposal.imports_live:
        return proposal.change_set
    stack = proposal.existing
    discard(account, stage, replace(proposal, written={}))
    import_live(account, stage, stack, progress)
    return change_set_of(
        account, stack.name, proposal.sent, proposal.template_url, reverts_drift=bool(proposal.missing)
    )


def _execute(
    account: Account,
    stage: Stage,
    proposal: Proposal,
    change_set: ChangeSet,
    progress: Progress,
    lock: Lock,
    *,
    restores: Record | None = None,
    keeps_failed: bool = False,
) -> Published:
    # Imported here because a plan, which most runs are, records nothing.
    from workflow.publish.cleaning import clean
    from workflow.publish.outcomes import recording

    package, plan = proposal.package, proposal.plan
    with recording(account, stage.name, package, restores=restores) as recorded:
        if change_set.is_empty:
            # Only outputs change. CloudFormation calls such a change set empty, but accepts the update.
            token = account.stacks.update(
                stage.stack_name,
                template_url=proposal.template_url,
                parameters=proposal.sent.parameters,
                tags=package.tags,
                role=package.service_role,
                token=recorded.token,
            )
        else:
            token = account.stacks.execute_change_set(
                change_set.id, create=plan.creates, token=recorded.token, keeps_failed=keeps_failed
            )
        if token:
            recorded.began = True
            with lock.doing("waits"):
                _follow(account, proposal, change_set, token, progress)
        # Outputs that are older than the update would take new executions back.
        before = proposal.stack.updated if token and proposal.stack and not plan.creates else None
        stack = account.stacks.settled(stage.stack_name, after=before)
        if stack is None:
            raise PublishError(
                f"stack {stage.stack_name} was deleted while it was published: publish the stage again"
            )
        forget_swaps(account, stage)
        version = recorded.version = settle(account.machines, stack)
    with suppress(ClientError):  # The publish succeeded; the next one deletes what is left.
        prune(account.machines, version)
    still_needed = (
        remove_unneeded(account, stack, proposal.updates, package, progress) if proposal.updates else []
    )
    if changed := {change.name for change in plan.functions if change.change == "changed"}:
        with suppress(ClientError):  # The publish succeeded; the next one deletes what is left.
            resources = account.stacks.resources(stack.name)
            prune_functions(
                account.functions,
                [one["name"] for one in resources if one["id"] in changed],
                partial(running_definitions, account, stack),
            )
    clean(account, stage.name, recorded.number)
    if plan.creates and (function := stack.outputs.get("Reconcile")):
        # Loops that are in progress now get a row at once, so that nothing that happens to them can be missed. It is
        # no error if this fails: the function runs once an hour.
        with suppress(ClientError):
            account.functions.invoke_later(function)
    return Published(
        stack.name,
        changed=True,
        outputs=stack.outputs,
        version=version,
        plan=plan,
        still_needed=still_needed,
    )


def _follow(
    account: Account, proposal: Proposal, change_set: ChangeSet, token: str, progress: Progress
) -> None:
    machine = proposal.stack.outputs.get("StateMachine") if proposal.stack else None
    watch = ShiftWatch(account.machines, machine, proposal.sent.parameters, progress)
    try:
        follow(
            account.stacks,
            change_set.stack_id,
            token,
            watch.event,
            meanwhile=watch.look,
            report=progress.step,
        )
    except DeploymentError as error:
        raise watch.explained(error) from None
