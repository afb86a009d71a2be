"""Indexes of DynamoDB's tables."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["correct"]

_Place = tuple[str, str, str]
"""Where an item is in a partition of an index: its sort key, then the keys of the table."""


def correct() -> None:
    """Corrects reads of indexes."""
    _read_only_what_a_page_has()


def _read_only_what_a_page_has() -> None:
    """Makes a Query of an index take as long as what it reads, however large the index is.

    AWS: the items of a partition are stored in the order of the sort key; a Query begins at the first one of the range,
    and ends after `Limit` items, or 1 MB.
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html)
    MiniStack: sorts the whole partition in each Query, and evaluates the condition for each of its items, which takes
    half a second for 10,000. Here, it gets the items of the page only, plus one that shows whether there are more.

    Other than with keys that are strings, as before.
    """
    from ministack.services import dynamodb

    query, index_members, index_item = dynamodb._query, dynamodb._index_members, dynamodb._index_item
    current = threading.local()

    def query_in_order(data: dict[str, Any]) -> Any:
        current.request = data
        try:
            return query(data)
        finally:
            current.request = None

    def members_of_page(table: dict[str, Any]) -> Any:
        members = index_members(table)
        request: dict[str, Any] = getattr(current, "request", None) or {}
        found = _range(request, table) if request.get("IndexName") else None
        if found is None:
            return members
        name = request["IndexName"]
        ordered = members.get(name, {}).get(found.partition)
        if ordered is None:
            return members
        if not isinstance(ordered, _Ordered):
            ordered = members[name][found.partition] = _Ordered(ordered, table, found.sort_key)
        return {name: {found.partition: list(_page(ordered.between(found), request, table))}}

    def keep_in_order(
        table: dict[str, Any], base_pk: Any, base_sk: Any, item: dict[str, Any], add: bool
    ) -> None:
        index_item(table, base_pk, base_sk, item, add)
        members = table.get(dynamodb._INDEX_MEMBERS) or {}
        for name, hashes, ranges in dynamodb._index_key_schemas(table):
            partition = dynamodb._index_partition(item, hashes, ranges)
            if partition is not None:
                ordered = members.get(name, {}).get(partition)
                if isinstance(ordered, _Ordered):
                    ordered.note(base_pk, base_sk, item, add)

    dynamodb._query, dynamodb._index_members, dynamodb._index_item = (
        query_in_order,
        members_of_page,
        keep_in_order,
    )


@dataclass(frozen=True)
class _Range:
    """What a Query reads: the places from `begin`, and before `end`, of a partition of an index."""

    partition: str
    sort_key: str
    begin: tuple[str, ...]
    end: tuple[str, ...] | None
    backwards: bool


def _range(request: dict[str, Any], table: dict[str, Any]) -> _Range | None:
    """Returns what a Query reads; None if a key is no string, or the condition is of a kind that is not known here."""
    from ministack.services import dynamodb

    hashes, ranges = dynamodb._index_key_lists(dynamodb._index_def(table, request["IndexName"]) or {})
    own_keys = [table["pk_name"], *filter(None, [table.get("sk_name")])]
    kinds = {dynamodb._get_attr_type(table, key) for key in (*hashes, *ranges, *own_keys)}
    if (len(hashes), len(ranges), kinds) != (1, 1, {"S"}):
        return None
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    partition: str | None = None
    begin: tuple[str, ...] = ()
    end: tuple[str, ...] | None = None
    for clause in dynamodb._key_condition_clauses(
        dynamodb._tokenize(request.get("KeyConditionExpression", ""))
    ):
        kind = " ".join(text.upper() if sort == "IDENT" else sort for sort, text in clause[1:])
        name = names.get(clause[0][1], clause[0][1])
        operands = [values[text]["S"] for sort, text in clause if sort == "VALUE_REF"]
        if (name, kind) == (hashes[0], "EQ VALUE_REF"):
            (partition,) = operands
        elif name == ranges[0] and kind in _BOUNDS:
            begin, end = _BOUNDS[kind](*operands)
        else:
            return None
    backwards = not request.get("ScanIndexForward", True)
    if after := request.get("ExclusiveStartKey"):
        place = (
            after[ranges[0]]["S"],
            after[own_keys[0]]["S"],
            after[own_keys[1]]["S"] if own_keys[1:] else "__no_sort__",
        )
        if backwards:
            end = place if end is None else min(end, place)
        else:
            begin = max(begin, (*place[:2], _after(place[2])))
    return None if partition is None else _Range(partition, ranges[0], begin, end, backwards)


def _after(text: str) -> str:
    """Returns the first text that sorts after this one."""
    return text + "\0"


_BOUNDS: dict[str, Callable[..., tuple[tuple[str, ...], tuple[str, ...] | None]]] = {
    "EQ VALUE_REF": lambda value: ((value,), (_after(value),)),
    "GE VALUE_REF": lambda value: ((value,), None),
    "GT VALUE_REF": lambda value: ((_after(value),), None),
    "LE VALUE_REF": lambda value: ((), (_after(value),)),
    "LT VALUE_REF": lambda value: ((), (value,)),
    "BETWEEN VALUE_REF AND VALUE_REF": lambda low, high: ((low,), (_after(high),)),
}
"""The places at which a condition of the sort key begins and ends."""


def _page(
    keys: Iterable[tuple[str, str]], request: dict[str, Any], table: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yields the keys of the items of a page, and that of the next one."""
    from ministack.services import dynamodb

    limit, size = int(request.get("Limit") or 0), 0
    for number, (base_pk, base_sk) in enumerate(keys):
        yield base_pk, base_sk
        if limit and number == limit:
            return
        entry = dynamodb._apply_index_projection(
            table["items"][base_pk][base_sk], table, request["IndexName"]
        )
        size += dynamodb._item_size_bytes(entry)
        # The item with which the page gets too large is not in it, and shows that there are more.
        if size > dynamodb._DDB_PAGE_SIZE_BYTES:
            return


class _Ordered(dict[tuple[Any, Any], None]):
    """The keys of the items of a partition, as MiniStack keeps them, and their places in order."""

    def __init__(self, members: Mapping[tuple[Any, Any], None], table: dict[str, Any], sort_key: str) -> None:
        super().__init__(members)
        self._sort_key = sort_key
        items = table["items"]
        self._places = sorted(self._place(pk, sk, items[pk][sk]) for pk, sk in members)

    def note(self, base_pk: Any, base_sk: Any, item: dict[str, Any], add: bool) -> None:
        """Adds an item, or removes it."""
        place = self._place(base_pk, base_sk, item)
        at = bisect.bisect_left(self._places, place)
        if add:
            self._places.insert(at, place)
        else:
            del self._places[at]

    def between(self, found: _Range) -> Iterator[tuple[str, str]]:
        """Yields the keys of the items in a range, in the order of the request."""
        first = bisect.bisect_left(self._places, found.begin)
        last = len(self._places) if found.end is None else bisect.bisect_left(self._places, found.end)
        numbers = range(first, last)
        for number in reversed(numbers) if found.backwards else numbers:
            _, base_pk, base_sk = self._places[number]
            yield base_pk, base_sk

    def _place(self, base_pk: Any, base_sk: Any, item: dict[str, Any]) -> _Place:
        return item[self._sort_key]["S"], base_pk, base_sk
