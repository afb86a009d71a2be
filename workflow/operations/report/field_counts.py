"""Counts fields by name, with a limit for the number of names.

The keys of a form are free text, so their number has no limit. When there are too many, the names with the fewest
fields make room, and what was counted for them is counted together. So a name that occurs often is counted, whenever it
first occurred. A name that comes back after it made room starts anew. What it can have lost is bounded, as in lossy
counting (G. S. Manku and R. Motwani, 2002, Approximate frequency counts over data streams, VLDB).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from lambdas.reviews.record import Outcome
from workflow.operations.report.estimation import ClusterSums
from workflow.operations.report.figures import OTHER_FIELDS, FieldFigures, FieldName, Share

__all__ = ["MAX_FIELD_NAMES", "FieldCounts", "NameCounts"]

MAX_FIELD_NAMES = 20_000
"""How many field names are counted separately. When there are twice as many, half of them make room."""


@dataclass(slots=True)
class NameCounts:
    """The counts of the fields with one name.

    Attributes:
        outcomes: Fields by outcome.
        overruled: The judged predictions by review; y is those that are wrong.
        shared: The fields with two or more answers by review; y is those in which all answers were the same.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    overruled: ClusterSums = field(default_factory=ClusterSums)
    shared: ClusterSums = field(default_factory=ClusterSums)
    fields: int = 0

    def add(self, other: NameCounts) -> None:
        """Adds the counts of another name."""
        for outcome, number in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number
        self.overruled += other.overruled
        self.shared += other.shared
        self.fields += other.fields


class FieldCounts:
    """Counts by name."""

    def __init__(self) -> None:
        self._names: dict[FieldName, NameCounts] = {}
        self._other = NameCounts()
        self._low_by = 0

    def of(self, flow_definition: str, name: str) -> NameCounts:
        """Returns the counts of a name, to be added to."""
        key = FieldName(flow_definition, name)
        counts = self._names.get(key)
        if counts is None:
            counts = self._names[key] = NameCounts()
        return counts

    def make_room(self) -> None:
        """Merges the names with the fewest fields if there are too many. Counts that `of` returned are then invalid."""
        if len(self._names) < 2 * MAX_FIELD_NAMES:
            return
        ordered = sorted(self._names.items(), key=lambda item: item[1].fields, reverse=True)
        for _, counts in ordered[MAX_FIELD_NAMES:]:
            self._other.add(counts)
        self._low_by += ordered[MAX_FIELD_NAMES][1].fields
        self._names = dict(ordered[:MAX_FIELD_NAMES])

    @property
    def outcomes(self) -> Counter[str]:
        """The fields by outcome."""
        outcomes: Counter[str] = Counter(self._other.outcomes)
        for counts in self._names.values():
            outcomes.update(counts.outcomes)
        return outcomes

    @property
    def not_counted_by_name(self) -> int:
        """The fields that are counted together."""
        return self._other.fields

    @property
    def low_by(self) -> int:
        """At most so many fields of one name are among those that are counted together."""
        return self._low_by

    def figures(self) -> list[FieldFigures]:
        """Returns the figures by name, those with most judged predictions first."""
        counted: Iterable[tuple[FieldName, NameCounts]] = self._names.items()
        if self._other.fields:
            counted = [*counted, (FieldName("", OTHER_FIELDS), self._other)]
        figures = [
            FieldFigures(
                field=name,
                **{outcome: counts.outcomes.get(outcome, 0) for outcome in get_args(Outcome)},
                overruled=share(counts.overruled),
                agreed=share(counts.shared),
            )
            for name, counts in counted
        ]
        return sorted(figures, key=lambda figure: (-figure.overruled.n, figure.field))


def share(sums: ClusterSums) -> Share:
    """Returns the share of counted cases."""
    return Share(int(sums.y), int(sums.x), sums.effective_n)
