"""The publishes of a stage, one record each in the artifact bucket: what happened, and what a rollback can restore."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from workflow.errors import PublishError
from workflow.publish.commits import Commit, current_commit
from workflow.publish.documents import parsed, read_document

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.live_publish import Live
    from workflow.publish.package import Package

__all__ = [
    "Outcome",
    "Record",
    "Smoke",
    "amend",
    "count",
    "history",
    "latest",
    "record",
    "remove",
    "rollback_target",
    "start",
]

Outcome = Literal["started", "published", "taken back", "failed", "interrupted"]
"""What became of a publish: `failed` if CloudFormation could not take it back either, or was told not to;
`interrupted` if its process died and it is not known, or half of it was done."""


class Smoke(BaseModel):
    """The last smoke test of a publish."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    """Whether all checks passed."""
    at: datetime
    """When the test ended."""
    failed: tuple[str, ...] = ()
    """The checks that failed."""


class Record(BaseModel):
    """One publish. Records of earlier versions of Afterloop have no outcome: they were written after the publish."""

    model_config = ConfigDict(frozen=True)

    number: int
    """1 for the first publish of the stage."""
    at: datetime
    by: str
    """ARN of the caller."""
    where: str = ""
    """User and machine of the caller, as `user@machine`."""
    template_key: str
    parameters: dict[str, str]
    version: str = ""
    """ARN of the state machine version; empty until it exists."""
    restores: int | None = None
    """For a rollback, the number of the publish that it restored."""
    outcome: Outcome = "published"
    reason: str = ""
    """Why it was not published."""
    token: str = ""
    """The token of CloudFormation's operation."""
    commit: Commit | None = None
    """The commit of the sources; for a rollback, of those that it restored."""
    smoke: Smoke | None = None
    """None if no smoke test ran while it was live."""

    @property
    def content_number(self) -> int:
        """The number of the publish that first had this content."""
        return self.restores or self.number

    def has_content_of(self, other: Record) -> bool:
        """Whether two publishes have the same content."""
        return (self.template_key, self.parameters) == (other.template_key, other.parameters)

    def has(self, package: Package) -> bool:
        """Whether this is the content of a package."""
        return (self.template_key, self.parameters) == (package.template_key, dict(package.parameters))


def history(account: Account, stage: str) -> list[Record]:
    """The publishes of a stage that are kept, oldest first.

    Raises:
        PublishError: an object in the place of the records is not a record.
    """
    keys = account.artifacts.keys(_prefix(stage))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda key: read_document(account.artifacts, key, Record), keys)
        return [one for one in found if one]


def count(account: Account, stage: str) -> int:
    """How many publishes of a stage are kept."""
    return len(account.artifacts.keys(_prefix(stage)))


def latest(account: Account, stage: str) -> Record | None:
    """The last publish of a stage; None if there is none.

    Raises:
        PublishError: the last object in the place of the records is not a record.
    """
    keys = account.artifacts.keys(_prefix(stage))
    return read_document(account.artifacts, keys[-1], Record) if keys else None


def start(
    account: Account, stage: str, package: Package, *, restores: Record | None = None, **more: Any
) -> Record:
    """Records a publish before it is carried out, under a number that no other publish has.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        package: what is published.
        restores: for a rollback, the publish that it restores.
        more: other fields of the record.
    """
    fields = {
        "at": datetime.now(UTC).replace(microsecond=0),
        "by": account.caller,
        "where": account.lock.where if account.lock else "",
        "template_key": package.template_key,
        "parameters": dict(package.parameters),
        "restores": restores.number if restores else None,
        "commit": restores.commit if restores else current_commit(),
        "token": uuid.uuid4().hex,
        "outcome": "started",
        **more,
    }
    while True:
        keys = account.artifacts.keys(_prefix(stage))
        number = int(keys[-1].removeprefix(_prefix(stage)).removesuffix(".json")) + 1 if keys else 1
        made = Record.model_validate({"number": number, **fields})
        place, content = account.artifacts.shared(_key(stage, number)), made.model_dump_json().encode()
        if place.write(content, replaces=None):
            return made
        found = place.read()
        if found and found.content == content:
            return made  # The answer to the first attempt got lost, and the SDK repeated it.


