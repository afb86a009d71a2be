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
from dataclasses import dataclass, field
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
MAX_CORNERS = 32
"""Of a line with more corners, the same number of points on it are taken for its corners."""

SPREAD = 8
"""How many samples of a line are between two that are measured one after the other."""

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
    _course: _Course = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_course", _Course(self.corners))

    @property
    @override
    def effort(self) -> int:
        return 5 + 10 * len(self._course.parts)

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return self._reach(self._course.across)

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return self._reach(self._course.down)

    @override
    def is_near(self, other: Line) -> bool:
        return self._surrounds(other) and other._surrounds(self)

    @override
    def similarity(self, other: Line) -> float:
        return max(1.0 - self._distance(other, SAME_DISTANCE) / SAME_DISTANCE, 0.0)

    @override
    def is_unmoved(self, other: Line) -> bool:
        return self._distance(other, UNMOVED_DISTANCE) <= UNMOVED_DISTANCE

    @override
    def middle(self, shapes: Sequence[Line]) -> Line:
        """Returns the line that is closest to the others."""
        # Sorted, so that the order of the workers does not decide a tie.
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        if len(ordered) < 3:
            return ordered[0]  # the distance of two is that of both
        return min(ordered, key=lambda shape: sum(shape._distance(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}

    def _reach(self, side: tuple[float, float]) -> tuple[float, float]:
        # A mean distance within the limit does not need extents that overlap, but lines that are far apart have none.
        reach = (self.diagonal or ASSUMED_DIAGONAL) * SAME_DISTANCE
        return side[0] - reach, side[1] + reach

    def _surrounds(self, other: Line) -> bool:
        """Whether the middle of the other line is within reach of the rectangle around this one.

        If it is not, the mean distance is larger: no line leaves its rectangle.
        """
        if self.diagonal < other.diagonal:
            return True  # the larger diagonal counts, and so the other line decides
        (left, right), (top, bottom) = self.extent, self.vertical_extent
        x, y = other._course.middle
        return left <= x <= right and top <= y <= bottom

    def _distance(self, other: Line, most: float = math.inf) -> float:
        """Returns the distance as a part of the diagonal; infinite if it cannot be computed, or is above `most`."""
        if set(self.corners) == set(other.corners) and self.corners in (other.corners, other.corners[::-1]):
            return 0.0
        diagonal = max(self.diagonal, other.diagonal) or ASSUMED_DIAGONAL
        one, two = self._course, other._course
        if not one.points or not two.points:
            return math.inf
        there = one.mean_distance(two, most * diagonal)
        distance = (
            max(there, two.mean_distance(one, most * diagonal)) / diagonal if there < math.inf else there
        )
        return distance if distance >= 0 else math.inf  # not a number, after an overflow


class _Course:
    """What comparisons need to know of a line, computed once."""

    __slots__ = ("across", "down", "middle", "parts", "points")

    def __init__(self, corners: Sequence[Corner]) -> None:
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        self.across = min(xs, default=0.0), max(xs, default=0.0)
        self.down = min(ys, default=0.0), max(ys, default=0.0)
        points = _points(corners)
        few = corners if len(corners) <= MAX_CORNERS else points
        self.parts = [
            (x1, y1, x2 - x1, y2 - y1, (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
            for (x1, y1), (x2, y2) in list(pairwise(few)) or [(corner, corner) for corner in few[:1]]
        ]
        # Points from all parts of the line come first, so that a line that is too far away is soon seen to be.
        self.points = [point for start in range(SPREAD) for point in points[start::SPREAD]]
        count = len(points) or 1
        self.middle = sum(x for x, _ in points) / count, sum(y for _, y in points) / count

    def mean_distance(self, other: _Course, most: float) -> float:
        """Returns the mean distance of the points of this line from the other; infinite if it is above `most`."""
        total, limit = 0.0, most * len(self.points) * 1.001  # sums of floats are rounded
        for x, y in self.points:
            nearest = math.inf
            for start_x, start_y, across, down, squared in other.parts:
                x_apart, y_apart = x - start_x, y - start_y
                part = (x_apart * across + y_apart * down) / squared if squared else 0.0
                if part > 0.0:
                    part = min(part, 1.0)
                    x_apart -= part * across
                    y_apart -= part * down
                apart = x_apart * x_apart + y_apart * y_apart
                if apart < nearest:
                    nearest = apart
            total += math.sqrt(nearest)
            if total > limit:
                return math.inf
        return total / len(self.points)


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
