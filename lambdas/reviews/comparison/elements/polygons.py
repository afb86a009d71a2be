"""crowd-polygon: polygons on an image. Two polygons mark the same object if they overlap by half.

Reference:
    same: The label is the same, and the polygons overlap by 90 % (intersection over union), or the answer has
        `initialValueModified` false.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import Area, ratio
from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

SCAN_LINES = 256
"""The number of horizontal lines along which areas are measured. More lines are more exact, and slower."""


class WrittenCorner(Part):
    """A corner, in pixels from the image's top left corner."""

    x: FiniteFloat
    y: FiniteFloat


class WrittenPolygon(Part):
    """A polygon with a label."""

    label: Label
    vertices: list[WrittenCorner]


class Polygons(Drawn):
    """Polygons."""

    kind = "polygon"

    polygons: list[WrittenPolygon]

    @override
    def shapes(self) -> list[tuple[Polygon, dict[str, Any]]]:
        return [
            (
                Polygon(polygon.label, tuple((corner.x, corner.y) for corner in polygon.vertices)),
                polygon.model_extra or {},
            )
            for polygon in self.polygons
        ]


@dataclass(frozen=True, slots=True)
class Polygon(Area):
    """A polygon, by its corners in pixels."""

    label: str
    corners: tuple[tuple[float, float], ...]

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return min((x for x, _ in self.corners), default=0.0), max((x for x, _ in self.corners), default=0.0)

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return min((y for _, y in self.corners), default=0.0), max((y for _, y in self.corners), default=0.0)

    @override
    def overlap(self, other: Polygon) -> float:
        if self.corners == other.corners:
            return 1.0
        heights = [y for _, y in (*self.corners, *other.corners)]
        low, high = min(heights), max(heights)
        if not 0 < (high - low) / SCAN_LINES < math.inf:
            return 0.0  # no height, or an overflow
        shared = whole = 0.0
        for first, second in zip(self._crossings(low, high), other._crossings(low, high), strict=True):
            both = _length_of_both(first, second)
            shared += both
            whole += _length(first) + _length(second) - both
        return ratio(shared, whole, equal=False)

    @override
    def middle(self, shapes: Sequence[Polygon]) -> Polygon:
        """Returns the polygon that overlaps the others most."""
        # Sorted, so that the order of the workers does not decide a tie.
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        return max(ordered, key=lambda shape: sum(shape.overlap(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}

    def _crossings(self, low: float, high: float) -> list[list[float]]:
        """Returns where the polygon crosses each scan line between two heights, from left to right.

        The inside is between the 1st and the 2nd crossing, the 3rd and the 4th, and so on (even-odd rule).
        """
        lines: list[list[float]] = [[] for _ in range(SCAN_LINES)]
        step = (high - low) / SCAN_LINES
        for (x1, y1), (x2, y2) in pairwise((*self.corners, *self.corners[:1])):
            # The first scan line after each end. It depends only on the corner, which two edges share. So a line
            # crosses exactly one of them, and the number of crossings is even.
            first, after = (min(math.ceil((y - low) / step - 0.5), SCAN_LINES) for y in sorted((y1, y2)))
            for line in range(first, after):
                part = (low + (line + 0.5) * step - y1) / (y2 - y1)
                lines[line].append(x1 + (x2 - x1) * min(max(part, 0.0), 1.0))
        for places in lines:
            places.sort()
        return lines


def _length(crossings: list[float]) -> float:
    return sum(right - left for left, right in zip(crossings[::2], crossings[1::2], strict=True))


def _length_of_both(first: list[float], second: list[float]) -> float:
    """Returns the length of a scan line inside both polygons."""
    length, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        left, right = max(first[i], second[j]), min(first[i + 1], second[j + 1])
        length += max(right - left, 0.0)
        if first[i + 1] < second[j + 1]:
            i += 2
        else:
            j += 2
    return length
