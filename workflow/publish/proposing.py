"""What a publish would do to a stage: its package beside the stack, a change set, and the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.adopting import adopting
from workflow.publish.availability import unavailable
from workflow.publish.change_sets import change_set_of, looked_at, uploaded, url_of
from workflow.publish.flow_definitions import warnings_in_background
from workflow.publish.holder import current_holder, lock_key, locks
from workflow.publish.live import is_live
from workflow.publish.live_import import has_to_import
from workflow.publish.machines import routed
from workflow.publish.missing import CheckedStack, Missing
from workflow.publish.plan import Plan, compare
from workflow.publish.protection import protection_of, refusal
from workflow.publish.queue_policies import deaf_queues
from workflow.publish.recovering import NOT_ROLLED_BACK, stuck_rollback
from workflow.publish.service_role import with_service_role
from workflow.publish.shift_alarms import unguarded
from workflow.publish.shifts import shift_in_progress
from workflow.publish.stack_state import in_words
from workflow.publish.stacks import ChangeSet, Stack
from workflow.publish.subscribers import read_recipients, recipients_in
from workflow.publish.subscriptions import with_subscriptions
from workflow.publish.suspension import suspension_notes
from workflow.publish.swapping import swapped
from workflow.publish.unheard import unheard
from workflow.publish.updates import Updates, deployed_content, updates
from workflow.stack import ALIAS
from workflow.stack.parameters import SHIFT

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.adopting import Choose
    from workflow.publish.content import Content
    from workflow.publish.kept_data import Generation
    from workflow.publish.package import Package
    from workflow.stack.stages import Stage

__all__ = [
    "Proposal",
    "StackBusyError",
    "discard",
    "is_current",
    "propose",
]


class StackBusyError(PublishError):
    """Another operation of the stack is in progress."""


@dataclass(frozen=True)
class Proposal:
    """What a publish would do to a stage."""

    package: Package
    plan: Plan
    stack: Stack | None
    """The stack now; what a failed creation left behind, if the plan creates the stack."""
    change_set: ChangeSet | None = None
    """None if the stack is to be created, or already matches the package."""
    template_url: str = ""
    """The version of the template that the change set was made from."""
    missing: Sequence[Missing] = ()
    """Resources of the stack that do not exist."""
    updates: Updates | None = None
    """What the change set makes of the stack, and what is removed after it; None if the stack is to be created."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The versions that were uploaded for it and were not in the artifact bucket before, by key."""
    adopted: Generation | None = None
    """Kept data that the stack begins with, if the plan creates the stack."""
    imports_live: bool = False
    """Whether the stack has to have the alias, and perhaps its version, before the update."""

    @property
    def sent(self) -> Package:
        """The package that the change set was made from: what is published, with what executions may need."""
        return self.updates.first if self.updates else self.package

    @property
    def existing(self) -> Stack:
        """The stack, of a plan that does not create it."""
        assert self.stack is not None
        return self.stack


def propose(
    account: Account,
    stage: Stage,
    package: Package,
    *,
    to_publish: bool = False,
    repair: bool = False,
    choose: Choose | None = None,
) -> Proposal:
    """Compares the stage with a package.

    Args:
        account: where the stage is.
        stage: which stage.
        package: what to publish.
        to_publish: whether the change set may be executed. Then the bundles are uploaded before, because it names their
            versions. Otherwise nothing is written where a publish reads: a plan is made with permissions that do not
            suffice for a publish.
        repair: whether to revert what was changed outside of CloudFormation. If a resource that the workflow needs was
            deleted, this is done in any case: without it, an update of the resource fails.
        choose: to publish a new stack: which kept data of the stage it adopts.
    """
    stack = _publishable(account, account.stacks.find(stage.stack_name))
    reviews = warnings_in_background(stage, account)
    package = package.stamped(stack.parameters if stack else {})
    if stack is None or stack.status == "ROLLBACK_COMPLETE":
        return _of_new_stack(account, stage, stack, package, reviews, to_publish=to_publish, choose=choose)
    sent, _ = package.content
    package, notes = with_subscriptions(account, stack, package)
    deployed = deployed_content(account, stage.name, stack, sent)
    package = _with_deployed_shift(package, deployed)
    swaps = swapped(account, stage, stack)
    checked = account.checked(stack.name)
    missing = checked.missing
    reverts_drift = repair or bool(missing)
    url, written = "", dict[str, str]()
    if to_publish:
        package, url = uploaded(account, package, written)
    planned = updates(account, stack, deployed, package)
    # Also if template and parameters seem to be the same: only CloudFormation knows whether nothing changes.
    if to_publish:
        url = url if planned.first is package else url_of(account, planned.first, written)
        try:
            change_set = change_set_of(account, stack.name, planned.first, url, reverts_drift=reverts_drift)
        except PublishError:
            remove_unused(account, stage.name, written)
            raise
    else:
        change_set = looked_at(account, stage, stack, planned.first, reverts_drift=reverts_drift)
    suspended = suspension_notes(account, stage.name)
    plan = compare(
        stack.name,
        before=(deployed.template, deployed.parameters),
        after=(planned.after.template, planned.after.parameters),
        changes=[*change_set.changes, *planned.removals],
        missing={one.id for one in missing},
        tags=(stack.tags, package.tags),
        swapped=swaps,
        warnings=[
            *_warnings(account, stage, stack, package),
            *reviews(),
            *unheard(
                read_recipients(account, stack, checked, package.parameters, repair=reverts_drift), stage
            ),
            *notes,
            *_not_repaired(missing, change_set),
            *([] if reverts_drift or suspended else _disabled(stage, checked)),
            *planned.warnings,
        ],
        still_needed=planned.still_needed,
    )
    plan = with_service_role(plan, stack, package)
    if refused := refusal(stage, stack, plan):
        plan = replace(plan, warnings=[*plan.warnings, refused])
    protection = protection_of(account, stage, stack).notes
    imports = False
    if replace(plan, swapped=()).is_empty and change_set.is_empty:
        # What is live without being published is what was swapped.
        routing = [] if missing or swaps else _routing_notes(account, stack)
        plan, found, url = replace(plan, notes=[*routing, *suspended, *protection]), None, ""
    else:
        imports = has_to_import(deployed.template, sent)
        first = [f"The alias `{ALIAS}` becomes part of the stack, before anything else changes."]
        plan = replace(plan, notes=[*plan.notes, *(first if imports else []), *suspended, *protection])
        found = change_set
    plan = _with_differences(account, stage, stack, plan, to_publish)
    return Proposal(package, plan, stack, found, url, missing, planned, written, imports_live=imports)


def _of_new_stack(
    account: Account,
    stage: Stage,
    stack: Stack | None,
    package: Package,
    reviews: Callable[[], list[str]],
    *,
    to_publish: bool,
    choose: Choose | None,
) -> Proposal:
    """A new stack needs no change set: everything is added. So a plan creates nothing in the account."""
    sent, _ = package.content
    warnings = [
        *_warnings(account, stage, stack, package),
        *reviews(),
        *unheard(recipients_in(package.parameters), stage),
    ]
    plan = compare(stage.stack_name, before=None, after=package.content, warnings=warnings)
    plan, adopted = adopting(account, stage.name, sent, plan, choose, to_publish=to_publish)
    plan = _with_differences(account, stage, stack, plan, to_publish)
    return Proposal(package, plan, stack, adopted=adopted)


def _with_deployed_shift(package: Package, deployed: Content) -> Package:
    """The package with the shift of the stack if nothing else changes: there is no new version to shift to."""
    kept = {name: deployed.parameters[name] for name in SHIFT if name in deployed.parameters}
    same = {**package.parameters, **kept}
    published = deployed.without_kept()
    is_same = (package.content[0], same) == (published.template, dict(published.parameters))
    return replace(package, parameters=same) if is_same else package


def _with_differences(
    account: Account, stage: Stage, stack: Stack | None, plan: Plan, to_publish: bool
) -> Plan:
    """The plan with what it says about what is live now. A publish writes down what it finds out about earlier ones."""
    if stack is None or (plan.is_empty and stack.status in _AS_PUBLISHED and not to_publish):
        return plan  # Most plans, which have to be fast.
    from workflow.publish.live_publish import find_live, what_differs
    from workflow.publish.outcomes import read_history

    records = read_history(account, stage.name, stack, writes=to_publish)
    if not records:
        return plan
    live = find_live(account, stack, records)
    return replace(plan, differences=list(what_differs(live, records, stage=stage.name)))


def is_current(account: Account, stage: Stage, proposal: Proposal) -> bool:
    """Whether the stack is still as the plan found it, so that carrying it out does what the plan says.

    Raises:
        PublishError: the stack's status does not allow a publish any more.
    """
    if proposal.change_set and not proposal.change_set.is_empty:
        return account.stacks.is_executable(proposal.change_set.id)
    return _publishable(account, account.stacks.find(stage.stack_name)) == proposal.stack


