"""The second witness: A2I's own list of loops, which shows what the ledger has never heard of.

The list is read once: a mark for each flow definition says up to which creation time all loops were dealt with. So
that nothing before a mark can be forgotten, a loop that is in progress and has no row gets one (`Ledger.adopt`). From
then on it is open in the ledger, whatever its age (`open_loops.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambdas.loops.claims import claim_of
from lambdas.loops.identity import name_of
from lambdas.loops.ledger import Ledger
from lambdas.loops.lifetimes import MAX_LOOP_AGE
from lambdas.loops.loop import Loop
from lambdas.loops.marks import Marks
from lambdas.loops.missed_events import MissedEvents, missed_event
from lambdas.loops.open_loops import described
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.tokens import Tokens
from lambdas.reviews.event import TERMINAL_STATUSES
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient

__all__ = ["OVERLAP", "ListedLoops"]

OVERLAP = timedelta(hours=1)
"""How much before the mark the list is read again: clocks differ, and A2I may list a loop later than it creates it."""

WINDOW = timedelta(days=1)
"""How much of a long list is read before the mark is moved, so that the next run does not start over."""

PAGE_SIZE = 100
"""The maximum of ListHumanLoops."""


@dataclass(frozen=True)
class ListedLoops:
    """Compares A2I's list with the ledger.

    Attributes:
        settle: Looks at the execution that holds a claim of a row.
        found: What was found and done. The methods add to it.
        since: Read the list from then on, instead of from the mark, and leave the mark alone.
        progress: Called after each page with the flow definition and the results so far.
    """

    ledger: Ledger
    marks: Marks
    tokens: Tokens
    a2i: AugmentedAIRuntimeClient
    events: MissedEvents
    settle: Callable[[Loop, str], None]
    found: Reconciliation
    since: datetime | None
    progress: Callable[[str, Reconciliation], None]

    def of(self, flow: str) -> Iterator[None]:
        """Compares the loops of a flow definition, one page a step."""
        now = datetime.now(UTC)
        mark = None if self.since else self.marks.get(flow)
        begin = self.since or (mark - OVERLAP if mark else now - MAX_LOOP_AGE)
        undone: list[datetime] = []
        for end, pages in self._windows(flow, begin, now):
            for page in pages:
                undone += self._compare(flow, page, mark)
                self.progress(flow, self.found)
                yield
            if self.since is None:
                # What could not be done is listed again by the next run.
                self.marks.advance(flow, min([end, *undone]))

    def _windows(
        self, flow: str, begin: datetime, now: datetime
    ) -> Iterator[tuple[datetime, Iterator[list[Any]]]]:
        """Yields parts of the list, each with its end and its pages. Most lists are one page."""
        first = self._list(flow, begin)
        loops = first["HumanLoopSummaries"]
        if "NextToken" not in first or now - begin <= WINDOW or not loops:
            yield now, self._pages(flow, begin, None, first)
            return
        # What was listed is dealt with at once. It may be deleted before it is listed again.
        end = loops[-1]["CreationTime"]
        yield end, iter([loops])
        while end + WINDOW < now:
            begin, end = _just_before(end), end + WINDOW
            yield end, self._pages(flow, begin, end)
        yield now, self._pages(flow, _just_before(end), None)

    def _pages(
        self, flow: str, after: datetime, before: datetime | None, first: Any = None
    ) -> Iterator[list[Any]]:
        page = first or self._list(flow, after, before)
        yield page["HumanLoopSummaries"]
        while token := page.get("NextToken"):
            page = self._list(flow, after, before, token)
            yield page["HumanLoopSummaries"]

    def _list(
        self, flow: str, after: datetime, before: datetime | None = None, token: str | None = None
    ) -> Any:
        request: dict[str, Any] = {"FlowDefinitionArn": flow, "CreationTimeAfter": after}
        # Ascending: what is created while the list is read comes last.
        request |= {"SortOrder": "Ascending", "MaxResults": PAGE_SIZE}
        request |= {"CreationTimeBefore": before} if before else {}
        request |= {"NextToken": token} if token else {}
        return self.a2i.list_human_loops(**request)

    def _compare(self, flow: str, loops: Sequence[Any], mark: datetime | None) -> Iterator[datetime]:
        """Deals with a page of loops. Yields the creation times of loops for which that failed.

        Args:
            flow: The flow definition.
            loops: The page.
            mark: How far the list was read before; None in the first run.
        """
        unreadable: list[UnreadableRow] = []
        named = [(loop["HumanLoopName"], timestamp(loop["CreationTime"])) for loop in loops]
        rows = self.ledger.find_loops(named, unreadable.append)
        for problem in unreadable:
            self.found.note_unreadable(problem)
        skipped = {name_of(problem.key) for problem in unreadable}
        for loop in loops:
            name, created = loop["HumanLoopName"], loop["CreationTime"]
            self.found.looked_at += 1
            if name in skipped:
                yield created  # its claims are unknown
                continue
            with self.found.noting_problems(name) as attempt:
                self._deal_with(flow, loop, rows.get((name, timestamp(created))), mark)
            if attempt.failed:
                yield created

    def _deal_with(self, flow: str, loop: Any, row: Loop | None, mark: datetime | None) -> None:
        name, created, status = loop["HumanLoopName"], loop["CreationTime"], loop["HumanLoopStatus"]
        if status not in TERMINAL_STATUSES:
            if row is None:
                self._adopt(name, created, flow)
            return
        if row is None and self.since is None and self._is_earlier(created, mark):
            self.found.earlier.append(name)
            return
        if row is not None and self._waits_unsaid(row):
            self.ledger.update(row.human_loop_name, waiting=True)
            row = row.model_copy(update={"waiting": True})
        claim = claim_of(row, created, status) if row else None
        if row is None or claim is None:
            self._process(flow, loop, known=row is not None)
        elif row.claims[claim]["state"] == "working" or (
            row.claims[claim]["state"] == "done" and row.waiting
        ):
            self.settle(row, claim)

    def _is_earlier(self, created: datetime, mark: datetime | None) -> bool:
        """Whether a loop was created before the ledger. Then its end cannot have been missed.

        A mark from before that is of a table that was restored as this one.
        """
        return created < self._ledger_created and (mark is None or mark >= self._ledger_created)

    @cached_property
    def _ledger_created(self) -> datetime:
        return self.ledger.created()

    def _adopt(self, name: str, created: datetime, flow: str) -> None:
        key = self.ledger.adopt(name, created, flow)
        if key is None:
            return
        self.found.adopted.append(key)
        # The row was lost, and the tokens of workflows that wait for the loop were not.
        if self.since is not None and self.tokens.of(key):
            self.ledger.update(key, waiting=True)

    def _waits_unsaid(self, row: Loop) -> bool:
        """Whether a workflow waits, although the row does not say so: the row is from before that."""
        return self.since is not None and not row.waiting and bool(self.tokens.of(row.human_loop_name))

    def _process(self, flow: str, listed: Any, *, known: bool) -> None:
        name, created = listed["HumanLoopName"], listed["CreationTime"]
        loop = described(self.a2i, name)
        if loop is None or loop["CreationTime"] != created:
            # It was deleted since it was listed. With a row, the next run finds that out.
            if not known:
                self._adopt(name, created, flow)
            return
        change = f"{name} {loop['HumanLoopStatus']}"
        if change not in self.found.missed:
            self.found.missed[change] = self.events.process(missed_event(loop), "missed")


def _just_before(end: datetime) -> datetime:
    """Returns where to read on: it is not documented whether the end of a period is part of it."""
    return end - timedelta(seconds=1)


def shuffled(flows: Sequence[str]) -> list[str]:
    """Returns the flow definitions in any order: if the time runs out in every run, each run covers others first."""
    return random.sample(flows, len(flows))
