"""crowd-keypoint: points on an image. Two points mark the same object within 5 % of the image's diagonal.

Reference:
    same: The label is the same, and the distance is at most 1 % of the image's diagonal, or the answer has
        `initialValueModified` false.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn
from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_DISTANCE = 0.05
"""The distance, as a part of the image's diagonal, up to which two points mark the same object."""
UNMOVED_DISTANCE = 0.01
"""The distance up to which a point was not moved."""
ASSUMED_DIAGONAL = 1000.0
"""The diagonal, in pixels, of an image of unknown size."""


class WrittenKeypoint(Part):
    """A point with a label, in pixels from the image's top left corner."""

    x: FiniteFloat
    y: FiniteFloat
    label: Label


class Keypoints(Drawn):
    """Points."""

    kind = "keypoint"

    keypoints: list[WrittenKeypoint]

    @override
    def shapes(self) -> list[tuple[Keypoint, dict[str, Any]]]:
        return [
            (Keypoint(point.label, point.x, point.y, self.diagonal), point.model_extra or {})
            for point in self.keypoints
        ]


@dataclass(frozen=True, slots=True)
class Keypoint(Shape):
    """A point, in pixels. `diagonal` is the diagonal of the image; 0 if its size is unknown."""

    label: str
    x: float
    y: float
    diagonal: float = 0.0

    @property
    @override
    def extent(self) -> tuple[float, float]:
        reach = (self.diagonal or ASSUMED_DIAGONAL) * SAME_DISTANCE
        return self.x - reach, self.x + reach

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        reach = (self.diagonal or ASSUMED_DIAGONAL) * SAME_DISTANCE
        return self.y - reach, self.y + reach

    @override
    def similarity(self, other: Keypoint) -> float:
        return max(1.0 - self._distance(other) / SAME_DISTANCE, 0.0)

    @override
    def is_unmoved(self, other: Keypoint) -> bool:
        return self._distance(other) <= UNMOVED_DISTANCE

    @override
    def middle(self, shapes: Sequence[Keypoint]) -> Keypoint:
        from statistics import median  # only what several workers drew needs it

        x, y = median(point.x for point in shapes), median(point.y for point in shapes)
        return Keypoint(self.label, x, y, max(point.diagonal for point in shapes))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "x": self.x, "y": self.y}

    def _distance(self, other: Keypoint) -> float:
        diagonal = max(self.diagonal, other.diagonal) or ASSUMED_DIAGONAL
        return math.hypot(self.x - other.x, self.y - other.y) / diagonal