def amend(account: Account, stage: str, number: int, **changes: Any) -> Record | None:
    """Changes fields of a record; returns it as it is then. None if there is no such record.

    What somebody else changes at the same time is kept: a record is only replaced by one that was made from it.
    """
    key = _key(stage, number)
    place = account.artifacts.shared(key)
    while found := place.read():
        before = parsed(account.artifacts, key, found.content, Record)
        amended = Record.model_validate({**before.model_dump(), **changes})
        if place.write(amended.model_dump_json().encode(), replaces=found.etag):
            return amended
    return None


def record(
    account: Account, stage: str, package: Package, *, version: str, restores: Record | None = None
) -> None:
    """Records what a publish made live without an operation of CloudFormation, unless it is recorded already.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        package: what is live.
        version: ARN of the state machine version.
        restores: for a rollback, the publish that it restores.
    """
    known = history(account, stage)
    if known and known[-1].outcome == "interrupted" and known[-1].has(package):
        amend(account, stage, known[-1].number, outcome="published", version=version, reason="")
        return
    before = next((one for one in reversed(known) if one.outcome == "published"), None)
    if before is None or not before.has(package):
        start(account, stage, package, restores=restores, version=version, outcome="published", token="")


def remove(account: Account, stage: str, number: int) -> None:
    """Removes the record of a publish that never began."""
    account.artifacts.remove(_key(stage, number))


def rollback_target(records: Sequence[Record], to: int | None = None, *, live: Live | None = None) -> Record:
    """The publish that a rollback restores: number `to`, or the one that was live before what is live.

    Args:
        records: the publishes of the stage, oldest first.
        to: the number of a publish.
        live: what is live; the last publish if not given.

    Raises:
        PublishError: there is no such publish.
    """
    originals = {one.number: one for one in records if one.restores is None and one.outcome == "published"}
    if not records and live and live.weights:
        raise PublishError(
            "cannot roll back: the records of all publishes were deleted from the artifact bucket; to go back, publish "
            "an earlier commit"
        )
    if not records:
        raise PublishError("cannot roll back: this stage has not been published yet")
    if not originals:
        raise PublishError("cannot roll back: no publish of this stage has succeeded yet")
    if to is not None:
        if to in originals:
            return originals[to]
        raise PublishError(_no_target(records, originals, to))
    published = [one for one in records if one.outcome == "published"]
    current = live.record if live else published[-1]
    if current is None:  # No publish made what is live: a hot swap did, or somebody in a console.
        return originals.get(published[-1].content_number, published[-1])
    if live and not live.is_in_place:  # The stack has something else: the rollback makes it what is live.
        return originals.get(current.content_number, current)
    trail = _trail(one for one in published if one.number <= current.number)
    # A repair publishes what is live again.
    earlier = [
        originals[number]
        for number in trail[:-1]
        if number in originals and not originals[number].has_content_of(current)
    ]
    if not earlier:
        raise PublishError(
            f"cannot roll back: publish {current.content_number} is the first publish of this stage"
        )
    return earlier[-1]


def _trail(published: Any) -> list[int]:
    """The numbers of the publishes that led to the last one. What a rollback went back from is not among them."""
    trail: list[int] = []
    for one in published:
        number = one.content_number
        trail = trail[: trail.index(number) + 1] if number in trail else [*trail, number]
    return trail


def _no_target(records: Sequence[Record], originals: Any, to: int) -> str:
    known = ", ".join(map(str, sorted(originals)))
    asked = next((one for one in records if one.number == to), None)
    if asked is None:
        return f"cannot roll back to publish {to}; choose one of {known}"
    if asked.restores:
        return f"publish {to} is itself a rollback to publish {asked.restores}; choose one of {known}"
    reason = f" ({asked.reason})" if asked.reason else ""
    was = {"started": "has not ended yet", "failed": "failed", "interrupted": "was interrupted"}
    return (
        f"publish {to} {was.get(asked.outcome, 'was taken back')}{reason}, so it was never live as a whole; "
        f"choose one of {known}"
    )


def _prefix(stage: str) -> str:
    return f"stages/{stage}/publishes/"


def _key(stage: str, number: int) -> str:
    # Padded, so that S3's alphabetical order of the keys is the order of the publishes.
    return f"{_prefix(stage)}{number:08}.json"
