"""Publishing a stage: package → change set → plan → confirm → execute → follow → live.

`plan_for` does all of it up to the plan, and changes nothing; `publish` goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.account import Account, ChangeSet, Event, Stack
from workflow.publish.availability import not_offered
from workflow.publish.following import follow
from workflow.publish.history import Record, latest, record
from workflow.publish.live import make_live, number, prune_functions
from workflow.publish.package import Package
from workflow.publish.plan import Plan, compare
from workflow.publish.readback import restored
from workflow.publish.swapping import forget_swaps, swapped, undo_swaps
from workflow.stack import ALIAS
from workflow.stack.stages import Stage

__all__ = ["Progress", "Published", "Silent", "plan_for", "publish"]


class Progress(Protocol):
    """Is told how a publish goes on."""

    def step(self, text: str) -> None:
        """What is done now, in a few words."""

    def event(self, event: Event) -> None:
        """What CloudFormation did."""


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None:
        """Says nothing."""

    def event(self, event: Event) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class Published:
    """A stage after a publish."""

    stack: str
    changed: bool
    """Whether there was something to do, and it was done."""
    outputs: Mapping[str, str]
    version: str | None = None
    """ARN of the state machine's version that new executions run on."""
    plan: Plan | None = None
    events: Sequence[Event] = field(default=(), repr=False)


def plan_for(account: Account, stage: Stage, package: Package) -> Plan:
    """What `publish` would change.

    Raises:
        PublishError: the stack is in a state that nothing can be published to, or CloudFormation refuses
            the template.
    """
    stack = _settled(account.stack(stage.stack_name))
    package = package.stamped(stack.parameters if stack else {})
    if stack is None or stack.status == "ROLLBACK_COMPLETE":
        return compare(
            stage.stack_name, before=None, after=package.content, warnings=_warnings(account, package)
        )
    deployed = _deployed(account, stage, stack, package)
    if deployed.is_same:
        return _beside(account, deployed)
    change_set = _change_set(account, stack, package)
    if not change_set.is_empty:
        account.delete_change_set(change_set.id)
    return _compared(account, deployed, package, change_set)


def publish(
    account: Account,
    stage: Stage,
    package: Package,
    *,
    confirm: Callable[[Plan], bool],
    progress: Progress | None = None,
    restores: Record | None = None,
) -> Published | None:
    """Makes a stage what its package says.

    Args:
        account: where to.
        stage: which one; its stack is made when there is none.
        package: what to publish.
        confirm: is shown the plan, and says whether to go on; not asked when there is nothing to do.
        progress: is told how it goes on.
        restores: the publish that this one goes back to, when it is a rollback.

    Returns:
        The stage as it is now; None when `confirm` said no.

    Raises:
        PublishError: the stack is in a state that nothing can be published to, or CloudFormation refuses
            the template.
        DeploymentError: the stack could not be changed; it is as before.
    """
    progress = progress or Silent()
    stack = _settled(account.stack(stage.stack_name))
    package = package.stamped(stack.parameters if stack else {})
    if stack is None or stack.status == "ROLLBACK_COMPLETE":
        return _create(account, stage, package, stack, confirm, progress)
    deployed = _deployed(account, stage, stack, package)
    if not deployed.is_same:
        progress.step("Working out the changes")
        change_set = _change_set(account, stack, package)
        plan = _compared(account, deployed, package, change_set)
        if not plan.is_empty:
            agreed = False
            try:
                agreed = confirm(plan)
            finally:
                if not agreed and not change_set.is_empty:
                    account.delete_change_set(change_set.id)
            if not agreed:
                return None
            if deployed.swaps:
                progress.step("Taking hot swaps back")
                # A rollback has sent new executions where they should go already.
                undo_swaps(account, stage, deployed.stack, route=restores is None)
            return _execute(account, stage, package, change_set, plan, progress, restores=restores)
    plan = _beside(account, deployed)
    if not plan.is_empty and not confirm(plan):
        return None
    return _confirmed(account, stage, package, deployed, plan, progress)


@dataclass(frozen=True)
class _Deployed:
    """A stage as it is, beside the package to be published."""

    stack: Stack
    template: Mapping[str, Any]
    swaps: Sequence[str]
    is_same: bool
    """Whether template and parameters are the package's."""


def _deployed(account: Account, stage: Stage, stack: Stack, package: Package) -> _Deployed:
    sent, parameters = package.content
    template = restored(account.template(stack.name), sent)
    is_same = bool(template == sent) and dict(stack.parameters) == dict(parameters)
    if is_same and not package.is_ascii and (published := latest(account, stage.name)):
        # What GetTemplate does not show may differ: our own record knows.
        is_same = published.template_key == package.template_key
    return _Deployed(stack, template, swapped(account, stage, stack), is_same)


def _create(
    account: Account,
    stage: Stage,
    package: Package,
    leftover: Stack | None,
    confirm: Callable[[Plan], bool],
    progress: Progress,
) -> Published | None:
    # A new stack is all additions: the plan needs no change set, and before the yes nothing is made.
    plan = compare(stage.stack_name, before=None, after=package.content, warnings=_warnings(account, package))
    if not confirm(plan):
        return None
    if leftover:
        progress.step("Deleting what an earlier publish that failed left behind")
        follow(account, leftover.id, account.delete_stack(leftover.id), progress.event)
    progress.step("Uploading templates and functions")
    account.ensure_artifact_bucket()
    account.upload(package.objects)
    try:
        change_set = account.create_change_set(
            stage.stack_name, template_key=package.template_key, parameters=package.parameters, create=True
        )
    except PublishError:
        shell = account.stack(stage.stack_name)
        if shell and shell.status == "REVIEW_IN_PROGRESS":
            account.delete_stack(shell.id)
        raise
    return _execute(account, stage, package, change_set, plan, progress, create=True)


def _execute(
    account: Account,
    stage: Stage,
    package: Package,
    change_set: ChangeSet,
    plan: Plan,
    progress: Progress,
    *,
    create: bool = False,
    restores: Record | None = None,
) -> Published:
    if not create:
        progress.step("Uploading functions")
        account.upload(package.objects)
    progress.step("Creating the stack" if create else "Updating the stack")
    if change_set.is_empty:
        # A change of outputs alone: some take it by a change set, some by an update.
        token = account.update_stack(
            stage.stack_name, template_key=package.template_key, parameters=package.parameters
        )
    else:
        token = account.execute_change_set(change_set.id, create=create)
    events = follow(account, change_set.stack_id, token, progress.event) if token else []
    stack = account.stack(stage.stack_name)
    assert stack is not None
    forget_swaps(account, stage)
    version = _live(account, stage, stack, package, progress)
    record(
        account,
        stage.name,
        template_key=package.template_key,
        parameters=package.parameters,
        version=version,
        restores=restores.number if restores else None,
    )
    if changed := {change.name for change in plan.functions if change.change == "changed"}:
        with suppress(ClientError):  # The publish is done; what stays goes with the next.
            prune_functions(
                account, [one["name"] for one in account.resources(stack.name) if one["id"] in changed]
            )
    return Published(
        stack.name, changed=True, outputs=stack.outputs, version=version, plan=plan, events=events
    )


def _confirmed(
    account: Account, stage: Stage, package: Package, deployed: _Deployed, plan: Plan, progress: Progress
) -> Published:
    """The stack is as the package says; what goes beside it is put in order."""
    stack = deployed.stack
    if deployed.swaps:
        progress.step("Taking hot swaps back")
        undo_swaps(account, stage, stack)
    version = _live(account, stage, stack, package, progress)
    return Published(stack.name, changed=not plan.is_empty, outputs=stack.outputs, version=version, plan=plan)


def _beside(account: Account, deployed: _Deployed) -> Plan:
    """What there is to do when the stack is as the package says: hot swaps, and executions sent elsewhere."""
    stack = deployed.stack
    notes = []
    if machine := stack.outputs.get("StateMachine"):
        live = account.live(machine, ALIAS)
        weights = live.weights if live else {}
        if len(weights) != 1 or not account.is_current(machine, next(iter(weights))):
            # A gradual shift was interrupted or taken back, or a rollback failed half way.
            versions = sorted(weights.items(), key=lambda item: number(item[0]))
            told = " and ".join(f"version {number(arn)} ({weight} %)" for arn, weight in versions)
            notes = [f"All new executions go to what is published; now they go to {told or 'no version'}."]
    return Plan(stack.name, creates=False, swapped=deployed.swaps, notes=notes)


def _live(account: Account, stage: Stage, stack: Stack, package: Package, progress: Progress) -> str:
    progress.step("Making the new version live")
    return make_live(
        account,
        stack.outputs["StateMachine"],
        f"publish {package.digest}",
        shift=stage.shift,
        tell=progress.step,
    ).version


def _change_set(account: Account, stack: Stack, package: Package) -> ChangeSet:
    account.ensure_artifact_bucket()
    account.upload({package.template_key: package.template.encode()})
    return account.create_change_set(
        stack.name, template_key=package.template_key, parameters=package.parameters, create=False
    )


def _compared(account: Account, deployed: _Deployed, package: Package, change_set: ChangeSet) -> Plan:
    plan = compare(
        deployed.stack.name,
        before=(deployed.template, deployed.stack.parameters),
        after=package.content,
        changes=change_set.changes,
        swapped=deployed.swaps,
        warnings=_warnings(account, package),
    )
    if plan.is_empty and not change_set.is_empty:
        beyond = "Something changes in characters beyond ASCII, which CloudFormation does not show."
        return replace(plan, notes=["Functions get new versions." if package.is_ascii else beyond])
    return plan


def _warnings(account: Account, package: Package) -> list[str]:
    if not account.is_aws:
        return []
    return not_offered(
        package.definition,
        account.region,
        services=account.session.get_available_services(),
        regions_of=account.session.get_available_regions,
    )


_CAN_BE_UPDATED = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)


def _settled(stack: Stack | None) -> Stack | None:
    """The stack, if something can be published to it; None when there is none to speak of.

    Raises:
        PublishError: another operation is under way, or a person must put the stack right first.
    """
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        # The latter is the shell of a change set that nobody executed: a new one goes into it.
        return None
    if stack.status in (*_CAN_BE_UPDATED, "ROLLBACK_COMPLETE"):
        return stack
    if stack.status.endswith("IN_PROGRESS"):
        raise PublishError(
            f"the stack {stack.name} is in {stack.status}: another publish is under way; wait for its end"
        )
    advice = {
        "UPDATE_ROLLBACK_FAILED": f"aws cloudformation continue-update-rollback --stack-name {stack.name}",
        "ROLLBACK_FAILED": "delete it with `python deploy.py destroy`, then publish again",
        "CREATE_FAILED": "delete it with `python deploy.py destroy`, then publish again",
        "DELETE_FAILED": "finish its deletion with `python deploy.py destroy`, then publish again",
    }.get(stack.status, "put it right in the CloudFormation console first")
    raise PublishError(
        f"the stack {stack.name} is in {stack.status} ({stack.reason or 'no reason given'}): {advice}"
    )
