"""Reads many objects in threads, in order, and with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    items: Iterable[Item],
    read: Callable[[Item], Result],
    *,
    threads: int,
    limit: int,
    weight: Callable[[Item], int] = lambda item: 1,
) -> Generator[Result, None, None]:
    """Yields the results of `read` in the order of the items.

    `Executor.map` would take all items at once. This takes the next item only when there is room for it.

    Args:
        items: The items, which can be an iterator without an end.
        read: Called with each item, in a thread. Its errors are raised here, in order.
        threads: The number of threads.
        limit: The maximum total weight of the items that are being read or are waiting for the caller.
        weight: Returns the weight of an item, such as its size in bytes.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Future[Result], int]] = deque()
        total = 0
        try:
            for item in items:
                waiting.append((pool.submit(read, item), weight(item)))
                total += waiting[-1][1]
                while total >= limit:
                    future, size = waiting.popleft()
                    total -= size
                    yield future.result()
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            # After an error, or if the caller stops, the pool must not read the rest before it shuts down.
            for future, _ in waiting:
                future.cancel()
