"""Which version of the state machine new executions run on: the alias `live`.

A publish makes a version of each new revision and points the alias to it, at once or by and by. An
execution ends on the version that it began with, and on the versions of the functions that this one names
(made by the template).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.stack import ALIAS

if TYPE_CHECKING:
    from workflow.stack.stages import Shift

__all__ = ["Live", "make_live", "number", "prune_functions"]

KEPT_VERSIONS = 100
"""Step Functions keeps at most 1,000 versions of a state machine, Lambda 75 GB of functions in a Region."""


@dataclass(frozen=True)
class Live:
    """Where new executions go after a publish."""

    version: str
    """ARN of the version that the alias points to."""
    before: str | None
    """ARN of the one that it pointed to before; None when there was none."""


def make_live(
    account: Account,
    machine: str,
    description: str,
    *,
    shift: Shift | None = None,
    tell: Callable[[str], None] = lambda text: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Live:
    """Makes a version of a state machine's current revision, and the alias `live` point to it.

    Args:
        account: where the state machine is.
        machine: its ARN.
        description: what the version is, for the console.
        shift: move a part of the new executions first, and the rest after some minutes; None for all at once.
        tell: called with a sentence for each step.
        clock: gives the time, in UTC.
        sleep: waits for a number of seconds.

    Raises:
        PublishError: executions failed on the new version while it got a part of them; all go to the
            version before again.
    """
    version = account.publish_version(machine, description)
    now = account.live(machine, ALIAS)
    if now is None:
        account.route(machine, ALIAS, {version: 100}, create=True)
        return Live(version, None)
    before = next((arn for arn in sorted(now.weights, key=number) if arn != version), None)
    if before is None:
        return Live(version, version)
    if shift:
        _shift(account, machine, before, version, shift, tell, clock, sleep)
    account.route(machine, ALIAS, {version: 100}, create=False)
    _prune(account, machine, {version, before})
    return Live(version, before)


def number(version: str) -> int:
    """The number of a version: 7 for …:stateMachine:afterloop-dev:7."""
    return int(version.rpartition(":")[2])


def _shift(
    account: Account,
    machine: str,
    before: str,
    version: str,
    shift: Shift,
    tell: Callable[[str], None],
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    account.route(
        machine, ALIAS, {version: shift.first_percent, before: 100 - shift.first_percent}, create=False
    )
    started = clock()
    end = started + timedelta(minutes=shift.minutes)
    while (left := (end - clock()).total_seconds()) > 0:
        tell(
            f"Version {number(version)} gets {shift.first_percent} % of new executions; "
            f"all of them in {_minutes(left)}"
        )
        sleep(min(left, 15))
        failed = account.executions(version, "FAILED", since=started)
        # An execution may fail by its event alone: a version is to blame if it fails where the other does not.
        if failed and not account.executions(before, "FAILED", since=started):
            account.route(machine, ALIAS, {before: 100}, create=False)
            count = "1 execution" if len(failed) == 1 else f"{len(failed)} executions"
            raise PublishError(
                f"{count} failed on version {number(version)} and none on version "
                f"{number(before)}, which gets all new executions again; the first: {failed[-1]}"
            )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def prune_functions(account: Account, functions: Iterable[str]) -> None:
    """Deletes the versions of functions that no kept version of the state machine names.

    A publish that makes a version of a function makes one of the state machine too, so as many are enough.
    """
    for function in functions:
        for version in account.function_versions(function)[KEPT_VERSIONS:]:
            account.delete_function_version(version)


def _prune(account: Account, machine: str, used: set[str]) -> None:
    for version in account.versions(machine)[KEPT_VERSIONS:]:
        if version not in used:
            account.delete_version(version)
