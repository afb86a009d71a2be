"""Walks through state machines: where an execution is, and what its history records.

An execution is a tree of walks. The root walks through the states of the state machine. While a walk is in a Parallel
or Map state, it has a walk for each branch or iteration. The tree stays in the execution after its end, so that a
redrive can continue from it.

A walk belongs to an attempt. Attempts end: with the execution, with the Parallel or Map whose other branch failed. A
thread that is still at work for an attempt that has ended cannot change the walk or the history any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sandbox.ministack_patches import execution_logs

__all__ = ["LOCK", "Attempt", "AttemptEnded", "Walk", "correct", "current", "record", "walking"]

LOCK = threading.RLock()
"""Held while histories, walks, and the status of executions change. Nothing else is done meanwhile."""

_NOT_LINKED_TO = ("IterationSucceeded", "IterationFailed", "StateSucceeded", "Aborted")
"""Ends of the types of events after which the next event links to the one before."""


class AttemptEnded(Exception):
    """The execution, or the state that the thread works for, has ended."""


class Attempt:
    """An attempt at a machine: an execution until it ends or is redriven, or the branches of a state until one fails.

    Attributes:
        context: The parts of the context object that are the same for all states.
    """

    def __init__(self, context: dict[str, Any], parent: Attempt | None = None) -> None:
        self.context = context
        self._parent = parent
        self._ended = False
        self._at_end: list[Callable[[], object]] = []

    @property
    def active(self) -> bool:
        """Whether neither the attempt nor one that it belongs to has ended."""
        return not self._ended and (self._parent is None or self._parent.active)

    def check(self) -> None:
        """Raises AttemptEnded if the attempt has ended."""
        if not self.active:
            raise AttemptEnded

    def at_end(self, action: Callable[[], object]) -> None:
        """Calls a function, which must not block, when the attempt or one that it belongs to ends: perhaps twice."""
        with LOCK:
            if self.active:
                self._at_end.append(action)
                if self._parent is not None:
                    self._parent.at_end(action)
                return
        action()

    def end(self) -> list[Callable[[], object]]:
        """Ends the attempt. Returns what is to be called next, without the lock: see `at_end`."""
        with LOCK:
            self._ended = True
            actions, self._at_end = self._at_end, []
        return actions

    def sleep(self, seconds: float) -> None:
        """Waits. Raises AttemptEnded as soon as the attempt ends."""
        ended = threading.Event()
        self.at_end(ended.set)
        ended.wait(seconds)
        self.check()


@dataclass
class Walk:
    """A walk through the states of a machine.

    Attributes:
        execution: MiniStack's record of the execution.
        machine: The machine: `StartAt` and `States`.
        given: The input of the current state. After the last state, the output of the machine.
        variables: The variables, with those of the outer machines.
        state: Name of the current state. None after the last one.
        last_event: The id of the last event in the history. The next one links to it.
        assigned: The names of the variables that the current state has set.
        item: The index and the value of a Map's item, if the walk is one of its iterations: `Map` in the context
            object.
        entered: Whether the history says that the current state was entered.
        inner: The walks in the current state, if it is a Parallel or a Map that has started.
    """

    execution: dict[str, Any]
    machine: dict[str, Any]
    given: Any
    variables: dict[str, Any]
    state: str | None = None
    last_event: int = 0
    item: dict[str, Any] = field(default_factory=dict)
    entered: bool = False
    assigned: set[str] = field(default_factory=set)
    inner: list[Walk] | None = None
    left: tuple[Any, str | None, dict[str, Any]] | None = None
    """Output, next state and variables of the current state. They hold once the history says that it was exited."""

    def __post_init__(self) -> None:
        self.state = self.machine.get("StartAt")

    @property
    def current(self) -> dict[str, Any]:
        """The definition of the current state; empty after the last one."""
        states = self.machine.get("States", {})
        return states.get(self.state, {}) if self.state is not None else {}

    def _leave(self) -> None:
        assert self.left is not None
        self.given, self.state, self.variables = self.left
        self.left, self.inner, self.entered = None, None, False


_walking: ContextVar[tuple[Walk, Attempt] | None] = ContextVar("afterloop_walk", default=None)


def current() -> tuple[Walk, Attempt] | None:
    """Returns the walk of this thread, and the attempt for which the thread works."""
    return _walking.get()


@contextmanager
def walking(walk: Walk, attempt: Attempt) -> Iterator[None]:
    """Makes a walk that of this thread, and of threads that copy its context."""
    token = _walking.set((walk, attempt))
    try:
        yield
    finally:
        _walking.reset(token)


def record(
    execution: dict[str, Any], kind: str, details: dict[str, Any] | None, previous: int
) -> dict[str, Any]:
    """Adds an event to a history.

    Args:
        execution: MiniStack's record of the execution.
        kind: The type of the event.
        details: The fields of the event beside id, type, time and link.
        previous: The id of the event to which it links. 0 links to none.
    """
    from ministack.core.responses import now_iso

    with LOCK:
        events = execution["events"]
        number = len(events) + 1
        event = {"id": number, "previousEventId": previous, "type": kind, "timestamp": now_iso()}
        event.update({name: _marked_as_whole(given) for name, given in (details or {}).items()})
        events.append(event)
    execution_logs.log_event(execution, event)
    return event


def _marked_as_whole(details: Any) -> Any:
    """Says of data that it is not truncated, as AWS does.

    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEventExecutionDataDetails.html)
    """
    if not isinstance(details, dict):
        return details
    marks = {f"{name}Details": {"truncated": False} for name in _DATA if name in details}
    return {**details, **marks}


_DATA = ("input", "output", "assignedVariables")


def correct() -> None:
    """Corrects the history of executions."""
    _link_events()


def _link_events() -> None:
    """Records events in the order of their ids, each with a link to the one before it in the same walk.

    AWS: `previousEventId` is 0 for the start of the execution and its first state. The first event of each branch or
    iteration links to the start of the Parallel or Map. The success or the failure of an iteration, the success of the
    whole, and aborts are ends to which no event links; what follows links to the last event of the branch that ended
    last. Once an execution has ended, nothing is added until it is redriven.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html; the links are those of
    histories of AWS that LocalStack's tests have recorded:
    https://github.com/localstack/localstack/tree/main/tests/aws/services/stepfunctions/v2)
    MiniStack: leaves the links out. Two threads can give the same id. A task that is still running when the execution
    is stopped adds events after the end.
    """
    from ministack.services import stepfunctions

    def add(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        found = current()
        if found is None or found[0].execution is not execution:
            return record(execution, kind, details, len(execution["events"]))
        walk, attempt = found
        with LOCK:
            attempt.check()
            event = record(execution, kind, details, walk.last_event)
            if not kind.endswith(_NOT_LINKED_TO):
                walk.last_event = event["id"]
            if kind.endswith("StateEntered"):
                walk.entered = kind != "FailStateEntered"  # a redrive enters it again
            elif kind.endswith("StateExited"):
                walk._leave()
        return event

    stepfunctions._add_event = add
