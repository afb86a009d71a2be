"""Publishing a stage: package → change set → plan → confirm → execute → follow.

CloudFormation moves new executions to the new version itself, as part of the update (see `shifts`).

`plan_for` stops at the plan and changes nothing; `publish` continues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.adopting import Choose, remembered
from workflow.publish.carrying_out import Published, carry_out
from workflow.publish.holder import current_holder, folder_of
from workflow.publish.locks import Lock, held
from workflow.publish.package import Package
from workflow.publish.plan import Plan, RemadePlan
from workflow.publish.progress import NoProgress, Progress
from workflow.publish.proposing import (
    Proposal,
    StackBusyError,
    discard,
    is_current,
    propose,
)
from workflow.publish.protection import expect_development, protect, refusal
from workflow.publish.recovering import StuckRollbackError, continue_rollback, plan_of_rollback
from workflow.publish.stacks import ObsoleteChangeSetError
from workflow.publish.subscribers import unconfirmed
from workflow.publish.suspension import resume
from workflow.stack.stages import Stage

if TYPE_CHECKING:
    from workflow.publish.history import Record

__all__ = ["Published", "plan_for", "publish"]


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MAX_PROPOSALS = 5
"""How often a publish makes its plan, if the stack changes each time before it is carried out."""


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
                published = carry_out(
                    account, stage, proposal, progress, restores, lock, keeps_failed=keeps_failed
                )
            except ObsoleteChangeSetError:
                if restores:  # `prepare` has begun what the person agreed to.
                    raise
                agreed = None
                continue
            protect(account, stage, proposal.stack, progress)
            return replace(published, unconfirmed=unconfirmed(account, published.outputs))
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
