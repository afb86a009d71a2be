"""Publishing a stage: package → change set → plan → confirm → execute → follow → live.

`plan_for` stops at the plan and changes nothing; `publish` continues.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.artifacts import plans_of
from workflow.publish.availability import unavailable
from workflow.publish.flow_definitions import missing_flow_definitions
from workflow.publish.following import follow
from workflow.publish.live import make_live, number, prune_functions
from workflow.publish.package import Package
from workflow.publish.plan import Plan, compare
from workflow.publish.readback import restored
from workflow.publish.stacks import ChangeSet, Event, Stack
from workflow.publish.swapping import forget_swaps, swapped, undo_swaps
from workflow.stack import ALIAS
from workflow.stack.stages import Stage

if TYPE_CHECKING:
    from workflow.publish.history import Record

__all__ = ["NoProgress", "Progress", "Published", "plan_for", "publish"]


class Progress(Protocol):
    """Receives the progress of a publish."""

    def step(self, text: str) -> None:
        """Receives what happens now, in a few words."""
        return

    def event(self, event: Event) -> None:
        """Receives an event of the stack."""
        return


class NoProgress(Progress):
    """Ignores the progress."""


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


def plan_for(account: Account, stage: Stage, package: Package) -> Plan:
    """What `publish` would change.

    Raises:
        PublishError: the stack's status does not allow a publish, or CloudFormation rejects the template.
    """
    proposal = _propose(account, stage, package)
    _discard(account, proposal)
    return proposal.plan


def publish(
    account: Account,
    stage: Stage,
    package: Package,
    *,
    confirm: Callable[[Plan], bool],
    progress: Progress | None = None,
    restores: Record | None = None,
) -> Published | None:
    """Makes a stage match its package.

    Args:
        account: where the stage is.
        stage: which stage; its stack is created if it does not exist.
        package: what to publish.
        confirm: receives the plan and returns whether to continue; not called if there is nothing to change.
        progress: receives the progress.
        restores: the earlier publish that this one restores, for a rollback.

    Returns:
        The stage after the publish; None if `confirm` returned False.

    Raises:
        PublishError: the stack's status does not allow a publish, or CloudFormation rejects the template.
        DeploymentError: the stack operation failed and was rolled back.
    """
    progress = progress or NoProgress()
    progress.step("Comparing with the published stage")
    proposal = _propose(account, stage, package, to_publish=True)
    if not proposal.plan.is_empty:
        agreed = False
        try:
            agreed = confirm(proposal.plan)
        finally:
            if not agreed:
                _discard(account, proposal)
        if not agreed:
            return None
    if proposal.plan.creates:
        return _create(account, stage, proposal, progress)
    if proposal.plan.swapped:
        progress.step("Undoing hot swaps")
        # A rollback has already routed new executions to the version that it restores.
        undo_swaps(account, stage, proposal.existing, route=restores is None or not proposal.change_set)
    if proposal.change_set:
        progress.step("Updating the stack")
        return _execute(account, stage, proposal, proposal.change_set, progress, restores=restores)
    version = _make_live(account, stage, proposal.existing, proposal.package, progress, restores)
    return Published(
        proposal.existing.name,
        changed=not proposal.plan.is_empty,
        outputs=proposal.existing.outputs,
        version=version,
        plan=proposal.plan,
    )


@dataclass(frozen=True)
class _Proposal:
    """What a publish would do to a stage."""

    package: Package
    plan: Plan
    stack: Stack | None
    """The stack now; what a failed creation left behind, if the plan creates the stack."""
    change_set: ChangeSet | None = None
    """None if the stack is to be created, or already matches the package."""
    template_url: str = ""
    """The version of the template that the change set was made from."""

    @property
    def existing(self) -> Stack:
        assert self.stack is not None
        return self.stack


def _propose(account: Account, stage: Stage, package: Package, *, to_publish: bool = False) -> _Proposal:
    """Compares the stage with a package.

    Args:
        account: where the stage is.
        stage: which stage.
        package: what to publish.
        to_publish: whether the change set may be executed. Then the bundles are uploaded before, because it names their
            versions. Otherwise nothing is written where a publish reads: a plan is made with permissions that do not
            suffice for a publish.
    """
    stack = _publishable(account.stacks.find(stage.stack_name))
    package = package.stamped(stack.parameters if stack else {})
    sent, _ = package.content
    if stack is None or stack.status == "ROLLBACK_COMPLETE":
        # A new stack needs no change set: everything is added. So a plan creates nothing in the account.
        plan = compare(
            stage.stack_name, before=None, after=package.content, warnings=_warnings(account, stage, package)
        )
        return _Proposal(package, plan, stack)
    template = restored(account.stacks.template(stack.name), sent)
    swaps = swapped(account, stage, stack)
    # Also if template and parameters seem to be the same: only CloudFormation knows whether nothing changes.
    url = ""
    if to_publish:
        package, url = _uploaded(account, package)
        change_set = _change_set(account, stack.name, package, url)
    else:
        change_set = _looked_at(account, stage, stack, package)
    plan = compare(
        stack.name,
        before=(template, stack.parameters),
        after=package.content,
        changes=change_set.changes,
        swapped=swaps,
        warnings=_warnings(account, stage, package),
    )
    if replace(plan, swapped=()).is_empty and change_set.is_empty:
        notes = _routing_notes(account, stack)
        plan = Plan(stack.name, creates=False, swapped=swaps, notes=notes, warnings=plan.warnings)
        return _Proposal(package, plan, stack)
    return _Proposal(package, plan, stack, change_set, url)


def _uploaded(account: Account, package: Package) -> tuple[Package, str]:
    """The package with the versions of its bundles, and the URL of its template."""
    account.artifacts.ensure()
    account.artifacts.expire_plans()
    versions = account.artifacts.upload(package.objects, package.bundle_versions)
    url = account.artifacts.url(package.template_key, versions[package.template_key])
    return package.uploaded(versions), url


def _looked_at(account: Account, stage: Stage, stack: Stack, package: Package) -> ChangeSet:
    """A change set that nobody executes, from a template that only this plan reads."""
    account.artifacts.ensure()
    key = f"{plans_of(stage.name)}{uuid.uuid4().hex}.json"
    version = account.artifacts.write(key, package.template.encode())
    try:
        return _change_set(account, stack.name, package, account.artifacts.url(key, version))
    finally:
        with suppress(ClientError):  # What stays is deleted after a day.
            account.artifacts.remove(key, version)


def _change_set(
    account: Account, stack: str, package: Package, template_url: str, *, create: bool = False
) -> ChangeSet:
    """A change set that has the template and the parameters of the package.

    A change set never changes. So what is shown of it, and executed later, is what was compared here.

    Raises:
        PublishError: CloudFormation rejects it, or has another template or other parameters in it.
    """
    change_set = account.stacks.create_change_set(
        stack, template_url=template_url, parameters=package.parameters, create=create
    )
    if change_set.is_empty:
        return change_set
    sent, parameters = package.content
    template = restored(account.stacks.template_of(change_set), sent)
    if (template, dict(change_set.parameters)) != (sent, dict(parameters)):
        account.stacks.delete_change_set(change_set.id)
        raise PublishError(
            f"the change set {change_set.id} did not have the template and the parameters that were sent, so it was "
            f"deleted: find out who else writes to the bucket {account.artifact_bucket} and to the stack {stack}"
        )
    return change_set


def _discard(account: Account, proposal: _Proposal) -> None:
    if proposal.change_set and not proposal.change_set.is_empty:  # An empty one is already deleted.
        account.stacks.delete_change_set(proposal.change_set.id)


def _routing_notes(account: Account, stack: Stack) -> list[str]:
    """A note if new executions do not all go to the state machine's current revision."""
    machine = stack.outputs.get("StateMachine")
    if not machine:
        return []
    weights = account.machines.weights(machine, ALIAS) or {}
    if len(weights) == 1 and account.machines.is_current(machine, next(iter(weights))):
        return []
    # A gradual shift was interrupted or reversed, or a rollback failed halfway.
    versions = sorted(weights.items(), key=lambda item: number(item[0]))
    routed = " and ".join(f"version {number(arn)} ({weight} %)" for arn, weight in versions)
    return [
        f"New executions go to {routed or 'no version'}; a publish routes all of them to the current one."
    ]


def _create(account: Account, stage: Stage, proposal: _Proposal, progress: Progress) -> Published:
    package = proposal.package
    if proposal.stack:
        progress.step("Deleting what an earlier, failed publish left behind")
        follow(account.stacks, proposal.stack.id, account.stacks.delete(proposal.stack.id), progress.event)
    progress.step("Uploading template and functions")
    package, url = _uploaded(account, package)
    proposal = replace(proposal, package=package, template_url=url)
    progress.step("Creating the stack")
    try:
        change_set = _change_set(account, stage.stack_name, package, url, create=True)
    except PublishError:
        # A change set of type CREATE makes an empty stack, which stays when the change set is rejected.
        empty = account.stacks.find(stage.stack_name)
        if empty and empty.status == "REVIEW_IN_PROGRESS":
            account.stacks.delete(empty.id)
        raise
    return _execute(account, stage, proposal, change_set, progress)


def _execute(
    account: Account,
    stage: Stage,
    proposal: _Proposal,
    change_set: ChangeSet,
    progress: Progress,
    *,
    restores: Record | None = None,
) -> Published:
    package, plan = proposal.package, proposal.plan
    if change_set.is_empty:
        # Only outputs change. CloudFormation calls such a change set empty, but accepts the update.
        token = account.stacks.update(
            stage.stack_name, template_url=proposal.template_url, parameters=package.parameters
        )
    else:
        token = account.stacks.execute_change_set(change_set.id, create=plan.creates)
    if token:
        follow(account.stacks, change_set.stack_id, token, progress.event)
    stack = account.stacks.find(stage.stack_name)
    assert stack is not None
    # A publish that is interrupted from here on is completed by the next one, although the stack then matches the
    # package: the plan has a note about the routing.
    forget_swaps(account, stage)
    version = _make_live(account, stage, stack, package, progress, restores)
    if changed := {change.name for change in plan.functions if change.change == "changed"}:
        with suppress(ClientError):  # The publish succeeded; the next one deletes what is left.
            resources = account.stacks.resources(stack.name)
            prune_functions(account.functions, [one["name"] for one in resources if one["id"] in changed])
    if plan.creates and (function := stack.outputs.get("Reconcile")):
        # Loops that are in progress now get a row at once, so that nothing that happens to them can be missed. It is
        # no error if this fails: the function runs once an hour.
        with suppress(ClientError):
            account.functions.invoke_later(function)
    return Published(stack.name, changed=True, outputs=stack.outputs, version=version, plan=plan)


