"""Tests of reading ahead in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from workflow.operations.read_ahead import read_ahead


def test_results_are_in_order_whatever_ends_first() -> None:
    second_is_read = threading.Event()

    def read(item: int) -> int:
        if item == 0:
            assert second_is_read.wait(5)
        elif item == 1:
            second_is_read.set()
        return item * 2

    assert list(read_ahead(range(5), read, threads=2, limit=3)) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (3, 3), (100, 20)])
def test_items_are_taken_only_when_there_is_room(limit: int, expected: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    with closing(read_ahead(items(), str, threads=2, limit=limit)) as results:  # type: ignore[type-var]
        assert next(results) == "0"
        assert len(taken) == expected


def test_weights_count_towards_the_limit() -> None:
    items = iter([40, 40, 40, 40])
    results = read_ahead(items, str, threads=2, limit=100, weight=int)
    assert next(results) == "40"
    assert list(items) == [40]
    results.close()  # type: ignore[attr-defined]


def test_error_is_raised_in_order_and_cancels_the_rest() -> None:
    started: list[int] = []

    def read(item: int) -> int:
        started.append(item)
        if item == 1:
            raise ValueError("unreadable")
        return item

    results = read_ahead(range(1000), read, threads=1, limit=500)
    assert next(results) == 0
    with pytest.raises(ValueError, match="unreadable"):
        next(results)
    assert len(started) < 1000
