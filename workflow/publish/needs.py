"""What running executions need of what is deployed, and on what a removal waits.

Only executions that run count. One that failed can be redriven for 14 days, but what it needs is not kept for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from workflow.publish.content import Content
from workflow.publish.machines import StateMachines
from workflow.stack import ALIAS

__all__ = ["NOTHING", "Needs", "Runs", "StillNeeded", "needs", "running", "still_needed"]

MAX_DESCRIBED = 25
"""Executions without a version whose definition is looked up, with one call each."""


@dataclass(frozen=True)
class Runs:
    """Executions that run with one definition."""

    executions: int
    """How many; 0 for a version that gets new executions, and has none yet."""
    version: int | None
    """The number of the version; None if they were started without one."""
    definition: str | None
    """The definition, with its placeholders filled in; None if unknown."""
    are_older: bool = True
    """Whether they may need what is not published any more: they run another definition, or began before."""


@dataclass(frozen=True)
class Needs:
    """What running executions need."""

    functions: frozenset[str]
    """Logical IDs."""
    permissions: bool
    """Whether they need the permissions from before, and what their definitions name beside functions."""

    def __or__(self, other: Needs) -> Needs:
        return Needs(self.functions | other.functions, self.permissions or other.permissions)


NOTHING = Needs(frozenset(), permissions=False)


@dataclass(frozen=True)
class StillNeeded:
    """Something that a publish removes only when executions have ended."""

    what: str
    """`DecideRestart`, the logical ID of a function; or `permissions of StateMachineRole`."""
    executions: int
    """Running executions that need it."""
    versions: tuple[int, ...]
    """Numbers of the versions that they run."""

    @property
    def sentence(self) -> str:
        """On what it waits, and what to do."""
        what = self.what[0].upper() + self.what[1:]
        if not self.executions:
            return f"{what}: no running execution needs this any more; publish again to remove it."
        if self.executions == 1:
            count, end = "1 execution", "has ended"
        else:
            count, end = f"{self.executions:,} executions", "have ended"
        numbers = " and ".join(map(str, self.versions))
        versions = f" on version{'s' if len(self.versions) > 1 else ''} {numbers}" if numbers else ""
        stays = "stay" if what.startswith("Permissions") else "stays"
        return f"{what} {stays} until {count}{versions} {end}; publish again afterwards."


def needs(content: Content, runs: Iterable[Runs]) -> Needs:
    """What older executions need of a deployed template."""
    older = [one for one in runs if one.are_older]
    functions = {name for one in older for name in _functions_of(content, one)}
    return Needs(frozenset(functions), permissions=bool(older))


def still_needed(content: Content, runs: Iterable[Runs]) -> list[StillNeeded]:
    """What a template keeps, with the executions that it is kept for."""
    older = [one for one in runs if one.are_older]
    found = [
        (name, [one for one in older if name in _functions_of(content, one)])
        for name in sorted(content.kept_functions)
    ]
    found += [(name, older) for name in sorted(content.kept_others)]
    found += [(f"permissions of {role}", older) for role in sorted(content.widened_roles)]
    return [
        StillNeeded(
            what,
            sum(one.executions for one in using),
            tuple(sorted({one.version for one in using if one.version is not None and one.executions})),
        )
        for what, using in found
    ]


def _functions_of(content: Content, runs: Runs) -> set[str]:
    if runs.definition is None:
        return content.functions_of_machine | content.kept_functions
    return content.functions_in(runs.definition)


def running(
    machines: StateMachines, machine: str, current: str, *, since: datetime | None = None
) -> list[Runs]:
    """What runs, and what new executions run.

    The child executions of a Distributed Map are not listed: they run with the definition of their parent, which runs
    until they have ended. So does an execution that was redriven.

    Args:
        machines: The state machines of the account.
        machine: The state machine's ARN.
        current: Its current definition.
        since: Executions of this definition are older, too, if they began before.
    """
    groups = {(version, False): list[str]() for version in machines.weights(machine, ALIAS) or {}}
    for execution, (version, started) in machines.running(machine).items():
        began_before = since is not None and started < since
        groups.setdefault((version or "", began_before), []).append(execution)
    known = set(machines.versions(machine))
    return [
        Runs(
            count,
            int(version.rpartition(":")[2]) if version else None,
            definition,
            are_older=began_before or definition != current,
        )
        for (version, began_before), executions in sorted(groups.items())
        for definition, count in _definitions(machines, version, executions, known).items()
    ]


def _definitions(
    machines: StateMachines, version: str, executions: list[str], known: Collection[str]
) -> dict[str | None, int]:
    """The definitions of executions of one version, or of none, with their number."""
    if version:
        # A version can be deleted while its executions run.
        is_known = version in known
        definition = machines.definition(version) if is_known else machines.definition_of(executions[0])
        return {definition: len(executions)}
    described = executions[:MAX_DESCRIBED]
    found = Counter(map(machines.definition_of, described))
    found[None] += len(executions) - len(described)
    return +found
