"""The list of a stage's human loops, a page at a time: what needs action first.

The ledger's indexes serve it. DynamoDB finds the rows with one value of one attribute, sorted by their creation, and
reads only those of the page, so that a page takes as long with 100,000 loops as with 100. A second filter is applied to
what was read: how much one page reads for it is limited, and the next page continues there.
"""

from __future__ import annotations

import base64
import heapq
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from lambdas.loops.index_query import IndexQuery
from lambdas.loops.ledger import Ledger, RowPage
from lambdas.loops.loop import Loop, LoopStatus
from lambdas.loops.rows import UnreadableRow
from lambdas.reviews.times import timestamp
from workflow.errors import AfterloopError

__all__ = [
    "NEEDS_ACTION",
    "Listing",
    "ListingError",
    "LoopFilter",
    "LoopGroup",
    "LoopPage",
    "group_of",
    "list_loops",
    "loop_page",
    "overruled_fields",
    "why",
]

NEEDS_ACTION = ("escalated", "failed")
"""The outcomes after which a person has to act."""

_ACTIVE = ("Starting", "InProgress")
"""The statuses of loops that have not ended. Loops that the workflow is processing are active, too."""
_PROCESSING = "processing"

_MAX_LEFT_OUT = 2000
"""After how many rows that do not match a page ends before it is full. A row has 1 KB or so."""
_MAX_SIZE = 1000
"""How many rows one call of DynamoDB reads at most. It ends at 1 MB."""


LoopGroup = Literal["needsAction", "active", "ended"]
"""needsAction: a person has to act. active: the loop has not ended, or the workflow is processing it."""


_MAX_SORT_KEY = 1024
"""Bytes. DynamoDB refuses a longer one."""


class ListingError(AfterloopError):
    """The loops cannot be listed like that. The message says what is wrong with the filter or the cursor."""


@dataclass(frozen=True)
class LoopFilter:
    """Which loops to list: those that match every attribute that is set.

    Attributes:
        status: The status in the ledger.
        flow_definition: The flow definition's name or ARN.
        outcome: The outcome in the ledger.
        since: The loop was created at this time or later.
        until: The loop was created before this time.

    Raises:
        ListingError: No time is in the period.
    """

    status: str | None = None
    flow_definition: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Checks the period."""
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ListingError(
                f"no loop can match: it would have to be created since {timestamp(self.since)} and before "
                f"{timestamp(self.until)}; swap the two times, or leave one out"
            )


@dataclass(frozen=True)
class LoopPage:
    """A page of a list of loops.

    Without a filter for status or outcome: loops that need action first, then active loops, both with the oldest first,
    then the rest with the newest first. With one, loops that have ended and need no action have the newest first, too.
    With `newest_first`, the newest loop is always first.

    Attributes:
        loops: The loops; fewer than the limit, or none, if the page ended early (`searched`).
        next_cursor: Where the next page begins; None if there are no more loops.
        unreadable: Rows that were met on the way and cannot be read, by key.
        searched: The creation of the last row that was read, if the page ended before it was full, because few of many
            rows match the filter. The next page continues there.
    """

    loops: list[Loop]
    next_cursor: str | None = None
    unreadable: list[UnreadableRow] = field(default_factory=list)
    searched: str | None = None


@dataclass(frozen=True)
class Listing:
    """Loops in the order of `LoopPage`."""

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
        newest_first: List the newest loops first, also when others need action.
        progress: Called with the number of loops read, every hundred loops.
    """
    reading = _Reading(ledger, min(limit or _MAX_SIZE, _MAX_SIZE), max_left_out=math.inf)
    found: dict[str, Loop] = {}  # a loop that changes meanwhile can be in two groups
    for _, _, loop in reading.rows(_groups(loop_filter, flow_definition_arn, newest_first)):
        if loop is not None and loop.human_loop_name not in found:
            found[loop.human_loop_name] = loop
            if len(found) % 100 == 0:
                progress(len(found))
            # One more than the limit shows whether there are more. Rows after it are not read.
            if limit is not None and len(found) > limit:
                break
    return Listing(list(found.values())[:limit], limit is not None and len(found) > limit, reading.unreadable)


def loop_page(
    ledger: Ledger,
    loop_filter: LoopFilter,
    flow_definition_arn: str | None = None,
    *,
    after: str | None = None,
    limit: int = 50,
    newest_first: bool = False,
) -> LoopPage:
    """Returns a page of a list of loops. Reads the ledger's indexes only.

    Args:
        ledger: The stage's ledger.
        loop_filter: Which loops to list.
        flow_definition_arn: The ARN of the filter's flow definition.
        after: `next_cursor` of the page before this one, with the same filter and order.
        limit: The maximum number of loops.
        newest_first: List the newest loops first, also when others need action.

    Raises:
        ListingError: `after` is not a cursor.
    """
    groups = _groups(loop_filter, flow_definition_arn, newest_first)
    begin = _Cursor(0) if after is None else _Cursor.of(after, len(groups))
    reading = _Reading(ledger, limit, max_left_out=_MAX_LEFT_OUT)
    found: dict[str, Loop] = {}
    last, more, searched = begin, False, None
    for number, at, loop in reading.rows(groups, begin):
        more = loop is None or len(found) == limit
        if loop is None:
            last, searched = _Cursor(number, at), at.created
        if more or loop is None:
            break
        found.setdefault(loop.human_loop_name, loop)
        last = _Cursor(number, at)
    return LoopPage(list(found.values()), str(last) if more else None, reading.unreadable, searched)


