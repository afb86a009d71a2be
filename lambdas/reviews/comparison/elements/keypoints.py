"""crowd-keypoint: points on an image. Two are of the same thing if they are within 5 % of its diagonal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.elements import Part
from lambdas.reviews.comparison.elements.drawn import Drawn, ImageProperties
from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

# Points are the same if they are within 5 % of the image's diagonal, unmoved within 1 %.
SAME_DISTANCE = 0.05
UNMOVED_DISTANCE = 0.01
# The diagonal, in pixels, of an image of unknown size.
ASSUMED_DIAGONAL = 1000.0


class WrittenKeypoint(Part):
    """A point with a label, in pixels from the image's top left corner."""

    x: FiniteFloat
    y: FiniteFloat
    label: str


class Keypoints(Drawn):
    """Points."""

    kind = "keypoint"

    keypoints: list[WrittenKeypoint]
    input_image_properties: ImageProperties | None = None

    @override
    def shapes(self) -> list[tuple[Keypoint, dict[str, Any]]]:
        size = self.input_image_properties
        diagonal = math.hypot(size.width, size.height) if size else 0.0
        return [
            (Keypoint(point.label, point.x, point.y, diagonal), point.model_extra or {})
            for point in self.keypoints
        ]


@dataclass(frozen=True, slots=True)
class Keypoint(Shape):
    """A point, in pixels; `diagonal` is that of the image, 0 if its size is not known."""

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
    def extent_down(self) -> tuple[float, float]:
        reach = (self.diagonal or ASSUMED_DIAGONAL) * SAME_DISTANCE
        return self.y - reach, self.y + reach

    @override
    def likeness(self, other: Keypoint) -> float:
        return max(1.0 - self._distance(other) / SAME_DISTANCE, 0.0)

    @override
    def unmoved(self, other: Keypoint) -> bool:
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