def _make_live(
    account: Account,
    stage: Stage,
    stack: Stack,
    package: Package,
    progress: Progress,
    restores: Record | None,
) -> str:
    """Routes new executions to what the stack has now, and records the publish; returns the version."""
    from workflow.publish.history import (
        record,
    )  # Imported here because a plan, which most runs are, records nothing.

    progress.step("Routing new executions to the new version")
    version = make_live(
        account.machines,
        stack.outputs["StateMachine"],
        f"publish {package.digest}",
        shift=stage.shift,
        report=progress.step,
    )
    record(account, stage.name, package, version=version, restores=restores)
    return version


def _warnings(account: Account, stage: Stage, package: Package) -> list[str]:
    return [*package.warnings, *missing_flow_definitions(stage, account), *unavailable(account, package)]


_CAN_BE_UPDATED = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)


def _publishable(stack: Stack | None) -> Stack | None:
    """The stack, if its status allows a publish; None if it does not exist or is only the shell of a change set.

    Raises:
        PublishError: another operation is in progress, or a person must repair the stack first.
    """
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        # REVIEW_IN_PROGRESS: a change set was created and not executed. The stack accepts another one.
        return None
    if stack.status in (*_CAN_BE_UPDATED, "ROLLBACK_COMPLETE"):
        return stack
    if stack.status.endswith("IN_PROGRESS"):
        raise PublishError(
            f"stack {stack.name} is in {stack.status}: another operation is in progress; try again when it has ended"
        )
    advice = {
        "UPDATE_ROLLBACK_FAILED": f"run `aws cloudformation continue-update-rollback --stack-name {stack.name}`",
        "ROLLBACK_FAILED": "delete it with `python deploy.py destroy`, then publish again",
        "CREATE_FAILED": "delete it with `python deploy.py destroy`, then publish again",
        "DELETE_FAILED": "finish its deletion with `python deploy.py destroy`, then publish again",
    }.get(stack.status, "repair it in the CloudFormation console first")
    raise PublishError(
        f"stack {stack.name} is in {stack.status} ({stack.reason or 'CloudFormation gives no reason'}): {advice}"
    )
