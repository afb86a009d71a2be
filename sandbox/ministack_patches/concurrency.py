"""Branches and iterations that run at the same time."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from typing import Any

from sandbox.ministack_patches.executions import walk_through
from sandbox.ministack_patches.walks import LOCK, Attempt, AttemptEnded, Walk, record

__all__ = ["Branches"]

_WITH_ABORT = ("Task", "Wait", "Parallel", "Map")
"""Types of states that have an event for their abort."""


class Branches:
    """The branches or iterations of a state that have not finished."""

    def __init__(
        self, walk: Walk, attempt: Attempt, state: dict[str, Any], kind: str, limit: int = 0
    ) -> None:
        self._walk, self._outer, self._kind = walk, attempt, kind
        self._attempt = Attempt(attempt.context, attempt)
        self._begun: list[tuple[int, Walk]] = []
        unfinished = [(index, one) for index, one in enumerate(walk.inner or ()) if one.state is not None]
        self._waiting = deque(unfinished)
        self._limit = min(limit or len(self._waiting), len(self._waiting))
        self._changed = threading.Condition(LOCK)
        self._running = 0
        self._failed: tuple[int, Exception] | None = None
        self._begun_after = walk.last_event

    def finish(self) -> None:
        """Runs all to their ends.

        Raises:
            stepfunctions._ExecutionError: One of them failed.
            AttemptEnded: The attempt that needs them has ended.
        """
        from ministack.services import stepfunctions

        with LOCK:
            self._outer.check()
            first = [self._begin(self._begun_after) for _ in range(self._limit)]
            self._running = len(first)
        if len(first) == 1:
            self._work(*first[0])
        elif first:
            for index, branch in first:
                # A thread does not inherit the account and Region of its parent, nor its walk.
                target = contextvars.copy_context().run
                threading.Thread(target=target, args=(self._work, index, branch), daemon=True).start()
            with self._changed:
                self._changed.wait_for(lambda: self._failed or not self._running)
        with LOCK:
            self._outer.check()
            if self._failed is not None:
                self._record_failure(self._failed[0])
                raise self._failed[1]
        stepfunctions._add_event(self._walk.execution, f"{self._kind}StateSucceeded")

    def _work(self, index: int, branch: Walk) -> None:
        """Runs one, and then others, until none is left or one has failed."""
        try:
            while True:
                try:
                    walk_through(branch, self._attempt)
                except AttemptEnded:
                    raise
                except Exception as error:
                    with LOCK:
                        self._attempt.check()
                        self._failed = (index, error)
                        actions = self._attempt.end()
                    for action in actions:
                        action()
                    return
                with LOCK:
                    self._attempt.check()
                    self._walk.last_event = self._succeed(index, branch)
                    if not self._waiting:
                        return
                    index, branch = self._begin(branch.last_event)
        except AttemptEnded:
            return
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _begin(self, begun_after: int) -> tuple[int, Walk]:
        """Begins the next one. An iteration links to the start of the Map, or to the iteration that it waited for."""
        index, branch = self._waiting.popleft()
        self._begun.append((index, branch))
        if self._kind == "Map":
            branch.last_event = self._record("MapIterationStarted", begun_after, index)
        return index, branch

    def _succeed(self, index: int, branch: Walk) -> int:
        """Returns the event to which the next one of the outer walk links, if this branch is the last."""
        if self._kind == "Parallel":
            return branch.last_event
        return self._record("MapIterationSucceeded", branch.last_event, index)

    def _record_failure(self, failed: int) -> None:
        """Records the failure of one branch, and the abort of the others."""
        previous = self._walk.last_event = dict(self._begun)[failed].last_event
        # The failed one comes first.
        for index, branch in sorted(self._begun, key=lambda one: one[0] != failed):
            if branch.state is None:
                continue
            if self._kind == "Map":
                how = "MapIterationFailed" if index == failed else "MapIterationAborted"
                self._record(how, previous, index)
            self._record_aborts(branch, previous, ("Task", "Wait") if index == failed else _WITH_ABORT)

    def _record_aborts(self, branch: Walk, previous: int, kinds: tuple[str, ...]) -> None:
        for one in branch.inner or ():
            self._record_aborts(one, previous, kinds)
        kind = branch.current.get("Type")
        if branch.entered and kind in kinds:
            self._record(f"{kind}StateAborted", previous)

    def _record(self, kind: str, previous: int, index: int | None = None) -> int:
        details = {}
        if index is not None:
            name = f"m{kind[1:]}EventDetails"
            details = {name: {"name": self._walk.state, "index": index}}
        return int(record(self._walk.execution, kind, details, previous)["id"])