def group_of(loop: Loop) -> LoopGroup:
    """Returns the group that a loop is listed in."""
    if loop.outcome in NEEDS_ACTION:
        return "needsAction"
    return "active" if loop.outcome == _PROCESSING or loop.status in _ACTIVE else "ended"


def why(loop: Loop) -> str:
    """Returns the reason for what became of a loop, on one line; empty if there is nothing to say."""
    if loop.outcome == "closed":
        return loop.note or ""
    if loop.outcome in NEEDS_ACTION or loop.status in ("NotNeeded", "Refused"):
        return loop.reason or ""
    if loop.next_loop_name:
        return f"restarted as {loop.next_loop_name}"
    return loop.failure_code or ""


def overruled_fields(loop: Loop) -> tuple[int | None, int | None]:
    """Returns how many fields people changed, added or removed, and how many fields there were.

    Both are None without a review. One is None if its figures are odd: anybody can have written them.
    """
    figures = loop.review or {}

    def count(name: str) -> int | None:
        value = figures.get(name)
        return value if type(value) is int and value >= 0 else None

    counts = [count(name) for name in ("changed", "added", "removed")]
    return None if None in counts else sum(filter(None, counts)), count("fields")


# The order


class _Position(NamedTuple):
    """A place in the order of rows. Loops can have been created in the same millisecond: then the keys count.

    Attributes:
        created: `createdAt`.
        side: 1 for a row. 0 is before, 2 after all rows of that time, with the oldest first.
        key: The key of the row.
    """

    created: str
    side: int = 1
    key: str = ""


@dataclass(frozen=True)
class _Group:
    """Loops that are listed together, in the order of their creation.

    Attributes:
        queries: Together, they find each of the loops.
        newest_first: The order.
        has: Whether a loop that was found belongs to the group.
    """

    queries: Sequence[IndexQuery]
    newest_first: bool
    has: Callable[[Loop], bool] = lambda loop: True


def _groups(loop_filter: LoopFilter, flow_definition_arn: str | None, newest_first: bool) -> list[_Group]:
    status, outcome = loop_filter.status, loop_filter.outcome
    first, last = _bound(loop_filter.since), _bound(loop_filter.until)

    def queries(attribute: str, *values: str) -> list[IndexQuery]:
        return [query(**{attribute: value}) for value in values]

    def query(**values: Any) -> IndexQuery:
        return IndexQuery.of(flow_definition_arn=flow_definition_arn, first=first, last=last, **values)

    if status is not None or outcome is not None:
        # One index has them in the order of time. To have some of them first, another one would have to be read whole.
        oldest = outcome in (*NEEDS_ACTION, _PROCESSING) or (outcome is None and status in _ACTIVE)
        return [_Group([query(status=status, outcome=outcome)], newest_first or not oldest)]
    # One flow definition's loops are in its own index. All loops are in the index of statuses only.
    statuses = () if flow_definition_arn else get_args(LoopStatus)
    if newest_first and statuses:
        # A loop with a status that is new to Afterloop needs a person. Most of these loops are found twice.
        by_outcome = queries("outcome", *NEEDS_ACTION, _PROCESSING)
        return [_Group([*queries("status", *statuses), *by_outcome], newest_first=True)]
    if newest_first:
        return [_Group([query()], newest_first=True)]
    ended = [one for one in statuses if one not in _ACTIVE]
    return [
        _Group(queries("outcome", *NEEDS_ACTION), newest_first=False),
        _Group(
            [*queries("status", *_ACTIVE), *queries("outcome", _PROCESSING)],
            newest_first=False,
            has=lambda loop: group_of(loop) == "active",
        ),
        _Group(
            queries("status", *ended) or [query()],
            newest_first=True,
            has=lambda loop: group_of(loop) == "ended",
        ),
    ]


def _bound(moment: datetime | None) -> str | None:
    # Without the Z, it sorts before all texts for that time, so the same text includes them as the lowest one, and
    # excludes them as the highest.
    return None if moment is None else timestamp(moment).removesuffix("Z")


