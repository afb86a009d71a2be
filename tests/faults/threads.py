"""Threads and Ctrl-C of an operator's command: each thread is an actor, and waiting lets the others continue.

Commands on many loops process several at the same time (`workflow.operations.several`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.faults.scheduler import Actor, Scheduler
from workflow.operations import several

__all__ = ["simulated_threads"]


@contextmanager
def simulated_threads(scheduler: Scheduler) -> Iterator[None]:
    """Directs the threads of commands to a scheduler."""
    threads = {"Thread": _thread(scheduler), "Event": lambda: _Event(scheduler), "Lock": _Lock}
    with (
        mock.patch.object(several, "threading", SimpleNamespace(**threads)),
        mock.patch.object(several, "queue", SimpleNamespace(SimpleQueue=_Queues(scheduler))),
    ):
        yield


def _thread(scheduler: Scheduler) -> Any:
    class Thread:
        """A thread of the process that starts it. If one of them dies, so does the process."""

        def __init__(self, *, target: Callable[[], object], daemon: bool) -> None:
            self._target = target

        def start(self) -> None:
            process = scheduler.current
            process.threads += 1
            name = f"{process.name} thread {process.threads}"
            thread = scheduler.spawn(Actor(name, process.kind, self._target, immortal=process.immortal))
            killed = process.killed

            def both() -> None:
                killed()
                scheduler.kill(thread)

            process.killed = both
            thread.killed = lambda: scheduler.kill(process)

    return Thread


class _Lock:
    """No call of a service is made while a lock is held, so no other actor can want it."""

    def __enter__(self) -> None:
        """Takes it."""

    def __exit__(self, *error: object) -> None:
        """Gives it back."""


class _Event:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._set = scheduler, False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        return self._set or self._scheduler.wait(lambda: not self._set, seconds)


class _Queue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler, self._items = scheduler, deque[Any]()

    def put(self, item: Any) -> None:
        self._items.append(item)

    def get(self) -> Any:
        if not self._items:
            self._scheduler.wait(lambda: not self._items)
        return self._items.popleft()


class _Queues:
    """`queue.SimpleQueue`, with or without the type of its items."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __getitem__(self, of: object) -> _Queues:
        return self

    def __call__(self) -> _Queue:
        return _Queue(self._scheduler)
