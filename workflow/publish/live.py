"""Which version of the state machine new executions run on: the alias `live`.

A publish creates a version of each new revision and points the alias to it, at once or gradually. A running execution
keeps the version that it started on, and with it the versions of the functions that this one names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workflow.errors import PublishError
from workflow.publish.functions import Functions, versions_in
from workflow.publish.machines import StateMachines
from workflow.stack import ALIAS

if TYPE_CHECKING:
    from workflow.stack.stages import Shift

__all__ = ["make_live", "number", "prune_functions"]

KEPT_VERSIONS = 100
"""Step Functions keeps at most 1,000 versions of a state machine; Lambda keeps 75 GB of code in a Region."""


def make_live(
    machines: StateMachines,
    machine: str,
    description: str,
    *,
    shift: Shift | None = None,
    report: Callable[[str], None] = lambda text: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Points the alias `live` to a version of the state machine's current revision.

    Args:
        machines: the state machines of the account.
        machine: the state machine's ARN.
        description: the version's description, for the console.
        shift: routes a part of the new executions first, and the rest after some minutes; None routes all at once.
        report: called with the progress, in a sentence.
        clock: returns the time in UTC.
        sleep: waits for a number of seconds.

    Returns:
        The ARN of the version.

    Raises:
        PublishError: executions failed on the new version during the shift; the version before gets all new
            executions again.
    """
    version = machines.publish_version(machine, description)
    weights = machines.weights(machine, ALIAS) or {}
    # During an interrupted shift there are two others at most, of which the older one was live before.
    before = next((arn for arn in sorted(weights, key=number) if arn != version), None)
    if version in weights and before is None:
        return version
    if before and shift:
        _shift(machines, machine, before, version, shift, report, clock, sleep)
    machines.route(machine, ALIAS, {version: 100})
    for old in machines.versions(machine)[KEPT_VERSIONS:]:
        if old not in (version, before):
            machines.delete_version(old)
    return version


def number(version: str) -> int:
    """The number of a version: 7 for …:stateMachine:afterloop-dev:7."""
    return int(version.rpartition(":")[2])


def _shift(
    machines: StateMachines,
    machine: str,
    before: str,
    version: str,
    shift: Shift,
    report: Callable[[str], None],
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> None:
    machines.route(machine, ALIAS, {version: shift.first_percent, before: 100 - shift.first_percent})
    started = clock()
    end = started + timedelta(minutes=shift.minutes)
    while (left := (end - clock()).total_seconds()) > 0:
        report(
            f"Version {number(version)} gets {shift.first_percent} % of new executions; "
            f"all of them in {_minutes(left)}"
        )
        sleep(min(left, 15))
        failed = machines.executions(version, "FAILED", since=started)
        # An execution can also fail because of its event: a failure counts only if the version before has none.
        if failed and not machines.executions(before, "FAILED", since=started):
            machines.route(machine, ALIAS, {before: 100})
            count = "1 execution" if len(failed) == 1 else f"{len(failed)} executions"
            raise PublishError(
                f"{count} failed on version {number(version)}, none on version {number(before)}; "
                f"version {number(before)} gets all new executions again; first failure: {failed[-1]}"
            )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def prune_functions(
    functions: Functions, names: Iterable[str], definitions: Callable[[], Iterable[str | None]]
) -> None:
    """Deletes function versions that neither a kept version of the state machine nor a running execution uses.

    Every publish that creates a function version creates a state machine version too, so the same number of versions
    is enough.

    Args:
        functions: the functions of the account.
        names: the names of those that have a new version.
        definitions: returns the definitions of running executions; None for one that is not known.
    """
    old = [version for name in names for version in functions.versions(name)[KEPT_VERSIONS:]]
    running = list(definitions()) if old else []
    if None in running:
        return  # Another publish does it.
    used = {version for one in running if one for version in versions_in(one)}
    for version in old:
        if version not in used:
            functions.delete_version(version)
