"""The publishes of a stage, one record each in the artifact bucket: what a rollback can restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.documents import read_document
from workflow.publish.package import Package

__all__ = ["Record", "history", "latest", "record", "rollback_target"]

MAX_RECORDS = 50
"""Records that `history` reads, with one call each."""


class Record(BaseModel):
    """One publish that succeeded."""

    model_config = ConfigDict(frozen=True)

    number: int
    """1 for the first publish of the stage."""
    at: datetime
    by: str
    """ARN of the caller."""
    template_key: str
    parameters: Mapping[str, str]
    version: str
    """ARN of the state machine version."""
    restores: int | None = None
    """For a rollback, the number of the publish that it restored."""

    @property
    def content_number(self) -> int:
        """The number of the publish that first had this content."""
        return self.restores or self.number


def history(account: Account, stage: str) -> list[Record]:
    """The last publishes of a stage, oldest first.

    Raises:
        PublishError: an object in the place of the records is not a record.
    """
    keys = account.artifacts.keys(_prefix(stage))
    found = [read_document(account.artifacts, key, Record) for key in keys[-MAX_RECORDS:]]
    return [one for one in found if one]


def latest(account: Account, stage: str) -> Record | None:
    """The last publish of a stage; None if there is none.

    Raises:
        PublishError: the last object in the place of the records is not a record.
    """
    keys = account.artifacts.keys(_prefix(stage))
    return read_document(account.artifacts, keys[-1], Record) if keys else None


def record(
    account: Account, stage: str, package: Package, *, version: str, restores: Record | None = None
) -> None:
    """Records that a publish succeeded, unless the latest record has the same content.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        package: what was published.
        version: ARN of the state machine version.
        restores: for a rollback, the publish that it restored.
    """
    before = latest(account, stage)
    if before and (before.template_key, before.parameters) == (package.template_key, package.parameters):
        return
    made = Record(
        number=before.number + 1 if before else 1,
        at=datetime.now(UTC).replace(microsecond=0),
        by=account.caller,
        template_key=package.template_key,
        parameters=package.parameters,
        version=version,
        restores=restores.number if restores else None,
    )
    # Padded, so that S3's alphabetical order of the keys is the order of the publishes.
    account.artifacts.write(f"{_prefix(stage)}{made.number:08}.json", made.model_dump_json().encode())


def rollback_target(records: Sequence[Record], to: int | None = None) -> Record:
    """The publish that a rollback restores: number `to`, or the one before the current one.

    Raises:
        PublishError: there is no such publish.
    """
    if not records:
        raise PublishError("cannot roll back: this stage has not been published yet")
    # A rollback is not a target itself: rolling back twice goes back two publishes.
    originals = [one for one in records if one.restores is None]
    if to is not None:
        if found := next((one for one in originals if one.number == to), None):
            return found
        known = ", ".join(str(one.number) for one in originals)
        raise PublishError(f"cannot roll back to publish {to}; choose one of {known}")
    current = records[-1].content_number
    earlier = [one for one in originals if one.number < current]
    if not earlier:
        raise PublishError(f"cannot roll back: publish {current} is the first publish of this stage")
    return earlier[-1]


def _prefix(stage: str) -> str:
    return f"stages/{stage}/publishes/"
