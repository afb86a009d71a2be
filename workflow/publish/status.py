"""The status of a stage: its stack, the live version, running and failed executions, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lambdas.loops.abandoned import FAILED_STATUSES
from workflow.publish.account import Account
from workflow.publish.history import Record
from workflow.publish.holder import Holder, current_holder
from workflow.publish.live_publish import find_live, what_differs
from workflow.publish.machines import number
from workflow.publish.missing import CheckedStack
from workflow.publish.needs import StillNeeded
from workflow.publish.outcomes import read_history
from workflow.publish.queue_policies import deaf_queues
from workflow.publish.recipients import KINDS, KindRecipients, Recipients
from workflow.publish.stack_state import DRIFT_DETECTABLE, in_words
from workflow.publish.stacks import Stack
from workflow.publish.subscribers import read_recipients
from workflow.publish.suspension import suspension_notes
from workflow.publish.swapping import swapped
from workflow.publish.unheard import unheard
from workflow.publish.updates import still_kept
from workflow.stack.stages import Stage

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """A stage as it is now."""

    stage: str
    stack: str
    state: str
    """CloudFormation's status of the stack, such as UPDATE_COMPLETE."""
    updated: datetime | None
    live: dict[int, int]
    """Numbers of the versions that get new executions, with percentages."""
    running: int
    """Running executions, counted up to 1,000."""
    failed: int
    """Executions that started in the last 24 hours and failed, timed out or were aborted; of each up to 1,000."""
    still_needed: Sequence[StillNeeded]
    """What a publish removed, and running executions still need."""
    swapped: Sequence[str]
    """What was hot-swapped since the last publish."""
    drifts: Sequence[dict[str, Any]] | None
    """Resources that differ from the template; None if not checked, or if the state of the stack does not allow it."""
    publishes: Sequence[Record]
    """The last 10 publishes, oldest first."""
    differences: Sequence[str] = ()
    """In what way what is live is not what was published, or does not work, and what to do, in a sentence each."""
    operation: str | None = None
    """What CloudFormation does to the stack, or why its last operation failed, and what to do; None if all is well."""
    recipients: Sequence[KindRecipients] | None = None
    """Who gets the messages of each kind; None if there are no topics yet, or the caller may not see it."""
    warnings: Sequence[str] = ()
    """What nobody hears, and what to do, in a sentence each."""
    locked_by: Holder | None = None
    """Who changes the stage at this moment; None if nobody does."""


def status(account: Account, stage: Stage, *, drift: bool = True) -> Status | None:
    """The status of a stage; None if it is not published.

    Args:
        account: where the stage is.
        stage: which stage.
        drift: whether CloudFormation should detect drift, which can take minutes on AWS.

    Raises:
        PublishError: CloudFormation cannot detect drift.
    """
    stack = account.stacks.find(stage.stack_name)
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return None
    machine = stack.outputs.get("StateMachine")  # Missing if the first publish failed.
    publishes = read_history(account, stage.name, stack)
    live = find_live(account, stack, publishes)
    heard = _recipients(account, stack)
    return Status(
        stage=stage.name,
        stack=stack.name,
        state=stack.status,
        operation=in_words(account, stack),
        updated=stack.updated,
        live={number(version): weight for version, weight in live.weights.items()},
        running=len(account.machines.executions(machine, "RUNNING")) if machine else 0,
        failed=_failed(account, machine) if machine else 0,
        still_needed=still_kept(account, stack),
        swapped=swapped(account, stage, stack),
        drifts=account.stacks.drifts(stack.name) if drift and stack.status in DRIFT_DETECTABLE else None,
        publishes=publishes[-10:],
        differences=[
            *what_differs(live, publishes, stage=stage.name),
            *suspension_notes(account, stage.name),
        ],
        recipients=[heard.of(kind) for kind in KINDS] if heard.topics else None,
        warnings=[*deaf_queues(stage, account, stack.outputs), *unheard(heard, stage)],
        locked_by=current_holder(account, stage.name),
    )


def _recipients(account: Account, stack: Stack) -> Recipients:
    if not any(name.endswith("Topic") for name in stack.outputs):
        return Recipients()
    return read_recipients(account, stack, CheckedStack(account.stacks.resources(stack.name)))


def _failed(account: Account, machine: str) -> int:
    statuses: Any = sorted(FAILED_STATUSES)
    day_ago = datetime.now(UTC) - timedelta(days=1)
    return sum(len(account.machines.executions(machine, one, since=day_ago)) for one in statuses)
