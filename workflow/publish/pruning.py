"""Old versions of the state machine and of functions, which publishes leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workflow.publish.functions import Functions, versions_in
from workflow.publish.machines import StateMachines

__all__ = ["KEPT_VERSIONS", "prune", "prune_functions"]

KEPT_VERSIONS = 100
"""Step Functions keeps at most 1,000 versions of a state machine; Lambda keeps 75 GB of code in a Region."""


def prune(machines: StateMachines, live: str) -> None:
    """Deletes old versions of the state machine, except the one that is live."""
    for old in machines.versions(live.rpartition(":")[0])[KEPT_VERSIONS:]:
        if old != live:
            machines.delete_version(old)


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
