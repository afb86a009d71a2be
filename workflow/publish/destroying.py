"""Destroying a stage: its executions, then its stack, and its data only on request.

Whatever interrupts a destruction, the next one finishes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.artifacts import plans_of
from workflow.publish.following import follow, follow_deletion
from workflow.publish.holder import lock_key, locks
from workflow.publish.kept_data import Kept, kept_data
from workflow.publish.locks import Lock, held
from workflow.publish.progress import NoProgress, Progress
from workflow.publish.protection import expect_unprotected
from workflow.publish.stopping import release_claims, stop_executions, wait_for_executions
from workflow.publish.suspension import resume, suspend
from workflow.publish.swapping import swapped
from workflow.stack.stages import Stage

__all__ = ["Destruction", "Kept", "Lost", "destroy", "destruction"]

LATE_SECONDS = 2
"""How often the deletion looks for executions that started late."""

QUIET_SECONDS = 60
"""How long executions that began while others were waited for get to end, with the rules off."""


@dataclass(frozen=True)
class Lost:
    """Something that the stack takes with it, and that a later publish does not bring back."""

    what: str
    """What it is, in the plural, such as `undelivered events`."""
    count: int
    """How many there are."""
    names: Sequence[str] = ()
    """Which they are, if they have names that a person knows."""


@dataclass(frozen=True)
class Parts:
    """The resources of a stack that a destruction deals with, by their physical IDs."""

    machine: str | None = None
    ledger: str | None = None
    rules: Sequence[str] = ()
    alarms: Sequence[str] = ()
    is_deleting: bool = False
    """Whether CloudFormation is deleting the stack already."""


@dataclass(frozen=True)
class Destruction:
    """What destroying a stage would do."""

    stack: str
    stack_id: str | None
    """None if the stack does not exist, and only data that it kept is left."""
    resources: int
    running: int
    """Running executions, which are stopped or waited for."""
    kept: Sequence[Kept]
    """Resources with data that stay in the account, unless `deletes_data`: of the stack, and of earlier ones."""
    emptied: Sequence[str]
    """Buckets that are emptied, because they are deleted with the stack."""
    deletes_data: bool
    open_loops: int = 0
    """Human loops in progress, up to 1,000: nothing processes their end."""
    lost: Sequence[Lost] = ()
    """What goes with the stack."""
    parts: Parts = field(default=Parts(), repr=False)


def destruction(account: Account, stage: Stage, *, delete_data: bool = False) -> Destruction | None:
    """What `destroy` would do; None if the stage is not published, and kept no data.

    Raises:
        PublishError: the stage is protected, or another operation is in progress.
    """
    if stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: to destroy it, set protected = false in its settings first"
        )
    stack = account.stacks.find(stage.stack_name)
    if stack is None:
        if not (earlier := _earlier(account, stage)):
            return None
        return Destruction(stage.stack_name, None, 0, 0, earlier, [], delete_data)
    expect_unprotected(stage, stack)
    is_deleting = stack.status == "DELETE_IN_PROGRESS"
    if stack.status.endswith("IN_PROGRESS") and not is_deleting and not stack.status.startswith("REVIEW"):
        raise PublishError(
            f"stack {stack.name} is in {stack.status}: another operation is in progress; try again when it has ended"
        )
    resources = account.stacks.resources(stack.name)
    # A stack without resources is only the shell of a change set, and has no template yet.
    declared = account.stacks.template(stack.name).get("Resources", {}) if resources else {}
    retained = [one for one in resources if declared.get(one["id"], {}).get("DeletionPolicy") == "Retain"]

    def named(kind: str) -> list[str]:
        return [one["name"] for one in resources if one["type"] == kind and one["name"]]

    kept = [
        Kept(one["id"], one["type"], one["name"], account.data.count(one["type"], one["name"]))
        for one in retained
        if one["type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
    ]
    machine = next(iter(named("AWS::StepFunctions::StateMachine")), None)
    ledger = next((one["name"] for one in resources if one["id"] == "LedgerTable"), None)
    return Destruction(
        stack=stack.name,
        stack_id=stack.id,
        resources=len(resources),
        running=len(account.machines.running(machine)) if machine else 0,
        open_loops=account.data.loops_in_progress(ledger) if ledger else 0,
        lost=_lost(account, named, swapped(account, stage, stack)),
        kept=[*kept, *_earlier(account, stage, but={one.name for one in kept})],
        emptied=[
            one["name"]
            for one in resources
            if one["type"] == "AWS::S3::Bucket" and one not in retained and one["name"]
        ],
        deletes_data=delete_data,
        parts=Parts(
            machine=machine,
            ledger=ledger,
            rules=named("AWS::Events::Rule"),
            alarms=named("AWS::CloudWatch::Alarm"),
            is_deleting=is_deleting,
        ),
    )


def destroy(
    account: Account,
    stage: Stage,
    plan: Destruction,
    progress: Progress | None = None,
    *,
    wait: bool = False,
    on_deletion: Callable[[], object] = lambda: None,
) -> None:
    """Destroys a stage.

    Args:
        account: where the stage is.
        stage: which stage.
        plan: what to delete, from `destruction`.
        progress: receives the progress.
        wait: whether to wait for running executions, instead of stopping them.
        on_deletion: called before the deletion begins. If anything is raised until then, the stage works again.

    Raises:
        DeploymentError: CloudFormation could not delete something.
        PublishError: somebody else changes the stage.
    """
    with held(account, stage, "destroy") as lock:
        _destroy(account, stage, plan, progress or NoProgress(), lock, wait=wait, on_deletion=on_deletion)


def _destroy(
    account: Account,
    stage: Stage,
    plan: Destruction,
    progress: Progress,
    lock: Lock,
    *,
    wait: bool,
    on_deletion: Callable[[], object],
) -> None:
    if plan.stack_id and not plan.parts.is_deleting:
        try:
            _end_executions(account, stage, plan, progress, wait=wait)
        except BaseException:  # Ctrl-C, too
            resume(account, stage.name)
            raise
    on_deletion()
    if plan.stack_id:
        for bucket in plan.emptied:  # CloudFormation does not delete a bucket that has objects.
            progress.step(f"Emptying {bucket}")
            account.data.empty_bucket(bucket)
        # Lambda removes their network interfaces
        # (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-attached).
        slow = " (functions in a network take up to 40 minutes)" if stage.vpc else ""
        progress.step(f"Deleting the stack{slow}")
        _delete_stack(account, stage, plan, plan.stack_id, progress)
    if plan.deletes_data:
        # After the stack: no execution can write to these any more.
        for kept in plan.kept:
            progress.step(f"Deleting {kept.name}")
            account.data.delete(kept.type, kept.name)
    progress.step("Removing the stage from the artifact bucket")
    if account.stacks.names("afterloop-") or locks(account.artifacts) - {lock_key(stage.name)}:
        _forget(account, stage)
    else:
        lock.release()  # It is in that bucket.
        account.data.delete_bucket(account.artifact_bucket)


def _earlier(account: Account, stage: Stage, *, but: Container[str] = ()) -> list[Kept]:
    """Data that earlier stacks of the stage kept."""
    return [one for generation in kept_data(account, stage.name, but=but) for one in generation.resources]


def _forget(account: Account, stage: Stage) -> None:
    """Removes what the artifact bucket has of a stage.

    Also its records of publishes, if its data is kept: they name versions of a state machine that is gone, and the
    numbers of a new one start again.
    """
    for prefix in (f"stages/{stage.name}/", plans_of(stage.name)):
        for key in account.artifacts.keys(prefix):
            if key != lock_key(stage.name):  # It is given back.
                account.artifacts.remove(key)


def _lost(account: Account, named: Callable[[str], list[str]], swaps: Sequence[str]) -> list[Lost]:
    events = sum(map(account.queues.messages, named("AWS::SQS::Queue")))
    subscribers = [
        one.address for topic in named("AWS::SNS::Topic") for one in account.subscriptions.listed(topic)
    ]
    found = [
        Lost("undelivered events", events),
        Lost("archives of events", len(archives := named("AWS::Events::Archive")), archives),
        Lost("subscriptions", len(subscribers), sorted(set(subscribers))),
        Lost("hot swaps", len(swaps), swaps),
        Lost("alarms", len(named("AWS::CloudWatch::Alarm"))),
        Lost("log groups", len(named("AWS::Logs::LogGroup"))),
        Lost("saved queries", len(named("AWS::Athena::NamedQuery"))),
    ]
    return [one for one in found if one.count]


# Executions


def _end_executions(
    account: Account, stage: Stage, plan: Destruction, progress: Progress, *, wait: bool
) -> None:
    """Turns the rules off, so that nothing starts, and ends what runs."""
    machine, rules = plan.parts.machine, plan.parts.rules
    if not (machine or rules):
        return
    if wait and machine:
        _wait(account, stage, plan, machine, progress)
        return
    progress.step("Turning the rules off")
    suspend(account, stage.name, rules, plan.parts.alarms)
    if machine:
        _stop(account, plan, machine, progress)


def _wait(account: Account, stage: Stage, plan: Destruction, machine: str, progress: Progress) -> None:
    # With the rules on: an execution that waits for people is answered by another one, which their event starts.
    while True:
        # Those that start later are not waited for here: on a busy stage, some always run.
        if running := account.machines.running(machine):
            wait_for_executions(account, machine, progress, only=running)
        suspend(account, stage.name, plan.parts.rules, plan.parts.alarms)
        if wait_for_executions(account, machine, progress, seconds=QUIET_SECONDS):
            return
        resume(account, stage.name)


def _stop(account: Account, plan: Destruction, machine: str, progress: Progress) -> None:
    reason = f"{account.caller} destroyed the stage at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    stopped = stop_executions(account, machine, reason, progress)
    if stopped and plan.parts.ledger:
        release_claims(account, plan.parts.ledger, stopped, reason)


def _delete_stack(
    account: Account, stage: Stage, plan: Destruction, stack_id: str, progress: Progress
) -> None:
    machine, checked = plan.parts.machine, time.monotonic()

    def stop_late_ones() -> None:
        # An event that was on its way when its rule was turned off can still start an execution. It would hold the
        # deletion of the state machine.
        nonlocal checked
        if machine and time.monotonic() - checked > LATE_SECONDS:
            _stop(account, plan, machine, progress)
            checked = time.monotonic()

    token = None if plan.parts.is_deleting else account.stacks.delete(stack_id, role=stage.service_role)
    # From here on there is no way back. If this dies later, a new stage of that name must not find the records.
    _forget(account, stage)
    try:
        if token:
            follow(account.stacks, stack_id, token, progress.event, meanwhile=stop_late_ones)
        else:
            follow_deletion(account.stacks, stack_id, stop_late_ones)
    except DeploymentError:
        if not (pending := _pending_subscriptions(account, stack_id)):
            raise
        progress.step("Leaving subscriptions that nobody confirmed to SNS")
        token = account.stacks.delete(stack_id, role=stage.service_role, retain=pending)
        follow(account.stacks, stack_id, token, progress.event, meanwhile=stop_late_ones)


def _pending_subscriptions(account: Account, stack_id: str) -> list[str]:
    """The logical IDs of subscriptions that CloudFormation cannot delete; none if something else is in the way.

    It does not delete one that nobody has confirmed (`sandbox/ministack_patches/messages.py` has the source). SNS does,
    with the topic.
    """
    failed = account.stacks.resources(stack_id, status="DELETE_FAILED")
    others = [one for one in failed if one["type"] != "AWS::SNS::Subscription"]
    return [] if others else [one["id"] for one in failed]
