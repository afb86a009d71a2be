"""Decides, in the engine, which calls meet a fault. The parent process sends the rules: see sandbox/faults.py."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from typing import Any

from sandbox.aws_calls import Call
from sandbox.errors import SandboxError
from sandbox.faults import Fault, Hit, Interrupt, KillWorker, checked, from_json

__all__ = ["FaultRules"]


class FaultRules:
    """The faults that are on. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: dict[int, _Rule] = {}
        self._numbers = count(1)

    def __bool__(self) -> bool:
        """Whether any fault is on."""
        return bool(self._rules)

    def add(self, rule: dict[str, Any]) -> int:
        """Adds a rule, as `sandbox.faults.rule` writes it, and returns its number.

        Raises:
            SandboxError: It is no such rule.
        """
        added = _Rule(checked(rule), self._clock)
        with self._lock:
            number = next(self._numbers)
            self._rules = {**self._rules, number: added}
        return number

    def counts(self, number: int) -> dict[str, Any]:
        """Returns how many calls fit a rule (`calls`), and those that met its fault (`hits`).

        Raises:
            SandboxError: There is no such rule, or it has been removed.
        """
        with self._lock:
            return self._rule(number).counts()

    def remove(self, number: int) -> dict[str, Any]:
        """Removes a rule, and returns its counts.

        Raises:
            SandboxError: There is no such rule, or it has been removed.
        """
        with self._lock:
            counts = self._rule(number).counts()
            self._rules = {other: rule for other, rule in self._rules.items() if other != number}
        return counts

    def meet(self, call: Call) -> Fault | None:
        """Returns what happens to a call, and counts it. None means nothing."""
        with self._lock:
            return next((rule.fault for rule in self._rules.values() if rule.hits(call)), None)

    def _rule(self, number: int) -> _Rule:
        if number not in self._rules:
            raise SandboxError(f"there is no fault {number}: it has ended")
        return self._rules[number]


class _Rule:
    """A fault, and the calls that meet it."""

    def __init__(self, rule: dict[str, Any], clock: Callable[[], float]) -> None:
        self.fault = from_json(rule["fault"])
        self._rule = rule
        self._random = random.Random(rule["seed"])  # noqa: S311 (no secret)
        self._clock = clock
        self._end = None if rule["seconds"] is None else clock() + rule["seconds"]
        self._calls = 0
        self._hits: list[Hit] = []

    def counts(self) -> dict[str, Any]:
        return {"calls": self._calls, "hits": [asdict(hit) for hit in self._hits]}

    def hits(self, call: Call) -> bool:
        """Returns whether a call meets the fault, and counts it."""
        if not self._fits(call):
            return False
        self._calls += 1
        # For each call, so that the choice depends on nothing but the number of the call.
        chosen = self._random.random() < self._rule["share"]
        times = self._rule["times"]
        if (
            not chosen
            or self._calls <= self._rule["skip"]
            or (times is not None and len(self._hits) >= times)
            or (self._end is not None and self._clock() >= self._end)
        ):
            return False
        self._hits.append(Hit(call.service, call.operation, call.caller, call.function))
        return True

    def _fits(self, call: Call) -> bool:
        part = self._rule["function"]
        return (
            self._rule["service"] in (None, call.service)
            and self._rule["operation"] in (None, call.operation)
            and self._rule["caller"] in (None, call.caller)
            and (part is None or part in (call.function or ""))
            and (not isinstance(self.fault, KillWorker) or call.process_id is not None)
            and (not isinstance(self.fault, Interrupt) or call.interruptible)
        )
