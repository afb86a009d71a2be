"""Publishing a stage: package → change set → plan → confirm → execute → follow.

CloudFormation moves new executions to the new version itself, as part of the update (see `shifts`).

`plan_for` stops at the plan and changes nothing; `publish` continues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.adopting import Choose, adopt, remembered
from workflow.publish.following import follow
from workflow.publish.holder import current_holder, folder_of
from workflow.publish.live import settle
from workflow.publish.live_import import import_live
from workflow.publish.locks import Lock, held
from workflow.publish.package import Package
from workflow.publish.plan import Plan, RemadePlan
from workflow.publish.progress import NoProgress, Progress
from workflow.publish.proposing import (
    Proposal,
    StackBusyError,
    change_set_of,
    discard,
    is_current,
    propose,
    uploaded,
)
from workflow.publish.protection import expect_development, not_yet_protecting, protect, refusal
from workflow.publish.pruning import prune, prune_functions
from workflow.publish.recovering import StuckRollbackError, continue_rollback, plan_of_rollback
from workflow.publish.removing import remove_unneeded
from workflow.publish.shifts import ShiftWatch
from workflow.publish.stacks import ChangeSet, ObsoleteChangeSetError
from workflow.publish.suspension import resume
from workflow.publish.swapping import forget_swaps, undo_swaps
from workflow.publish.updates import running_definitions
from workflow.stack.stages import Stage

if TYPE_CHECKING:
    from workflow.publish.history import Record
    from workflow.publish.needs import StillNeeded

__all__ = ["Published", "plan_for", "publish"]


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MAX_PROPOSALS = 5
"""How often a publish makes its plan, if the stack changes each time before it is carried out."""


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


def plan_for(account: Account, stage: Stage, package: Package, *, repair: bool = False) -> Plan:
    """What `publish` would change. The arguments are those of `publish`.

    Raises:
        PublishError: the stack's status does not allow a publish, or CloudFormation rejects the template.
    """
    with account.artifacts.listed(folder_of(stage.name)):
        holder = current_holder(account, stage.name)
        try:
            proposal = propose(account, stage, package, repair=repair)
        except StackBusyError as error:
            raise PublishError(f"{error}; {holder}") if holder else error from None
        except StuckRollbackError as error:
            return replace(plan_of_rollback(error), locked_by=holder)
        discard(account, stage, proposal)
        return replace(proposal.plan, locked_by=holder)


def publish(
    account: Account,
    stage: Stage,
    package: Package,
    *,
    confirm: Callable[[Plan], bool],
    prepare: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    restores: Record | None = None,
    repair: bool = False,
    choose: Choose | None = None,
    keeps_failed: bool = False,
) -> Published | None:
    """Makes a stage match its package.

    What is made is what `confirm` agreed to. If the stack changes between the plan and that, the plan is made again,
    and `confirm` is called again.

    Args:
        account: where the stage is.
        stage: which stage; its stack is created if it does not exist.
        package: what to publish.
        confirm: receives the plan and returns whether to continue; not called if there is nothing to change. A plan
            that is made again is a `RemadePlan`.
        prepare: called after that, before the stack changes; returns whether it has changed the stack itself.
        progress: receives the progress.
        restores: the earlier publish that this one restores, for a rollback.
        repair: whether to revert what was changed outside of CloudFormation.
        choose: for a new stack, receives the kept data of the stage, newest first, and returns what the stack adopts;
            without it, kept data is an error.
        keeps_failed: whether what was created or changed stays as it is if the operation fails, to look at it.

    Returns:
        The stage after the publish; None if `confirm` returned False.

    Raises:
        PublishError: the stack's status does not allow a publish, CloudFormation rejects the template, or somebody else
            changes the stage at the same time.
        DeploymentError: the stack operation failed and was rolled back.
    """
    progress = progress or NoProgress()
    choose = choose and remembered(choose)
    if keeps_failed:
        expect_development(stage)
    agreed: Plan | None = None
    shown: Plan | None = None
    # Without an artifact bucket, there is nothing to lock yet, and a question alone must not create it.
    with held(account, stage, "publish", f"of package {package.digest}", needs_bucket=False) as lock:
        asked, choose = _saying_so(confirm, lock), choose and _saying_so(choose, lock)
        for _ in range(MAX_PROPOSALS):
            progress.step("Comparing with the published stage")
            try:
                proposal = _proposed(account, stage, package, lock, repair=repair, choose=choose)
            except StuckRollbackError as error:
                if not continue_rollback(account, error, confirm=asked, progress=progress):
                    return None
                continue
            if not proposal.plan.is_empty and proposal.plan != agreed:
                if not _agrees(account, stage, proposal, shown, asked):
                    return None
                agreed = shown = proposal.plan
            if not lock.is_taken:
                # Somebody else may have published the stage during the question.
                discard(account, stage, proposal)
                lock.take()
                continue
            if not proposal.plan.is_empty:
                if not is_current(account, stage, proposal):
                    discard(account, stage, proposal)
                    agreed = None
                    continue
                if prepare():
                    # What was agreed to is the same, but a change set fits only the stack that it was made for.
                    discard(account, stage, replace(proposal, written={}))
                    again = propose(account, stage, package, to_publish=True, repair=repair)
                    proposal = replace(again, plan=proposal.plan)
            else:
                discard(account, stage, proposal)
            # Somebody began to destroy the stage: its rules are off, which no change set would notice.
            resume(account, stage.name)
            try:
                published = _carry_out(
                    account, stage, proposal, progress, restores, lock, keeps_failed=keeps_failed
                )
            except ObsoleteChangeSetError:
                if restores:  # `prepare` has begun what the person agreed to.
                    raise
                agreed = None
                continue
            protect(account, stage, proposal.stack, progress)
            return published
        raise PublishError(
            f"stack {stage.stack_name} changes all the time: find out who else changes it, then publish again"
        )


def _proposed(
    account: Account, stage: Stage, package: Package, lock: Lock, *, repair: bool, choose: Choose | None
) -> Proposal:
    proposal = propose(account, stage, package, to_publish=True, repair=repair, choose=choose)
    if proposal.stack and (refused := refusal(stage, proposal.stack, proposal.plan)):
        discard(account, stage, proposal)
        raise PublishError(refused)
    if lock.taken_over is None:
        return proposal
    warnings = [*proposal.plan.warnings, lock.taken_over]
    return replace(proposal, plan=replace(proposal.plan, warnings=warnings))


def _saying_so(ask: Callable[[Asked], Answer], lock: Lock) -> Callable[[Asked], Answer]:
    """A question, during which the lock says that a person is asked."""

    def asked(about: Asked) -> Answer:
        with lock.doing("asks"):
            return ask(about)

    return asked


def _agrees(
    account: Account, stage: Stage, proposal: Proposal, shown: Plan | None, confirm: Callable[[Plan], bool]
) -> bool:
    """Whether the person agrees to a plan, given the one that was shown before, if the stage changed since then."""
    plan, agreed = proposal.plan, False
    try:
        agreed = confirm(RemadePlan(**vars(plan), is_same=plan == shown) if shown else plan)
    finally:
        if not agreed:
            discard(account, stage, proposal)
    return agreed


def _carry_out(
    account: Account,
    stage: Stage,
    proposal: Proposal,
    progress: Progress,
    restores: Record | None,
    lock: Lock,
    *,
    keeps_failed: bool,
) -> Published:
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
