"""Pages of the list of loops, on a double of the ledger's indexes. test_loops.py has the same on a real table."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.index_query import IndexQuery
from lambdas.loops.ledger import RowPage
from lambdas.loops.loop import Loop, LoopStatus, Outcome
from lambdas.loops.rows import UnreadableRow
from workflow.operations.listing import (
    NEEDS_ACTION,
    ListingError,
    LoopFilter,
    LoopPage,
    list_loops,
    loop_page,
)

FLOWS = ("arn:flow/one", "arn:flow/two")
_KEYS = {"status": "status", "flowDefinitionArn": "flow_definition_arn", "outcome": "outcome"}


class Indexes:
    """The ledger's indexes, as DynamoDB serves them. It counts what it was asked for.

    Rows that were created at the same time come in an order that has nothing to do with their keys.

    Attributes:
        calls: How many pages were read.
        read: How many rows were read.
    """

    def __init__(self, loops: Iterable[Loop], odd: tuple[str, ...] = ()) -> None:
        self.calls = self.read = 0
        self._odd = odd
        self._sorted: dict[tuple[str, str | None], list[Loop]] = {}
        for loop in sorted(loops, key=_hidden_order):
            for by, field in _KEYS.items():
                self._sorted.setdefault((by, getattr(loop, field)), []).append(loop)

    def page(
        self,
        query: IndexQuery,
        unreadable: Callable[[UnreadableRow], object],
        *,
        limit: int,
        after: Mapping[str, Any] | None = None,
    ) -> RowPage:
        rows = [
            loop
            for loop in self._sorted.get((query.by, query.value), [])
            if (query.first or "") <= str(loop.created_at) <= (query.last or "~")
        ]
        if query.newest_first:
            rows.reverse()
        if after is not None:
            start = [loop.human_loop_name for loop in rows].index(after["humanLoopName"]["S"]) + 1
            rows = rows[start:]
        read = rows[:limit]
        self.calls += 1
        self.read += len(read)
        for loop in read:
            if loop.human_loop_name in self._odd:
                unreadable(UnreadableRow(loop.human_loop_name, "odd"))
        found = [
            loop
            for loop in read
            if all(getattr(loop, _KEYS[by]) == value for by, value in query.where.items())
            and loop.human_loop_name not in self._odd
        ]
        end = None
        if len(read) == limit:
            end = {
                "createdAt": {"S": read[-1].created_at},
                "humanLoopName": {"S": read[-1].human_loop_name},
                query.by: {"S": query.value},
            }
        return RowPage(found, len(read), end)


def _hidden_order(loop: Loop) -> tuple[str, int]:
    return str(loop.created_at), zlib.crc32(loop.human_loop_name.encode())


def loop(
    name: str, minute: int, status: str = "Completed", outcome: str | None = "stored", flow: int = 0
) -> Loop:
    return Loop(
        human_loop_name=name,
        created_at=f"2026-03-04T{minute // 60:02}:{minute % 60:02}:00.000Z",
        status=status,
        outcome=outcome,
        flow_definition_arn=FLOWS[flow],
    )


def names(page: LoopPage) -> list[str]:
    return [one.human_loop_name for one in page.loops]


def walk(ledger: Any, loop_filter: LoopFilter, flow: str | None, **options: Any) -> list[LoopPage]:
    """Returns all pages of a list."""
    pages: list[LoopPage] = []
    after = None
    while True:
        pages.append(loop_page(ledger, loop_filter, flow, after=after, **options))
        after = pages[-1].next_cursor
        if after is None:
            return pages
        assert len(pages) < 1000, "the pages do not end"


_LOOPS = st.lists(
    st.builds(
        loop,
        st.text("ab", min_size=1, max_size=6),
        st.integers(0, 3),
        st.sampled_from(get_args(LoopStatus)),
        st.one_of(st.none(), st.sampled_from(get_args(Outcome))),
        st.integers(0, 1),
    ),
    max_size=40,
    unique_by=lambda one: one.human_loop_name,
)
_TIMES = st.one_of(
    st.none(), st.integers(0, 3).map(lambda minute: datetime(2026, 3, 4, 0, minute, tzinfo=UTC))
)


@given(
    loops=_LOOPS,
    status=st.one_of(st.none(), st.sampled_from(get_args(LoopStatus))),
    outcome=st.one_of(st.none(), st.sampled_from(get_args(Outcome))),
    flow=st.one_of(st.none(), st.sampled_from(FLOWS)),
    since=_TIMES,
    until=_TIMES,
    limit=st.integers(1, 5),
    newest_first=st.booleans(),
    max_left_out=st.sampled_from([0, 3, 2000]),
)
def test_pages_together_have_each_matching_loop_once_and_in_order(
    loops: list[Loop],
    status: str | None,
    outcome: str | None,
    flow: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    newest_first: bool,
    max_left_out: int,
) -> None:
    if since and until and since >= until:
        since = None
    loop_filter = LoopFilter(status=status, outcome=outcome, since=since, until=until)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workflow.operations.listing._MAX_LEFT_OUT", max_left_out)
        pages = walk(Indexes(loops), loop_filter, flow, limit=limit, newest_first=newest_first)

    def matches(one: Loop) -> bool:
        created = datetime.fromisoformat(str(one.created_at))
        return (
            status in (None, one.status)
            and outcome in (None, one.outcome)
            and flow in (None, one.flow_definition_arn)
            and (since is None or created >= since)
            and (until is None or created < until)
        )

    def group(one: Loop) -> int:
        if one.outcome in NEEDS_ACTION:
            return 0
        return 1 if one.outcome == "processing" or one.status in ("Starting", "InProgress") else 2

    expected = [one for one in loops if matches(one)]
    expected.sort(key=lambda one: (one.created_at, one.human_loop_name), reverse=True)
    if not newest_first and (status is not None or outcome is not None):
        waits = outcome in (*NEEDS_ACTION, "processing")
        if waits or (outcome is None and status in ("Starting", "InProgress")):
            expected.reverse()
    elif not newest_first:
        groups = [[one for one in expected if group(one) == number] for number in range(3)]
        expected = [*reversed(groups[0]), *reversed(groups[1]), *groups[2]]
    assert [name for page in pages for name in names(page)] == [one.human_loop_name for one in expected]
    assert all(len(page.loops) == limit or page.searched or page is pages[-1] for page in pages)
    assert all(len(page.loops) <= limit for page in pages)
    listing = list_loops(
        Indexes(loops),  # type: ignore[arg-type]
        loop_filter,
        flow,
        limit=limit,
        newest_first=newest_first,
        progress=lambda number: None,
    )
    assert (listing.loops, listing.more) == (expected[:limit], len(expected) > limit)


def busy(count: int) -> Indexes:
    """A stage in which one of a hundred loops needs a person, and one of fifty is in progress."""
    kinds: Mapping[int, Mapping[str, Any]] = {
        7: {"status": "Failed", "outcome": "escalated"},
        23: {"status": "InProgress", "outcome": None},
        73: {"status": "InProgress", "outcome": None},
    }
    return Indexes(
        loop(f"loop-{number}", number * 1440 // count, **kinds.get(number % 100, {}), flow=number // 100 % 2)
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("loop_filter", "flow"),
    [
        (LoopFilter(), None),
        (LoopFilter(), FLOWS[0]),
        (LoopFilter(status="Completed"), None),
        (LoopFilter(outcome="stored"), FLOWS[1]),
        (LoopFilter(since=datetime(2026, 3, 4, 12, tzinfo=UTC)), None),
    ],
)
def test_page_of_5000_loops_reads_hardly_more_than_one_of_200(
    loop_filter: LoopFilter, flow: str | None
) -> None:
    few, many = busy(200), busy(5_000)
    for ledger in (few, many):
        loop_page(ledger, loop_filter, flow)  # type: ignore[arg-type]
    assert many.calls <= few.calls + 2
    assert many.read <= 8 * 52


def test_page_ends_early_if_few_of_many_rows_match() -> None:
    """All loops are of the other flow definition but the last one."""
    rows = [loop(f"failed-{number}", number % 1000, "Failed", "escalated", flow=1) for number in range(6000)]
    ledger = Indexes([*rows, loop("mine", 1100, "Failed", "escalated")])
    pages = walk(ledger, LoopFilter(outcome="escalated"), FLOWS[0])
    assert [names(page) for page in pages[:-1]] == [[]] * (len(pages) - 1)
    assert names(pages[-1]) == ["mine"]
    assert 2 <= len(pages) <= 4
    assert [bool(page.searched) for page in pages] == [True] * (len(pages) - 1) + [False]
    assert sorted(str(page.searched) for page in pages[:-1]) == [page.searched for page in pages[:-1]]


def test_loop_that_ends_between_two_pages_leaves_no_gap() -> None:
    rows = [loop(f"loop-{number}", number) for number in range(6)]
    first = loop_page(Indexes(rows), LoopFilter(), limit=2)  # type: ignore[arg-type]
    changed = [
        loop("loop-4", 4, "Failed", "escalated"),
        *(row for row in rows if row.human_loop_name != "loop-4"),
    ]
    second = loop_page(Indexes(changed), LoopFilter(), after=first.next_cursor, limit=2)  # type: ignore[arg-type]
    assert (names(first), names(second)) == (["loop-5", "loop-4"], ["loop-3", "loop-2"])


@pytest.mark.parametrize("newest_first", [False, True])
def test_loop_with_an_unknown_status_that_needs_a_person_is_listed_once(newest_first: bool) -> None:
    rows = [loop(f"loop-{number}", number, outcome="failed") for number in range(3)]
    rows.append(loop("new", 9, "Expired", "failed"))
    pages = walk(Indexes(rows), LoopFilter(), None, limit=2, newest_first=newest_first)
    expected = ["loop-0", "loop-1", "loop-2", "new"]
    assert [names(page) for page in pages] == (
        [["new", "loop-2"], ["loop-1", "loop-0"]] if newest_first else [expected[:2], expected[2:]]
    )


def test_rows_that_cannot_be_read_are_reported_once() -> None:
    ledger = Indexes([loop("odd", 1), loop("good", 2), loop("bad", 0)], odd=("odd", "bad"))
    page = loop_page(ledger, LoopFilter())  # type: ignore[arg-type]
    assert (names(page), [row.key for row in page.unreadable]) == (["good"], ["bad", "odd"])


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!",
        "é",
        "WzksImEiLDEsImIiXQ",
        "eyIxIjoyfQ",
        "WzAsMV0",
        "WzAsIlx1ZDgwMCIsMSwiYiJd",
        "W1swXV0",
        base64.urlsafe_b64encode(json.dumps([0, "2" * 2000, 1, "b"]).encode()).decode(),
    ],
)
def test_invalid_cursor_is_an_error_that_says_what_to_do(cursor: str) -> None:
    with pytest.raises(ListingError, match="open the list from its first page"):
        loop_page(Indexes([]), LoopFilter(), after=cursor)  # type: ignore[arg-type]


def test_period_without_any_time_is_an_error() -> None:
    later, earlier = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    with pytest.raises(ListingError, match=r"since 2026-03-05T00:00:00.000Z and before 2026-03-04T00:00"):
        LoopFilter(since=later, until=earlier)
