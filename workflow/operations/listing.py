"""The list of a stage's human loops: what needs action first."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.loops.ledger import Ledger, OnUnreadable
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from lambdas.reviews.times import timestamp

__all__ = ["NEEDS_ACTION", "Listing", "LoopFilter", "list_loops"]

NEEDS_ACTION = ("escalated", "failed")
"""The outcomes after which a person has to act."""

_ACTIVE = ("Starting", "InProgress")
"""The statuses of loops that have not ended. Loops that the workflow is processing are active, too."""
_PROCESSING = "processing"


@dataclass(frozen=True)
class LoopFilter:
    """Which loops to list: those that match every attribute that is set.

    Attributes:
        status: The status in the ledger.
        flow_definition: The flow definition's name or ARN.
        outcome: The outcome in the ledger.
        until: The loop was created before this time.
    """

    status: str | None = None
    flow_definition: str | None = None
    outcome: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """Loops that need action first, then active loops, then the rest; oldest first within each group."""

    loops: list[Loop]
    more: bool
    """Whether more loops match than the limit allows."""
    unreadable: list[UnreadableRow] = field(default_factory=list)
    """Rows that were met on the way and cannot be read, by key."""


def list_loops(
    ledger: Ledger,
    loop_filter: LoopFilter,
    flow_definition_arn: str | None,
    *,
    limit: int | None,
    newest_first: bool,
    progress: Callable[[int], object],
) -> Listing:
    """Lists loops of the ledger.

    Args:
        ledger: The stage's ledger.
        loop_filter: Which loops to list.
        flow_definition_arn: The ARN of the filter's flow definition.
        limit: The maximum number of loops; None for all.
        newest_first: List the newest loops of each group first.
        progress: Called with the number of loops read, every hundred loops.
    """
    unreadable: dict[str, UnreadableRow] = {}

    def note(row: UnreadableRow) -> None:
        unreadable[row.key] = row  # a row can be in several groups

    rows = _in_order(ledger, loop_filter, flow_definition_arn, newest_first, note)
    # One more than the limit shows whether there are more. Rows after it are not read.
    found = []
    for number, row in enumerate(itertools.islice(rows, None if limit is None else limit + 1), start=1):
        found.append(row)
        if number % 100 == 0:
            progress(number)
    more = limit is not None and len(found) > limit
    return Listing(found[:limit], more, [row for _, row in sorted(unreadable.items())])


def _in_order(
    ledger: Ledger,
    loop_filter: LoopFilter,
    flow_definition_arn: str | None,
    newest_first: bool,
    unreadable: OnUnreadable,
) -> Iterator[Loop]:
    before = timestamp(loop_filter.until) if loop_filter.until else None
    status = loop_filter.status

    def select(status: str | None, outcome: str | None = None) -> Iterator[Loop]:
        return ledger.select(
            status=status,
            outcome=outcome,
            flow_definition_arn=flow_definition_arn,
            created_before=before,
            newest_first=newest_first,
            unreadable=unreadable,
        )

    if loop_filter.outcome:
        yield from select(status, loop_filter.outcome)
        return
    needs_action = [select(status, outcome) for outcome in NEEDS_ACTION]
    active = [select(one) for one in _ACTIVE if status in (None, one)]
    active.append(row for row in select(status, _PROCESSING) if row.status not in _ACTIVE)
    for group in (needs_action, active):
        yield from heapq.merge(*group, key=lambda loop: loop.created_at or "", reverse=newest_first)
    if status not in _ACTIVE:
        # Last, because without a filter this reads the whole table.
        for row in select(status):
            if row.outcome not in (*NEEDS_ACTION, _PROCESSING) and row.status not in _ACTIVE:
                yield row
