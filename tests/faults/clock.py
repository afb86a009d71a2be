"""Simulated time for the code under test, and identifiers that a seed reproduces."""

from __future__ import annotations

import datetime as real
import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Clock", "simulated_time"]

_REAL = real.datetime
_PACKAGES = ("lambdas", "workflow.operations")


class Clock:
    """The time of a simulation. It only moves when `advance` or `reach` says so."""

    def __init__(self) -> None:
        self.now = _REAL(2026, 1, 1, tzinfo=real.UTC)
        self.start = self.now

    @property
    def seconds(self) -> float:
        """The seconds since the simulation began."""
        return (self.now - self.start).total_seconds()

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += real.timedelta(seconds=seconds)

    def reach(self, moment: real.datetime) -> None:
        """Lets time pass until a moment, if that is later."""
        self.now = max(self.now, moment)


_clock: list[Clock] = [Clock()]


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL)


class _Datetime(_REAL, metaclass=_Kind):
    """`datetime` whose present is the simulation's."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _clock[0].now.astimezone(tz) if tz else _clock[0].now.replace(tzinfo=None)


@contextmanager
def simulated_time(clock: Clock, seed: int) -> Iterator[None]:
    """Gives the code under test this clock, and UUIDs and shuffles that depend on the seed only."""
    numbers = random.Random(seed)
    state, uuid4 = random.getstate(), uuid.uuid4
    random.seed(seed)
    before, _clock[0] = _clock[0], clock
    uuid.uuid4 = lambda: uuid.UUID(int=numbers.getrandbits(128), version=4)
    modules = [
        module for name, module in sys.modules.items() if name.startswith(_PACKAGES) and module is not None
    ]
    changed = [module for module in modules if getattr(module, "datetime", None) is _REAL]
    for module in changed:
        module.datetime = _Datetime  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in changed:
            module.datetime = _REAL  # type: ignore[attr-defined]
        uuid.uuid4, _clock[0] = uuid4, before
        random.setstate(state)