@dataclass(frozen=True)
class _Cursor:
    """A place in the list: a group, and the last position in it that was dealt with; None for its beginning."""

    group: int
    position: _Position | None = None

    @classmethod
    def of(cls, text: str, groups: int) -> _Cursor:
        try:
            group, *position = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            found = cls(group, _Position(*position) if position else None)
        except (ValueError, TypeError):
            raise _invalid_cursor() from None
        if not (type(group) is int and 0 <= group < groups):
            raise _invalid_cursor()
        if found.position is not None:
            created, side, key = found.position
            if not (_is_text(created) and created and type(side) is int and _is_text(key)):
                raise _invalid_cursor()
            if len(created.encode()) > _MAX_SORT_KEY:
                raise _invalid_cursor()
        return found

    def __str__(self) -> str:
        text = json.dumps([self.group, *(self.position or ())], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _is_text(value: object) -> bool:
    # JSON can have half of a surrogate pair. A request cannot.
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _invalid_cursor() -> ListingError:
    return ListingError("the address has an invalid cursor (after=…): open the list from its first page")


# Reading


class _Reading:
    """Reads rows for a page, and counts those that were read in vain.

    Args:
        ledger: The ledger.
        limit: How many rows the page needs.
        max_left_out: How many other rows may be read.
    """

    def __init__(self, ledger: Ledger, limit: int, max_left_out: float) -> None:
        self._ledger = ledger
        # One more shows that there are more, and another one that no more were created at the same time as that one.
        self.size = limit + 2
        self.left = max_left_out
        self._unreadable: dict[str, UnreadableRow] = {}

    @property
    def unreadable(self) -> list[UnreadableRow]:
        """Rows that cannot be read, by key."""
        # A row can be in several groups.
        return [row for _, row in sorted(self._unreadable.items())]

    def rows(
        self, groups: Sequence[_Group], begin: _Cursor = _Cursor(0)
    ) -> Iterator[tuple[int, _Position, Loop | None]]:
        """Yields the loops after a place, each with the number of its group and its position.

        None instead of a loop is the end: too many rows were read in vain.
        """
        for number, group in enumerate(groups[begin.group :], begin.group):
            after = begin.position if number == begin.group else None
            for at, loop in self._in_group(group, after):
                yield number, at, loop

    def _in_group(self, group: _Group, after: _Position | None) -> Iterator[tuple[_Position, Loop | None]]:
        queries = [_narrowed(replace(one, newest_first=group.newest_first), after) for one in group.queries]
        streams = [_Stream(self, query, group.has, after) for query in queries if query is not None]
        if len(streams) > 1:
            # Each of them takes as long as the way to AWS and back.
            with ThreadPoolExecutor(len(streams)) as pool:
                for _ in pool.map(_Stream.begin, streams):
                    pass
        rows = heapq.merge(*streams, key=lambda row: row[0], reverse=group.newest_first)
        last = None
        for at, loop in rows:
            # Two queries can have found the same row.
            if loop is None or at != last:
                yield at, loop
            last = at

    def page(self, query: IndexQuery, size: int, after: Mapping[str, Any] | None = None) -> RowPage:
        return self._ledger.page(query, self._note, limit=size, after=after)

    def _note(self, row: UnreadableRow) -> None:
        self._unreadable[row.key] = row


def _narrowed(query: IndexQuery, after: _Position | None) -> IndexQuery | None:
    """Returns the query of the rows after a position; None if there can be none."""
    if after is not None and query.newest_first:
        query = replace(query, last=min(query.last or after.created, after.created))
    elif after is not None:
        query = replace(query, first=max(query.first or after.created, after.created))
    # DynamoDB refuses a range that ends before it begins.
    is_empty = query.first is not None and query.last is not None and query.first > query.last
    return None if is_empty else query


class _Stream:
    """The rows of a query that belong to a group and are after a position, in order."""

    def __init__(
        self, reading: _Reading, query: IndexQuery, has: Callable[[Loop], bool], after: _Position | None
    ) -> None:
        self._reading = reading
        self._query = query
        self._has = has
        self._after = after
        self._first: RowPage | None = None

    def begin(self) -> None:
        """Reads the first rows. Several streams can do that at the same time."""
        self._first = self._reading.page(self._query, self._reading.size)

    def __iter__(self) -> Iterator[tuple[_Position, Loop | None]]:
        # DynamoDB does not define the order of rows that were created at the same time.
        for _, same_time in itertools.groupby(self._rows(), key=lambda row: row[0].created):
            yield from sorted(same_time, key=lambda row: row[0], reverse=self._query.newest_first)

    def _rows(self) -> Iterator[tuple[_Position, Loop | None]]:
        if self._first is None:
            self.begin()
        page, size = self._first, self._reading.size
        while page is not None:
            self._reading.left -= page.read - len(page.loops)
            for loop in page.loops:
                at = _Position(loop.created_at or "", 1, loop.human_loop_name)
                if not self._has(loop):
                    self._reading.left -= 1
                elif self._is_after(at):
                    yield at, loop
            if page.end is None:
                return
            created = page.end["createdAt"]["S"]
            # A page has to get further than the one before it, however many loops were created at that time.
            if self._reading.left <= 0 and (self._after is None or created != self._after.created):
                # Before the rows of that time, because not all of them were read.
                yield _Position(created, 2 if self._query.newest_first else 0), None
                return
            size = min(2 * size, _MAX_SIZE)
            page = self._reading.page(self._query, size, page.end)

    def _is_after(self, at: _Position) -> bool:
        if self._after is None:
            return True
        return at < self._after if self._query.newest_first else at > self._after
