"""What running executions need of what is deployed, and on what a removal waits.

Only executions that run count. One that failed can be redriven for 14 days, but what it needs is not kept for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

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


def needs(content: Content, runs: Iterable[Runs], *, current: str | None) -> Needs:
    """What executions need of a deployed template.

    Args:
        content: The deployed template.
        runs: What runs.
        current: The definition whose executions need nothing from before; None if there is none.
    """
    functions, permissions = set[str](), False
    for one in runs:
        if one.definition is None or one.definition != current:
            functions |= _functions_of(content, one)
            permissions = True
    return Needs(frozenset(functions), permissions)


def still_needed(content: Content, runs: Collection[Runs], *, current: str | None) -> list[StillNeeded]:
    """What a template keeps, with what it is kept for.

    Args:
        content: The template.
        runs: What runs.
        current: The definition whose executions need nothing from before; None if there is none.
    """
    older = [one for one in runs if one.definition is None or one.definition != current]
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


def running(machines: StateMachines, machine: str) -> list[Runs]:
    """What runs, and what new executions run.

    The child executions of a Distributed Map are not listed: they run with the definition of their parent, which runs
    until they have ended. So does an execution that was redriven.

    Args:
        machines: The state machines of the account.
        machine: The state machine's ARN.
    """
    listed = machines.running(machine)
    counts = Counter(version for version in listed.values() if version)
    known = set(machines.versions(machine))
    live = machines.weights(machine, ALIAS) or {}
    found = [
        Runs(
            counts[version],
            int(version.rpartition(":")[2]),
            machines.definition(version)
            if version in known
            else machines.definition_of(next(one for one, of in listed.items() if of == version)),
        )
        for version in sorted({*counts, *live})
    ]
    unversioned = [execution for execution, version in listed.items() if not version]
    definitions = Counter(machines.definition_of(one) for one in unversioned[:MAX_DESCRIBED])
    definitions[None] += len(unversioned[MAX_DESCRIBED:])
    return found + [Runs(count, None, definition) for definition, count in definitions.items() if count]
