"""The kinds of schedules, each with its own seeds, so that a new kind does not change what a seed means."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.console import Console
from tests.faults.deleting import Deleting
from tests.faults.director import Schedule
from tests.faults.many import Many
from tests.faults.racing import Racing
from tests.faults.repeated import Repeated
from tests.faults.restored import Restored
from tests.faults.undelivered import Undelivered

__all__ = ["ANYTHING", "KINDS", "RACES", "Kind", "schedule_of"]


@dataclass(frozen=True)
class Kind:
    """Schedules that have something in common.

    Attributes:
        name: What happens in them.
        first: The seed of the first one.
        run: Runs one.
        share: How many there are for each schedule in which anything happens.
    """

    name: str
    first: int
    run: type[Schedule]
    share: float = 0.1


ANYTHING = Kind("anything", 0, Schedule, 1.0)
RACES = Kind("a race", 20_000, Racing)
KINDS = (
    ANYTHING,
    RACES,
    Kind("Redrive in the console", 30_000, Console),
    Kind("events that are not delivered", 40_000, Undelivered),
    Kind("commands on many loops", 50_000, Many),
    Kind("a deleted loop", 60_000, Deleting),
    Kind("a ledger that is restored", 70_000, Restored),
    Kind("events that are repeated", 80_000, Repeated),
)


def schedule_of(seed: int, replay: list[int] | None = None) -> Schedule:
    """Returns the schedule of a seed.

    Args:
        seed: The seed.
        replay: The choices, instead of what the seed draws.
    """
    kind = max((one for one in KINDS if one.first <= seed), key=lambda one: one.first)
    return kind.run(seed, replay)
