"""One status for each state of a definition."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from workflow.asl.graph import StateFigures, StateStatus
from workflow.asl.walk import Machine, is_distributed, nested, states
from workflow.operations.executions.model import Visit

__all__ = ["figures_of"]

_SEVERITY = [
    StateStatus.NOT_REACHED,
    StateStatus.PASSED,
    StateStatus.RETRIED,
    StateStatus.CAUGHT,
    StateStatus.ABORTED,
    StateStatus.RUNNING,
    StateStatus.FAILED,
]
"""From the best to the worst."""

_BAD = (StateStatus.FAILED, StateStatus.CAUGHT)


def figures_of(definition: Machine, visits: Iterable[Visit]) -> dict[str, StateFigures]:
    """Sums up the visits to each state of a definition.

    The worst status counts. Visits that were superseded count only if no visit came after them: a state that failed,
    and passed after the Parallel around it was retried, is RETRIED. The states in a Distributed Map that was reached
    are UNKNOWN, because they are visited by executions of their own.
    """
    by_name: dict[str, list[Visit]] = {}
    for visit in visits:
        by_name.setdefault(visit.state, []).append(visit)
    unknown = set(_in_distributed_maps(definition, by_name))
    figures = {
        name: StateFigures(StateStatus.UNKNOWN if name in unknown else StateStatus.NOT_REACHED)
        for name, _ in states(definition)
    }
    return figures | {name: _figures(found) for name, found in by_name.items()}


def _figures(visits: Sequence[Visit]) -> StateFigures:
    current = [visit for visit in visits if not visit.superseded]
    worst = max((visit.status for visit in current or visits), key=_SEVERITY.index)
    again = len(visits) - len(current)
    if worst is StateStatus.PASSED and current and again:
        worst = StateStatus.RETRIED
    return StateFigures(
        worst,
        visits=len(visits),
        failed=sum(visit.status in _BAD for visit in visits),
        retries=sum(visit.retries for visit in visits),
    )


def _in_distributed_maps(machine: Machine, reached: Container[str], inside: bool = False) -> Iterable[str]:
    for name, state in machine.get("States", {}).items():
        if inside:
            yield name
        within = inside or (name in reached and is_distributed(state))
        for one in nested(state):
            yield from _in_distributed_maps(one.machine, reached, within)
