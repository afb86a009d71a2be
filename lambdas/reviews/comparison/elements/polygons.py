"""crowd-polygon: outlines on an image. Two are of the same thing if they overlap by half."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import Area, ratio
from lambdas.reviews.comparison.elements import Part
from lambdas.reviews.comparison.elements.drawn import Drawn, ImageProperties

if TYPE_CHECKING:
    from collections.abc import Sequence

# Outlines are measured along so many lines across them.
SCAN_LINES = 256


class WrittenCorner(Part):
    """A corner, in pixels from the image's top left corner."""

    x: FiniteFloat
    y: FiniteFloat


class WrittenPolygon(Part):
    """An outline with a label."""

    label: str
    vertices: list[WrittenCorner]


class Polygons(Drawn):
    """Outlines."""

    kind = "polygon"

    polygons: list[WrittenPolygon]
    input_image_properties: ImageProperties | None = None

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
    """An outline, by its corners in pixels."""

    label: str
    corners: tuple[tuple[float, float], ...]

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return min((x for x, _ in self.corners), default=0.0), max((x for x, _ in self.corners), default=0.0)

    @property
    @override
    def extent_down(self) -> tuple[float, float]:
        return min((y for _, y in self.corners), default=0.0), max((y for _, y in self.corners), default=0.0)

    @override
    def overlap(self, other: Polygon) -> float:
        if self.corners == other.corners:
            return 1.0
        heights = [y for _, y in (*self.corners, *other.corners)]
        low, high = min(heights), max(heights)
        if not 0 < (high - low) / SCAN_LINES < math.inf:
            return 0.0  # flat, or beyond all numbers
        shared = whole = 0.0
        for mine, theirs in zip(self._crossings(low, high), other._crossings(low, high), strict=True):
            both = _length_of_both(mine, theirs)
            shared += both
            whole += _length(mine) + _length(theirs) - both
        return ratio(shared, whole, equal=False)

    @override
    def middle(self, shapes: Sequence[Polygon]) -> Polygon:
        """Returns the one that overlaps the others most."""
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        return max(ordered, key=lambda shape: sum(shape.overlap(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}

    def _crossings(self, low: float, high: float) -> list[list[float]]:
        """Returns where the outline crosses each line between two heights, from left to right.

        Inside is between the 1st and the 2nd place, the 3rd and the 4th, and so on.
        """
        lines: list[list[float]] = [[] for _ in range(SCAN_LINES)]
        step = (high - low) / SCAN_LINES
        for (x1, y1), (x2, y2) in pairwise((*self.corners, *self.corners[:1])):
            # The first line above either end. It depends on the corner alone: what an edge enters, the next leaves.
            first, after = (min(math.ceil((y - low) / step - 0.5), SCAN_LINES) for y in sorted((y1, y2)))
            for line in range(first, after):
                part = (low + (line + 0.5) * step - y1) / (y2 - y1)
                lines[line].append(x1 + (x2 - x1) * min(max(part, 0.0), 1.0))
        for places in lines:
            places.sort()
        return lines


def _length(crossings: list[float]) -> float:
    return sum(right - left for left, right in zip(crossings[::2], crossings[1::2], strict=True))


def _length_of_both(ours: list[float], theirs: list[float]) -> float:
    """Returns how much of a line lies within two outlines."""
    length, mine, other = 0.0, 0, 0
    while mine < len(ours) and other < len(theirs):
        left, right = max(ours[mine], theirs[other]), min(ours[mine + 1], theirs[other + 1])
        length += max(right - left, 0.0)
        if ours[mine + 1] < theirs[other + 1]:
            mine += 2
        else:
            other += 2
    return length
