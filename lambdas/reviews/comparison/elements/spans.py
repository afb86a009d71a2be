"""crowd-entity-annotation: spans of a text. Two spans mark the same entity if they overlap.

Reference:
    same: The label, the start and the end are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.alignment import ratio
from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn
from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence


class WrittenSpan(Part):
    """A span from the first character to the one after the last, counted from 0."""

    label: Label
    start_offset: int
    end_offset: int


class Entities(Drawn):
    """Spans."""

    kind = "span"
    nothing_is_an_answer = True

    entities: list[WrittenSpan]

    @override
    def shapes(self) -> list[tuple[Span, dict[str, Any]]]:
        return [
            (Span(entity.label, entity.start_offset, entity.end_offset), entity.model_extra or {})
            for entity in self.entities
        ]


@dataclass(frozen=True, slots=True)
class Span(Shape):
    """A part of a text: from the first character to the one after the last."""

    label: str
    start: int
    end: int

    @property
    @override
    def vote_value(self) -> Any:
        return self.to_dict()  # unlike shapes on an image, spans of two workers can be equal

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return min(self.start, self.end), max(self.start, self.end)

    @override
    def similarity(self, other: Span) -> float:
        shared = max(min(self.end, other.end) - max(self.start, other.start), 0)
        whole = (self.end - self.start) + (other.end - other.start) - shared
        return ratio(shared, whole, equal=self.is_unmoved(other))

    @override
    def is_unmoved(self, other: Span) -> bool:
        return (self.start, self.end) == (other.start, other.end)

    @override
    def middle(self, shapes: Sequence[Span]) -> Span:
        return shapes[0]

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "startOffset": self.start, "endOffset": self.end}
