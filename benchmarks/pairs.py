"""Runs subjects in turns and compares their times as ratios.

The subjects run A B A B …, so whatever else the machine does slows both alike. Each ratio is that of two
runs next to each other. Ratios can be compared between machines; seconds cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles

__all__ = ["Ratio", "in_turns", "timed"]


@dataclass(frozen=True)
class Ratio:
    """How many times as long one subject takes as another.

    Attributes:
        median: Of the ratios of all rounds.
        low: The first quartile.
        high: The third quartile.
        rounds: How many rounds there were.
    """

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, times: list[float], baseline: list[float]) -> Ratio:
        """Returns the ratio of two results of `in_turns`, round by round."""
        ratios = [own / other for own, other in zip(times, baseline, strict=True)]
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        return cls(median(ratios), low, high, len(ratios))

    def __str__(self) -> str:
        """Returns the median and the spread: `2.81 (middle half 2.74 to 2.90, 5 rounds)`."""
        return f"{self.median:.2f} (middle half {self.low:.2f} to {self.high:.2f}, {self.rounds} rounds)"


def in_turns(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs each subject once per round.

    A first run of each is not counted: it compiles modules and fills caches.

    Args:
        subjects: Name → function that runs the subject once and returns its seconds. `timed` makes one.
        rounds: How often, 2 or more.

    Returns:
        Name → seconds, in the order of the rounds.
    """
    for run in subjects.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, run in subjects.items():
            times[name].append(run())
    return times


def timed(action: Callable[[], object], repeats: int = 1) -> Callable[[], float]:
    """Returns a function that runs an action and returns its seconds.

    Args:
        action: What to time.
        repeats: How often to run it within one measurement, for actions of a few milliseconds.
    """

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            action()
        return time.perf_counter() - start

    return seconds
