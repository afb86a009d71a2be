"""What a replay of archived events is made of: the archive, what is planned, and the replay itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lambdas.loops.rows import UnreadableRow
from workflow.errors import AfterloopError

__all__ = ["ACTIVE", "Archive", "Replay", "ReplayError", "ReplayPlan"]

ACTIVE = ("STARTING", "RUNNING", "CANCELLING")
"""The states of a replay that has not ended."""


class ReplayError(AfterloopError):
    """Archived events cannot be replayed. The message says why, and what to do."""


@dataclass(frozen=True)
class Archive:
    """The archive of a stage.

    Attributes:
        name: Its name.
        arn: Its ARN.
        created: When it was created. It has no event from before.
        days: How many days it keeps an event; 0 for ever.
        events: How many events it has. AWS updates the number within 24 hours.
        size: Their size in bytes. AWS updates it within 24 hours.
    """

    name: str
    arn: str
    created: datetime
    days: int
    events: int
    size: int

    def begin(self, now: datetime) -> datetime:
        """The time of the oldest event that the archive can have."""
        return max(self.created, now - timedelta(days=self.days)) if self.days else self.created


@dataclass(frozen=True)
class ReplayPlan:
    """A replay that is possible, and what the ledger says about its period.

    Attributes:
        archive: The archive.
        since: The beginning of the period, by the time of the events.
        until: Its end.
        is_archived: Whether all events of the period are in the archive by now.
        processed: How many status changes of the period are processed. They stay as they are.
        busy: How many an execution is processing, or has abandoned without releasing its claim. They stay, too.
        again: The loops with a status change that an execution failed to process, which runs again.
        open: How many loops have not ended, as far as the ledger knows. If an event of the period says that one did, it
            is processed.
        unreadable: Rows that cannot be read.
    """

    archive: Archive
    since: datetime
    until: datetime
    is_archived: bool
    processed: int
    busy: int
    again: list[str]
    open: int
    unreadable: list[UnreadableRow] = field(default_factory=list)


@dataclass(frozen=True)
class Replay:
    """A replay of EventBridge.

    Attributes:
        name: Its name.
        state: Its state: STARTING, RUNNING, CANCELLING, COMPLETED, CANCELLED or FAILED.
        reason: Why it is in this state; can be empty.
        started: When it started.
        last: The time of the last event that was replayed; None before the first one.
    """

    name: str
    state: str
    reason: str
    started: datetime
    last: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE
