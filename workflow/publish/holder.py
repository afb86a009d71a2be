"""Who changes a stage at this moment: what the lock of a stage says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from lambdas.loops.bounded import MAX_NAME, MAX_REASON, bounded
from workflow.publish.documents import parsed
from workflow.publish.local_process import has_ended

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.artifacts import ArtifactBucket
    from workflow.publish.shared_object import Found

__all__ = [
    "Activity",
    "Holder",
    "LockDocument",
    "Operation",
    "current_holder",
    "folder_of",
    "is_over",
    "lock_key",
    "locks",
]

Operation = Literal["publish", "rollback", "hot swap", "destroy"]
"""What changes a stage."""

Activity = Literal["runs", "asks", "waits"]
"""What its process does: works, waits for the answer of a person, or waits for CloudFormation."""

LEASE_SECONDS = 60
"""How long a lock holds after it was last renewed. A process that works renews it much more often."""

_Text = Annotated[str, BeforeValidator(lambda text: bounded(str(text), MAX_REASON))]
_Word = Annotated[str, BeforeValidator(lambda text: bounded(str(text), MAX_NAME))]

_DOES = {"asks": "is asked to confirm", "waits": "waits for CloudFormation during"}


class LockDocument(BaseModel):
    """The lock of a stage, as it is in the artifact bucket."""

    operation: _Word
    subject: _Word = ""
    """What is published or restored, in a few words."""
    activity: _Word = "runs"
    by: _Text
    """ARN of the caller."""
    where: _Word
    """User and machine: user@machine."""
    process: Annotated[int, Field(ge=0, lt=2**32)]
    token: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """Which process: a name that no other one has."""
    held_seconds: Annotated[float, Field(ge=0, lt=1e8)] = 0
    """How long it had the lock when it wrote this."""
    renewal: int = 0
    """The number of this renewal, so that no two contents are the same."""


@dataclass(frozen=True)
class Holder:
    """Who changes a stage at this moment."""

    operation: str
    """`publish`, `rollback`, `hot swap` or `destroy`."""
    subject: str
    """What is published or restored, in a few words; empty if that is not known."""
    activity: str
    """`runs`; `asks`: its process waits for the answer of a person; `waits`: it waits for CloudFormation."""
    by: str
    """ARN of the identity."""
    where: str
    """User and machine, as `user@machine`."""
    process: int
    """ID of the process on that machine."""
    since: datetime
    """Since when, by the clock of S3."""

    @classmethod
    def of(cls, document: LockDocument, found: Found) -> Holder:
        """The holder, from the lock and when S3 says that it was written."""
        # The clock of the machine that wrote it, and of this one, may be wrong: only S3's counts.
        since = found.written - timedelta(seconds=document.held_seconds)
        return cls(
            operation=document.operation,
            subject=document.subject,
            activity=document.activity,
            by=document.by,
            where=document.where,
            process=document.process,
            since=since.astimezone(UTC).replace(microsecond=0),
        )

    def __str__(self) -> str:
        """Who does what since when, for messages."""
        does = _DOES.get(self.activity, "runs")
        what = f"a {self.operation} {self.subject}".rstrip()
        return (
            f"{self.by} ({self.where}, process {self.process}) {does} {what} "
            f"since {self.since.astimezone():%Y-%m-%d %H:%M}"
        )


def is_over(document: LockDocument, found: Found) -> bool:
    """Whether the process that wrote a lock has ended, or does not renew it any more."""
    return found.seconds > LEASE_SECONDS or has_ended(document.token)


_FOLDER, _NAME = "stages/", "lock.json"


def folder_of(stage: str) -> str:
    """Where the artifact bucket has what belongs to a stage."""
    return f"{_FOLDER}{stage}/"


def lock_key(stage: str) -> str:
    """The key of the lock of a stage in the artifact bucket."""
    return f"{folder_of(stage)}{_NAME}"


def locks(artifacts: ArtifactBucket) -> set[str]:
    """The keys of the locks of all stages."""
    return {key for key in artifacts.keys(_FOLDER) if key.endswith(f"/{_NAME}")}


def current_holder(account: Account, stage: str) -> Holder | None:
    """Who changes a stage at this moment; None if nobody does.

    Raises:
        PublishError: an object in the place of the lock is not a lock.
    """
    key = lock_key(stage)
    found = None if account.artifacts.is_missing(key) else account.artifacts.shared(key).read()
    if found is None:
        return None
    document = parsed(account.artifacts, key, found.content, LockDocument)
    return None if is_over(document, found) else Holder.of(document, found)
