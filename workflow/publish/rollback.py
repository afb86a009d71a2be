"""Rolling back to an earlier publish: new executions at once, then the whole stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.functions import versions_in
from workflow.publish.history import Record, amend, latest, rollback_target
from workflow.publish.live_publish import find_live
from workflow.publish.locks import held
from workflow.publish.machines import number, routed
from workflow.publish.outcomes import read_history
from workflow.publish.package import EARLIER_BUNDLES, Package, template_key
from workflow.publish.plan import Plan
from workflow.publish.progress import NoProgress, Progress
from workflow.publish.protection import protecting
from workflow.publish.publishing import Published, publish
from workflow.publish.removing import add_permissions
from workflow.publish.shifts import shift_in_progress
from workflow.publish.stacks import Stack
from workflow.stack import ALIAS, LIVE_VERSION, VERSION_MARK
from workflow.stack.parameters import ALL_AT_ONCE
from workflow.stack.stages import Stage

__all__ = ["choose", "roll_back"]


def choose(account: Account, stage: Stage, to: int | None = None) -> Record:
    """The publish that a rollback restores: number `to`, or the one that was live before what is live.

    While CloudFormation moves new executions gradually, that is the publish that they come from.

    Its smoke test is the last one of its content, also if a rollback made that live again.

    Raises:
        PublishError: there is no such publish, or an object in the place of the records is not a record.
    """
    stack = account.stacks.find(stage.stack_name)
    records = read_history(account, stage.name, stack)
    target = rollback_target(records, to, live=find_live(account, stack, records))
    tests = [one.smoke for one in records if one.content_number == target.number and one.smoke]
    return target.model_copy(update={"smoke": max(tests, key=lambda one: one.at, default=None)})


def roll_back(
    account: Account,
    stage: Stage,
    record: Record,
    *,
    confirm: Callable[[Plan], bool],
    progress: Progress | None = None,
) -> Published | None:
    """Restores an earlier publish: definition, functions, permissions and settings.

    New executions are routed to the version of that publish as soon as `confirm` returns True, before the stack is
    updated. If it needs permissions that the stack does not have now, these are added first. All of this is skipped if
    a function version that it uses no longer exists.

    Args:
        account: where the stage is.
        stage: which stage.
        record: the publish to restore.
        confirm: receives the plan and returns whether to continue.
        progress: receives the progress.

    Returns:
        The stage after the rollback; None if `confirm` returned False.

    Raises:
        PublishError: that publish is live already, its template is no longer in the artifact bucket, or somebody else
            changes the stage.
        DeploymentError: the stack operation failed and was rolled back.
    """
    with held(account, stage, "rollback", f"to publish {record.number}"):
        return _restore(account, stage, record, confirm, progress or NoProgress())


def _restore(
    account: Account, stage: Stage, record: Record, confirm: Callable[[Plan], bool], progress: Progress
) -> Published | None:
    template = account.artifacts.read(record.template_key)
    if template is None:
        raise PublishError(
            f"the template of publish {record.number} is no longer in the bucket {account.artifact_bucket}: "
            "choose another publish with --to"
        )
    _expect_unchanged(account, record, template)
    stack = account.stacks.find(stage.stack_name)
    shift = None
    if stack and (weights := shift_in_progress(account, stack)):
        shift = _plan_to_end_shift(stack, record, weights)
        if not confirm(shift):
            return None
        stack = _end_shift(account, stage, stack, record, progress)
    outputs = stack.outputs if stack else {}
    machine = outputs.get("StateMachine")
    # That publish looks for task tokens in the ledger's table.
    loses_tokens = "TokenTable" in outputs and "TokenTable" not in json.loads(template)["Resources"]

    def copy_tokens() -> None:
        if loses_tokens:
            progress.step("Copying the task tokens of waiting workflows to the ledger")
            account.data.copy_tokens(outputs["TokenTable"], outputs["LedgerTable"])

    # The bundles are still in the artifact bucket: nothing deletes them.
    target = Package(
        template.decode(),
        _all_at_once(record.parameters),
        bundles={},
        tags=stage.tags,
        service_role=stage.service_role,
    )
    target = protecting(target, stage)

    def prepare() -> bool:
        copy_tokens()
        if not stack or not machine or not _can_run(account, stack, record):
            return False
        is_wider = add_permissions(account, stack, target, record.number, progress)
        progress.step(f"Routing new executions to the version of publish {record.number}")
        account.machines.route(machine, ALIAS, {record.version: 100})
        return is_wider

    restored = publish(
        account,
        stage,
        target,
        confirm=confirm,
        prepare=prepare,
        progress=progress,
        restores=record,
    )
    if restored is not None and shift and not restored.changed:
        return replace(restored, changed=True, plan=shift)
    if restored is not None and not restored.changed:
        raise PublishError(f"publish {record.number} is live already: nothing to roll back")
    if restored is not None:
        copy_tokens()  # again: workflows may have begun to wait during the update
    return restored


def _all_at_once(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters without a gradual shift: what is restored was live before, and what is live may be broken."""
    return {**parameters, "ShiftType": ALL_AT_ONCE} if "ShiftType" in parameters else parameters


