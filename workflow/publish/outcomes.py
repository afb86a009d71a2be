"""What becomes of a publish: recorded while it runs, and found out afterwards if its process died.

A record is written before CloudFormation begins. It has the token of the operation, so that whoever reads it later
finds the operation among the events of the stack, also if others came after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.errors import DeploymentError, PublishError
from workflow.publish.following import first_cause
from workflow.publish.history import Outcome, Record, amend, history, remove, start
from workflow.publish.holder import current_holder
from workflow.publish.live_publish import PROCESS_ENDED, has_content

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.stacks import Event, Stack

__all__ = ["Recording", "read_history", "recording"]

BETWEEN_RECORD_AND_OPERATION = timedelta(minutes=2)
"""A publish whose operation is not there yet may be about to begin for this long, while somebody has the lock."""

EVENTS_ARE_KEPT = timedelta(days=90)
"""How long CloudFormation keeps the events of a stack at least, as far as it documents it."""

CLOCK_SKEW = timedelta(hours=1)
"""How much the clock of who published may differ from CloudFormation's."""


@dataclass
class Recording:
    """A publish that is recorded as started."""

    number: int
    """Its number."""
    token: str
    """For the operation of CloudFormation."""
    began: bool = False
    """Whether CloudFormation has accepted the operation."""
    version: str = ""
    """ARN of the state machine version, once it is live."""


@contextmanager
def recording(
    account: Account, stage: str, package: Package, *, restores: Record | None = None
) -> Iterator[Recording]:
    """Records a publish as started, and what became of it when the block ends.

    A publish whose process dies, or loses the network or the lock, stays started: nobody knows here what becomes of it.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        package: what is published.
        restores: for a rollback, the publish that it restores.
    """
    record = start(account, stage, package, restores=restores)
    made = Recording(record.number, record.token)
    try:
        yield made
    except PublishError as error:
        with suppress(ClientError):  # What went wrong is more important; the next command finds it out again.
            if not made.began:
                remove(account, stage, record.number)
            elif isinstance(error, DeploymentError):
                amend(account, stage, record.number, outcome=_outcome_of(error.status), reason=str(error))
        raise
    if made.began:
        amend(account, stage, record.number, outcome="published", version=made.version)
    else:
        remove(account, stage, record.number)


def _outcome_of(status: str) -> Outcome:
    """What became of a publish whose operation failed and left the stack in a state."""
    return "taken back" if status.endswith("ROLLBACK_COMPLETE") else "failed"


def read_history(account: Account, stage: str, stack: Stack | None, *, writes: bool = False) -> list[Record]:
    """The publishes of a stage, oldest first, with what became of those whose process died.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        stack: its stack.
        writes: whether to write down what is found out. Nobody else may publish the stage at this time.

    Raises:
        PublishError: an object in the place of the records is not a record.
    """
    return [settled(account, stage, stack, one, writes=writes) for one in history(account, stage)]


def settled(
    account: Account, stage: str, stack: Stack | None, record: Record, *, writes: bool = False
) -> Record:
    """A record with what became of its publish, if it is known now."""
    if record.outcome != "started":
        return record
    found: dict[str, Any] = {}
    with suppress(ClientError):  # Without permission to read events, it stays unknown.
        found = _fate(account, stage, stack, record, alone=writes)
        if found and writes:
            amend(account, stage, record.number, **found)
    return record.model_copy(update=found)


def _fate(
    account: Account, stage: str, stack: Stack | None, record: Record, *, alone: bool
) -> dict[str, Any]:
    """The fields of a record that say what became of a publish that is recorded as started; none if it still runs."""
    if stack is None:
        return _ended("taken back", f"{PROCESS_ENDED}, and there is no stack")
    since = record.at - CLOCK_SKEW
    events = account.stacks.operation(stack.id, record.token, since)
    if not events:
        age = datetime.now(UTC) - record.at
        if not alone and age < BETWEEN_RECORD_AND_OPERATION and current_holder(account, stage):
            return {}
        if age > EVENTS_ARE_KEPT and has_content(account, stack, record):
            return {"outcome": "published", "version": stack.outputs.get("LiveVersion", "")}
        if age > EVENTS_ARE_KEPT:
            return _ended(
                "interrupted", "its process ended, and CloudFormation no longer has the events of that time"
            )
        return _ended("taken back", f"{PROCESS_ENDED} before CloudFormation began")
    last = events[-1]
    if not last.ends_operation:
        return {}
    if last.status.endswith("FAILED") or "ROLLBACK" in last.status:
        cause = first_cause(events) or last
        reason = " ".join(cause.reason.split()) or "CloudFormation gives no reason"
        return _ended(_outcome_of(last.status), f"{cause.resource} ({cause.type}): {reason}")
    if version := _version(events) or stack.outputs.get("LiveVersion", ""):
        return {"outcome": "published", "version": version}
    return _ended("interrupted", "its process ended before new executions were routed to it")


def _ended(outcome: Outcome, reason: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason}


def _version(events: Sequence[Event]) -> str:
    """The version of the state machine that an operation published; empty if it published none."""
    versions = [
        one.physical_id
        for one in events
        if one.resource == "LiveVersion" and one.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    ]
    return next((one for one in versions if ":stateMachine:" in one), "")
