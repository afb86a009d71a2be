"""Removes what nobody needs any more from the artifact bucket, after publishes.

All stages of an account and Region share the bucket, and other working trees may have stages that this one does not
know. So nothing is removed because of its age alone, as a lifecycle rule of S3 would: a bundle that has not changed for
a year is what runs. A version stays as long as a deployed stack names it, or a document of any stage in the bucket: the
records of publishes, those that have only started included, and of hot swaps. What is young stays, too: a publish of
another stage may have uploaded it, and not be confirmed yet.

Only versions of documents that were replaced (`stages/`) and templates of plans are left to lifecycle rules
(`artifacts.py`): nothing reads them.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.history import count, history, remove

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.history import Record

__all__ = ["GRACE", "KEPT_RECORDS", "clean"]

KEPT_RECORDS = 50
"""How many publishes of a stage can be rolled back to."""

GRACE = timedelta(days=14)
"""How long a version stays that nothing names yet. A publish uses only versions that are younger than half of this
(`artifacts.py`), or that its stack names, so it has a week from its upload to its record."""

INTERVAL = timedelta(days=1)
"""How often publishes of a stage look for versions that nothing names."""

_PREFIXES = ("bundles/", "functions/", "templates/")
_NAMED = re.compile(r'"((?:bundles|functions|templates)/[^"@\\]+)(?:@([^"\\]*))?"')


def clean(
    account: Account, stage: str, live: int, *, grace: timedelta = GRACE, every: timedelta = INTERVAL
) -> None:
    """Removes records that are too old to be rolled back to, and versions that nothing names.

    It is no error if that is not permitted, or somebody else publishes at this moment: a later publish does it.

    Args:
        account: where the stage is.
        stage: the name of the stage.
        live: the number of the publish that is live.
        grace: how long a version stays that nothing names.
        every: how long ago versions must have been looked at before.
    """
    with suppress(ClientError, PublishError):
        if count(account, stage) > KEPT_RECORDS:
            for number in _too_old(history(account, stage), live):
                remove(account, stage, number)
        if _was_done(account, stage, every):
            return
        old = [one for prefix in _PREFIXES for one in account.artifacts.versions(prefix, older_than=grace)]
        if old and (named := _named(account)) is not None:
            account.artifacts.remove_versions(
                (key, version) for key, version in old if not named.get(key, set()) & {version, ""}
            )


def _was_done(account: Account, stage: str, every: timedelta) -> bool:
    """Whether versions were looked at lately. If not, it is noted that this is done now."""
    key = f"stages/{stage}/cleaned.json"
    before = account.artifacts.written_at(key)
    if before and datetime.now(UTC) - before < every:
        return True
    account.artifacts.write(key, b"{}")
    return False


def _too_old(records: list[Record], live: int) -> list[int]:
    """The numbers of records that are not kept."""
    kept = records[-KEPT_RECORDS:]
    needed = {live, *(one.number for one in kept), *(one.restores for one in kept)}
    needed |= {one.restores for one in records if one.number == live}
    return [one.number for one in records if one.number not in needed]


def _named(account: Account) -> dict[str, set[str]] | None:
    """What stages need, by key: versions, or "" for all of them. None if a stack is being changed."""
    stacks = account.stacks.with_prefix("afterloop-")
    if any(stack.status.endswith("IN_PROGRESS") for stack in stacks):
        return None  # It may go back to what it had, which is not among its parameters now.
    keys = account.artifacts.keys("stages/")
    with ThreadPoolExecutor(8) as pool:
        documents = pool.map(account.artifacts.read, keys)
        texts = [(document or b"").decode(errors="replace") for document in documents]
    texts += [f'"{value}"' for stack in stacks for value in stack.parameters.values()]
    named: dict[str, set[str]] = {}
    for key, version in (found for text in texts for found in _NAMED.findall(text)):
        named.setdefault(key, set()).add(version)
    return named
