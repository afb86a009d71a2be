"""The choices that make one schedule: drawn from a seed, recorded, and replayed from a list.

The choice 0 is always the simplest one: the same actor continues, no fault, nothing more happens. A list that ends
early is continued with zeros. So a failing schedule becomes shorter by leaving choices out or by setting them to 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["Choices", "shrunk"]

T = TypeVar("T")


class Choices:
    """The choices of a schedule.

    Args:
        seed: Draws new choices.
        replay: Uses these choices instead, and zeros after them.
    """

    def __init__(self, seed: int, replay: Sequence[int] | None = None) -> None:
        self._random = random.Random(seed)
        self._replay = replay
        self.made: list[int] = []

    def index(self, number: int, *, zero: float = 0.0) -> int:
        """Returns a choice from 0 to `number` - 1. `zero` is the probability of 0 beyond its equal share."""
        if number <= 1:
            return 0
        if self._replay is None:
            one = 0 if zero and self._random.random() < zero else self._random.randrange(number)
        else:
            place = len(self.made)
            one = min(self._replay[place], number - 1) if place < len(self._replay) else 0
        self.made.append(one)
        return one

    def of(self, options: Sequence[T], *, zero: float = 0.0) -> T:
        """Returns one of the options. The first is the simplest."""
        return options[self.index(len(options), zero=zero)]

    def chance(self, probability: float) -> bool:
        """Returns True with this probability."""
        return self.index(2, zero=1 - 2 * probability) == 1 if probability < 0.5 else self.index(2) == 1


def shrunk(choices: list[int], fails: Callable[[list[int]], list[int] | None], *, tries: int) -> list[int]:
    """Returns shorter and simpler choices that still fail.

    Args:
        choices: Choices that fail.
        fails: Runs a schedule; returns the choices that it made if it fails in the same way, otherwise None.
        tries: The most schedules to run.
    """
    best = choices
    size = len(best) // 2
    while size and tries > 0:
        start = 0
        while start < len(best) and tries > 0:
            removed = best[:start] + best[start + size :]
            zeroed = best[:start] + [0] * len(best[start : start + size]) + best[start + size :]
            candidates = [removed] if not any(best[start : start + size]) else [removed, zeroed]
            for candidate in candidates:
                tries -= 1
                made = fails(candidate)
                if made is not None:
                    best = _trimmed(candidate)
                    break
            else:
                start += size
        size //= 2
    return best


def _trimmed(choices: list[int]) -> list[int]:
    end = len(choices)
    while end and choices[end - 1] == 0:
        end -= 1
    return choices[:end]
