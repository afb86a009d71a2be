"""All steps of an execution: in the order in which it entered them, and those in a Parallel or Map below it.

Branches and items run at the same time. In the table, the steps of each are together.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from console.executions.paging import part_of
from console.executions.summary import link_to, seconds_of
from console.executions.views import BarView, StepRow, StepsView
from workflow.asl.graph import StateStatus
from workflow.operations.executions import ExecutionView, Visit

__all__ = ["ROWS", "table_of"]

ROWS = 200
"""Rows on one page."""

_MIN_WIDTH = 0.6
"""The width of the bar of a step that took no time, in percent."""


def table_of(execution: ExecutionView, page: int, *, now: datetime) -> StepsView:
    """Returns a page of the table.

    Args:
        execution: The execution.
        page: The page, from 1. One that does not exist gives the nearest.
        now: The time.
    """
    visits, pages = part_of(list(_in_order(execution)), page, ROWS)
    rows = tuple(_row(execution, order, visit, now) for order, visit in enumerate(visits, pages.first))
    return StepsView(rows=rows, pages=pages)


def _in_order(execution: ExecutionView) -> Iterator[Visit]:
    inside: dict[int, list[Visit]] = {}
    for visit in execution.visits:
        inside.setdefault(id(visit.outer), []).append(visit)

    def below(outer: Visit | None) -> Iterator[Visit]:
        visits = inside.get(id(outer), [])
        for visit in visits if outer is None else sorted(visits, key=_lane):
            yield visit
            yield from below(visit)

    return below(None)


def _lane(visit: Visit) -> tuple[bool, int]:
    """Sorts the visits in a state by branch or item, those that no longer count first."""
    lane = visit.index if visit.index is not None else visit.branch
    return not visit.superseded, -1 if lane is None else lane


def _row(execution: ExecutionView, order: int, visit: Visit, now: datetime) -> StepRow:
    until = now if visit.status is StateStatus.RUNNING else None
    offset = seconds_of(execution.started, visit.entered, None)
    seconds = seconds_of(visit.entered, visit.exited, until)
    return StepRow(
        order=order,
        step=link_to(visit),
        kind=visit.kind,
        depth=_depth(visit),
        status=visit.status,
        entered=visit.entered,
        offset=offset,
        seconds=seconds,
        attempts=len(visit.attempts),
        error=visit.error,
        bar=_bar(execution, offset, seconds, now),
    )


def _depth(visit: Visit) -> int:
    depth = 0
    while visit.outer is not None:
        visit, depth = visit.outer, depth + 1
    return depth


def _bar(
    execution: ExecutionView, offset: float | None, seconds: float | None, now: datetime
) -> BarView | None:
    whole = seconds_of(execution.started, execution.stopped, now)
    if offset is None or not whole:
        return None
    left = min(100 * offset / whole, 100 - _MIN_WIDTH)
    width = min(max(100 * (seconds or 0) / whole, _MIN_WIDTH), 100 - left)
    return BarView(left=round(left, 2), width=round(width, 2))