def discard(account: Account, stage: Stage, proposal: Proposal) -> None:
    """Deletes the change set of a proposal that nobody executes, and what was uploaded for it."""
    if proposal.change_set and not proposal.change_set.is_empty:  # An empty one is already deleted.
        account.stacks.delete_change_set(proposal.change_set.id)
    remove_unused(account, stage.name, proposal.written)


def remove_unused(account: Account, stage: str, written: Mapping[str, str]) -> None:
    """Removes what a publish uploaded that nobody carries out, unless a publish of another stage may use it.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        written: the versions that this publish wrote, by key.
    """
    if not written:
        return
    # What stays is removed some weeks later (`cleaning.py`), also if an object in the place of a lock is none.
    with suppress(ClientError, PublishError):
        others = locks(account.artifacts) - {lock_key(stage)}
        if not any(current_holder(account, key.split("/")[1]) for key in others):
            account.artifacts.remove_versions(written.items())


def _not_repaired(missing: Sequence[Missing], change_set: ChangeSet) -> list[str]:
    """Warnings about resources that do not exist, and that the change set does not create again."""
    listed = {change["LogicalResourceId"] for change in change_set.changes}
    return [
        f"{one.id} ({one.type}, {one.name}) was deleted outside of CloudFormation, and CloudFormation does not create "
        "it again: destroy the stage, which keeps its data, and publish it"
        for one in missing
        if one.id not in listed
    ]


_WITHOUT_RULE = {
    "Rule": "status changes start no executions until the reconciler finds them, up to an hour later",
    "ExecutionsRule": "the claim of an execution that is stopped stays for up to an hour",
    "ReconcileRule": "nobody looks for status changes whose event was lost",
}
"""Logical ID of a rule → what happens while it is disabled."""


def _disabled(stage: Stage, checked: CheckedStack) -> list[str]:
    """Warnings about rules that somebody disabled, which CloudFormation does not look at unless it reverts drift."""
    return [
        f"stage {stage.name}: {one} is disabled, so {_WITHOUT_RULE[one]}; to enable it, run "
        f"`python deploy.py publish --repair --stage {stage.name}`"
        for one in checked.disabled
        if one in _WITHOUT_RULE
    ]


def _routing_notes(account: Account, stack: Stack) -> list[str]:
    """A note if new executions do not all go to what is published: somebody moved the alias."""
    machine = stack.outputs.get("StateMachine")
    if not machine:
        return []
    weights = account.machines.weights(machine, ALIAS) or {}
    if is_live(account.machines, stack.outputs, weights):
        return []
    return [f"New executions go to {routed(weights)}; a publish routes all of them to the current one."]


def _warnings(account: Account, stage: Stage, stack: Stack | None, package: Package) -> list[str]:
    return [
        *package.warnings,
        *unguarded(stage, account),
        *unavailable(account, package),
        *deaf_queues(stage, account, stack.outputs if stack else {}),
    ]


_AS_PUBLISHED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
"""The states of a stack whose last operation was not taken back."""

_CAN_BE_UPDATED = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)


def _publishable(account: Account, stack: Stack | None) -> Stack | None:
    """The stack, if its status allows a publish; None if it does not exist or is only the shell of a change set.

    Raises:
        StackBusyError: another operation is in progress.
        PublishError: a person must repair the stack first.
    """
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        # REVIEW_IN_PROGRESS: a change set was created and not executed. The stack accepts another one.
        return None
    if stack.status in (*_CAN_BE_UPDATED, "ROLLBACK_COMPLETE"):
        return stack
    if weights := shift_in_progress(account, stack):
        raise StackBusyError(
            f"stack {stack.name} is in {stack.status}: CloudFormation is moving new executions gradually, and they go "
            f"to {routed(weights)} now; try again when it has ended, or go back with "
            f"`python deploy.py rollback --stage {stack.name.removeprefix('afterloop-')}`"
        )
    if stack.status.endswith("IN_PROGRESS"):
        raise StackBusyError(
            f"stack {stack.name} is in {stack.status}: another operation is in progress; try again when it has ended"
        )
    if stack.status in (*NOT_ROLLED_BACK, "UPDATE_ROLLBACK_FAILED"):
        raise stuck_rollback(account, stack)
    raise PublishError(f"stack {stack.name} is in {stack.status}: {in_words(account, stack) or stack.reason}")
