"""What is live: the version of the state machine that the alias `live` sends new executions to.

CloudFormation makes a version of each new revision, and moves the alias to it. The output `LiveVersion` is what is
published. A running execution keeps the version that it started on, and with it the versions of the functions that
this one names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from workflow.publish.functions import Functions, versions_in
from workflow.publish.machines import StateMachines
from workflow.publish.stacks import Stack
from workflow.stack import ALIAS, LIVE_VERSION

__all__ = ["is_live", "number", "prune", "prune_functions", "routed", "settle"]

KEPT_VERSIONS = 100
"""Step Functions keeps at most 1,000 versions of a state machine; Lambda keeps 75 GB of code in a Region."""


def settle(machines: StateMachines, stack: Stack) -> str:
    """Routes new executions to what is published, if they go elsewhere: after a rollback or a swap.

    Args:
        machines: the state machines of the account.
        stack: the stack, which no operation changes now.

    Returns:
        The ARN of the version that is published, and now live.
    """
    machine = stack.output("StateMachine")
    # A rollback restores stacks of earlier versions of Afterloop, which have no version of the state machine.
    version = stack.outputs.get(LIVE_VERSION) or machines.publish_version(machine, "restored")
    if machines.weights(machine, ALIAS) != {version: 100}:
        machines.route(machine, ALIAS, {version: 100})
    return version


def prune(machines: StateMachines, live: str) -> None:
    """Deletes old versions of the state machine, except the one that is live."""
    for old in machines.versions(live.rpartition(":")[0])[KEPT_VERSIONS:]:
        if old != live:
            machines.delete_version(old)


def is_live(machines: StateMachines, outputs: Mapping[str, str], weights: Mapping[str, int]) -> bool:
    """Whether new executions all go to what is published."""
    if published := outputs.get(LIVE_VERSION):
        return dict(weights) == {published: 100}
    return len(weights) == 1 and machines.is_current(outputs["StateMachine"], next(iter(weights)))


def routed(weights: Mapping[str, int]) -> str:
    """The versions that get new executions, in words."""
    versions = sorted((number(arn), weight) for arn, weight in weights.items())
    return " and ".join(f"version {one} ({weight} %)" for one, weight in versions) or "no version"


def number(version: str) -> int:
    """The number of a version: 7 for …:stateMachine:afterloop-dev:7."""
    return int(version.rpartition(":")[2])


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
