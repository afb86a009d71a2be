"""When two values of a field are the same, by the setting `same` of the field.

texts.py       text: case and punctuation are ignored
numbers.py     number: 12.40 is 12.4, and a tolerance
dates.py       date: 1 May 2026 is 2026-05-01
distances.py   distance: at most so many characters differ

Without the setting, or with `exact`, two values are the same if their JSON is equal, and nothing here is imported.

A rule reads single values. If it can read neither of two values, they are compared exactly; if it can read only one,
they differ. Lists and objects are the same if all their parts are. Shapes have their own comparison
(`lambdas.reviews.comparison.values.Shape`): the setting has no effect on them, nor on check boxes.

Sameness with a tolerance is not transitive: with 0.1, 1.0 is 1.1, and 1.1 is 1.2, but 1.0 is not 1.2. Answers of
workers count as one vote if they are the same directly or through another answer. The vote's value is the one that most
of these workers gave exactly, or else the one that is nearest to all. In a tie, it is the first one in the order of
their JSON, so the order of the workers does not matter.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.values import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from lambdas.reviews.rules import FieldSettings


class Sameness(ABC):
    """A rule for two single values."""

    @abstractmethod
    def read(self, text: str) -> Any | None:
        """Returns what the text says, such as a number; None if the rule cannot read it."""

    def read_number(self, number: float) -> Any | None:
        """Returns what a number of JSON says; None if the rule cannot read it."""
        return self.read(as_json(number))

    @abstractmethod
    def between(self, one: Any, other: Any) -> Fraction | int | None:
        """Returns how far apart two values that were read are, from 0; None if they are not the same."""

    def difference(self, one: Any, other: Any) -> Fraction | int | None:
        """Returns how far apart two values of a field are, from 0; None if they are not the same."""
        if isinstance(one, list | tuple) and isinstance(other, list | tuple):
            return self._total(zip(one, other, strict=True)) if len(one) == len(other) else None
        if isinstance(one, dict) and isinstance(other, dict):
            return self._total((one[key], other[key]) for key in one) if one.keys() == other.keys() else None
        if as_json(one) == as_json(other):
            return 0
        first, second = self._read(one), self._read(other)
        return None if first is None or second is None else self.between(first, second)

    def groups(self, values: Sequence[Any], counts: Sequence[int]) -> list[tuple[Any, list[int]]]:
        """Groups different values that are the same, directly or through another value.

        Args:
            values: Values that differ, in a fixed order.
            counts: How many workers gave each value.

        Returns:
            For each group, its value and the indices of all its values.
        """
        every = range(len(values))
        read = [None if isinstance(value, list | tuple | dict) else self._read(value) for value in values]
        apart: list[list[Fraction | int | None]] = [[0] * len(values) for _ in every]
        for one, other in combinations(every, 2):
            apart[one][other] = apart[other][one] = (
                self.difference(values[one], values[other])
                if read[one] is None or read[other] is None
                else self.between(read[one], read[other])
            )
        group = {index: {index} for index in every}
        for one in every:
            for other in every:
                if apart[one][other] is not None and group[one] is not group[other]:
                    group[one] |= group[other]
                    group |= dict.fromkeys(group[other], group[one])

        def preference(one: int) -> tuple[int, int, Fraction | int, int]:
            """Most exact votes first, then the fewest workers who are too far away, then the nearest."""
            others = [(apart[one][other], counts[other]) for other in group[one]]
            far = sum(count for difference, count in others if difference is None)
            return -counts[one], far, sum((difference or 0) * count for difference, count in others), one

        distinct = {min(members): members for members in group.values()}
        return [(values[min(members, key=preference)], sorted(members)) for members in distinct.values()]

    def _read(self, value: Any) -> Any | None:
        if isinstance(value, str):
            return self.read(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return self.read_number(value) if is_number else None

    def _total(self, parts: Any) -> Fraction | int | None:
        total: Fraction | int = 0
        for one, other in parts:
            difference = self.difference(one, other)
            if difference is None:
                return None
            total += difference
        return total


@cache
def sameness_of(settings: FieldSettings) -> Sameness | None:
    """Returns the rule for a field; None for exact comparison. Imports only the module of the rule."""
    match settings.same:
        case "text":
            from lambdas.reviews.comparison.sameness.texts import SameText

            return SameText()
        case "number":
            from lambdas.reviews.comparison.sameness.numbers import SameNumber

            return SameNumber(settings.tolerance, settings.decimal)
        case "date":
            from lambdas.reviews.comparison.sameness.dates import SameDate

            return SameDate(day_first=settings.day_first)
        case "distance":
            from lambdas.reviews.comparison.sameness.distances import SameWithin

            return SameWithin(settings.max_distance or 0)
    return None