def _plan_to_end_shift(stack: Stack, record: Record, weights: Mapping[str, int]) -> Plan:
    return Plan(
        stack.name,
        creates=False,
        notes=[
            f"CloudFormation is moving new executions gradually, and they go to {routed(weights)} now. All of them go "
            f"back at once, and CloudFormation takes its update back. Then publish {record.number} is restored."
        ],
    )


def _end_shift(
    account: Account, stage: Stage, stack: Stack, record: Record, progress: Progress
) -> Stack | None:
    """Ends the shift of somebody else's publish; returns the stack as it was before that publish."""
    machine = stack.output("StateMachine")
    target = record.version if _can_run(account, stack, record) else stack.output(LIVE_VERSION)
    progress.step(f"Routing new executions to version {number(target)}")
    account.machines.route(machine, ALIAS, {target: 100})
    progress.step("Taking back the update of the stack")
    # If it has ended meanwhile, it is rolled back like any other.
    is_cancelled = account.stacks.cancel_update(stack.name)
    settled = account.stacks.settled(stack.name)
    ended = latest(account, stage.name)
    if is_cancelled and ended and ended.outcome == "started":
        reason = f"a rollback by {account.caller} ended its shift"
        amend(account, stage.name, ended.number, outcome="taken back", reason=reason)
    return settled


def _expect_unchanged(account: Account, record: Record, template: bytes) -> None:
    """Refuses a publish if what it was made from was replaced in the artifact bucket.

    A template's key has its digest, and the parameters have the versions of the bundles. In records of earlier versions
    of Afterloop they have not: these bundles must not have been written after the publish.

    Raises:
        PublishError: something was replaced.
    """
    replaced = [] if template_key(template) == record.template_key else [record.template_key]
    for value in record.parameters.values():
        if value.startswith(EARLIER_BUNDLES) and VERSION_MARK not in value:
            written = account.artifacts.written_at(value)
            if written is None or written > record.at:
                replaced.append(value)
    if replaced:
        raise PublishError(
            f"publish {record.number} cannot be restored: {', '.join(sorted(set(replaced)))} in the bucket "
            f"{account.artifact_bucket} is not what was published; check out the commit and publish it, or choose "
            "another publish with --to"
        )


def _can_run(account: Account, stack: Stack, record: Record) -> bool:
    """Whether the version of a publish exists, with all function versions that its definition names.

    If the stack was deleted by hand and published again, its machine counts from 1: the number is another version.
    """
    # Records have whole seconds.
    is_of_this_stack = stack.created is None or record.at >= stack.created.replace(microsecond=0)
    if not is_of_this_stack or record.version not in account.machines.versions(stack.output("StateMachine")):
        return False
    functions = versions_in(account.machines.definition(record.version))
    return all(account.functions.exists(arn) for arn in functions)
