"""crowd-line, crowd-polyline: lines on an image. Two lines mark the same object within 5 % of the image's diagonal.

The distance of two lines is the mean distance of the points of one line from the other line; of the two directions, the
larger. Where a line begins does not matter, nor how many corners it has.

Source: M.-P. Dubuisson and A. K. Jain, "A modified Hausdorff distance for object matching", ICPR 1994.

Reference:
    same: The label is the same, and the distance is at most 1 % of the image's diagonal, or the answer has
        `initialValueModified` false. The distance is the mean distance of the points of one line from the other; of the
        two directions, the larger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn
from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_DISTANCE = 0.05
"""The distance, as a part of the image's diagonal, up to which two lines mark the same object."""
UNMOVED_DISTANCE = 0.01
"""The distance up to which a line was not moved."""
ASSUMED_DIAGONAL = 1000.0
"""The diagonal, in pixels, of an image of unknown size."""
SAMPLES = 32
"""The number of points of a line whose distance is measured. More points are more exact, and slower."""

Corner = tuple[float, float]


class WrittenCorner(Part):
    """A corner, in pixels from the image's top left corner."""

    x: FiniteFloat
    y: FiniteFloat


class WrittenLine(Part):
    """A line with a label. Its first and last corner are its ends."""

    label: Label
    vertices: list[WrittenCorner]


class Lines(Drawn):
    """Lines, each with two or more corners."""

    kind = "line"

    lines: list[WrittenLine] | None = None
    polylines: list[WrittenLine] | None = None

    @override
    def shapes(self) -> list[tuple[Line, dict[str, Any]]]:
        return [
            (
                Line(line.label, tuple((corner.x, corner.y) for corner in line.vertices), self.diagonal),
                line.model_extra or {},
            )
            for line in (*(self.lines or ()), *(self.polylines or ()))
        ]


@dataclass(frozen=True, slots=True)
class Line(Shape):
    """A line, by its corners in pixels. `diagonal` is the diagonal of the image; 0 if its size is unknown."""

    label: str
    corners: tuple[Corner, ...]
    diagonal: float = 0.0

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return self._reach([x for x, _ in self.corners])

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return self._reach([y for _, y in self.corners])

    @override
    def similarity(self, other: Line) -> float:
        return max(1.0 - self._distance(other) / SAME_DISTANCE, 0.0)

    @override
    def is_unmoved(self, other: Line) -> bool:
        return self._distance(other) <= UNMOVED_DISTANCE

    @override
    def middle(self, shapes: Sequence[Line]) -> Line:
        """Returns the line that is closest to the others."""
        # Sorted, so that the order of the workers does not decide a tie.
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        return min(ordered, key=lambda shape: sum(shape._distance(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}

    def _reach(self, sides: list[float]) -> tuple[float, float]:
        # A mean distance within the limit does not need extents that overlap, but lines that are far apart have none.
        reach = (self.diagonal or ASSUMED_DIAGONAL) * SAME_DISTANCE
        return min(sides, default=0.0) - reach, max(sides, default=0.0) + reach

    def _distance(self, other: Line) -> float:
        """Returns the distance as a part of the image's diagonal; infinite if it cannot be computed."""
        if set(self.corners) == set(other.corners) and self.corners in (other.corners, other.corners[::-1]):
            return 0.0
        diagonal = max(self.diagonal, other.diagonal) or ASSUMED_DIAGONAL
        one, two = _points(self.corners), _points(other.corners)
        if not one or not two:
            return math.inf
        distance = max(_mean_distance(one, other.corners), _mean_distance(two, self.corners)) / diagonal
        return distance if distance >= 0 else math.inf  # not a number, after an overflow


def _points(corners: Sequence[Corner]) -> list[Corner]:
    """Returns points in the same distance from each other along a line, with both ends."""
    lengths = [math.dist(first, second) for first, second in pairwise(corners)]
    *starts, whole = accumulate(lengths, initial=0.0)
    if not 0 < whole < math.inf:
        return list(corners[:1])
    points, at = [], 0
    for index in range(SAMPLES):
        place = whole * index / (SAMPLES - 1)
        while at < len(lengths) - 1 and starts[at] + lengths[at] < place:
            at += 1
        part = min((place - starts[at]) / lengths[at], 1.0) if lengths[at] else 0.0
        (x1, y1), (x2, y2) = corners[at], corners[at + 1]
        points.append((x1 + (x2 - x1) * part, y1 + (y2 - y1) * part))
    return points


def _mean_distance(points: Sequence[Corner], corners: Sequence[Corner]) -> float:
    """Returns the mean distance of points from a line."""
    parts = list(pairwise(corners)) or [(corners[0], corners[0])]
    return sum(min(_distance_to(point, *part) for part in parts) for point in points) / len(points)


def _distance_to(point: Corner, start: Corner, end: Corner) -> float:
    """Returns the distance of a point from a straight line between two points."""
    across, down = end[0] - start[0], end[1] - start[1]
    squared = across * across + down * down
    part = ((point[0] - start[0]) * across + (point[1] - start[1]) * down) / squared if squared else 0.0
    part = min(max(part, 0.0), 1.0)
    return math.dist(point, (start[0] + part * across, start[1] + part * down))
