"""crowd-polygon: polygons on an image. Two polygons mark the same object if they overlap by half.

Reference:
    same: The label is the same, and the polygons overlap by 90 % (intersection over union), or the answer has
        `initialValueModified` false.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import Area, ratio
from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

SCAN_LINES = 128
"""The least number of horizontal lines along which two areas are measured; at most twice as many. More lines are more
exact, and slower."""
MAX_CROSSINGS = 4_096
"""How often the outline of a polygon crosses all these lines, before they become fewer. A simple shape crosses each
line twice; an outline that goes up and down thousands of times would take minutes."""
FEWEST_LINES = 8
"""The least number of lines even so."""


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
    _measures: _Measures = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_measures", _Measures(self.corners))

    @property
    @override
    def effort(self) -> int:
        return self._measures.effort

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return self._measures.across

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return self._measures.down

    @override
    def overlap(self, other: Polygon) -> float:
        if self.corners == other.corners:
            return 1.0
        one, two = self._measures, other._measures
        height = max(one.down[1], two.down[1]) - min(one.down[0], two.down[0])
        if not 0 < height / SCAN_LINES < math.inf:
            return 0.0  # no height, or an overflow
        # With steps of powers of 2, the lines of a polygon are the same in comparisons with nearly all others.
        fewest = max(height / SCAN_LINES, one.climb / MAX_CROSSINGS, two.climb / MAX_CROSSINGS)
        exponent = math.frexp(min(fewest, height / FEWEST_LINES))[1] - 1
        first, second = one.slices(exponent), two.slices(exponent)
        shared = first.shared(second)
        return ratio(shared, first.whole + second.whole - shared, equal=False)

    @override
    def middle(self, shapes: Sequence[Polygon]) -> Polygon:
        """Returns the polygon that overlaps the others most."""
        # Sorted, so that the order of the workers does not decide a tie.
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        if len(ordered) < 3:
            return ordered[0]  # the overlap of two is that of both
        return max(ordered, key=lambda shape: sum(shape.overlap(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}


class _Measures:
    """What comparisons need to know of a polygon, computed once."""

    __slots__ = ("_slices", "across", "climb", "corners", "down", "effort")

    def __init__(self, corners: Sequence[tuple[float, float]]) -> None:
        self.corners = corners
        across, down = [x for x, _ in corners], [y for _, y in corners]
        self.across = min(across, default=0.0), max(across, default=0.0)
        self.down = min(down, default=0.0), max(down, default=0.0)
        self.climb = sum(abs(y2 - y1) for y1, y2 in pairwise((*down, *down[:1])))
        """How far the outline goes up and down."""
        height = self.down[1] - self.down[0]
        crossings = SCAN_LINES * self.climb / height if 0 < height < math.inf else 0.0
        self.effort = 30 + int(min(crossings, MAX_CROSSINGS) / 4) if crossings < math.inf else MAX_CROSSINGS
        self._slices: dict[int, _Slices] = {}

    def slices(self, exponent: int) -> _Slices:
        """Returns the lines inside the polygon, with a distance of 2 to the power of the exponent."""
        found = self._slices.get(exponent)
        if found is None:
            found = self._slices[exponent] = _Slices(self.corners, self.down, math.ldexp(1.0, exponent))
        return found


class _Slices:
    """Where a polygon crosses horizontal scan lines, from left to right.

    The inside is between the 1st and the 2nd crossing, the 3rd and the 4th, and so on (even-odd rule).
    """

    __slots__ = ("first", "lines", "sides", "whole")

    def __init__(
        self, corners: Sequence[tuple[float, float]], down: tuple[float, float], step: float
    ) -> None:
        self.first = _line_after(down[0], step)
        self.lines = [array("d") for _ in range(_line_after(down[1], step) - self.first)]
        for (x1, y1), (x2, y2) in pairwise((*corners, *corners[:1])):
            # The first scan line after each end depends only on the corner, which two edges share. So a line crosses
            # exactly one of them, and the number of crossings is even.
            start, end = (_line_after(y, step) for y in sorted((y1, y2)))
            for line in range(start, end):
                part = ((line + 0.5) * step - y1) / (y2 - y1)
                self.lines[line - self.first].append(x1 + (x2 - x1) * min(max(part, 0.0), 1.0))
        self.lines = [
            line if len(line) == 2 and line[0] <= line[1] else array("d", sorted(line)) for line in self.lines
        ]
        self.whole = sum(sum(line[1::2]) - sum(line[::2]) for line in self.lines)
        self.sides: tuple[array[float], array[float]] | None = None
        """The left and the right crossings, if each line has only two."""
        if all(len(line) == 2 for line in self.lines):
            self.sides = (
                array("d", [line[0] for line in self.lines]),
                array("d", [line[1] for line in self.lines]),
            )
            self.lines = []

    def shared(self, other: _Slices) -> float:
        """Returns the length of the scan lines inside both polygons."""
        first = max(self.first, other.first)
        if self.sides and other.sides:
            (left, right), (other_left, other_right) = self.sides, other.sides
            at, other_at = first - self.first, first - other.first
            lengths = [
                (one_right if one_right < two_right else two_right)
                - (one_left if one_left > two_left else two_left)
                for one_left, one_right, two_left, two_right in zip(
                    left[at:], right[at:], other_left[other_at:], other_right[other_at:], strict=False
                )
            ]
            return sum(length for length in lengths if length > 0)
        last = min(self.last, other.last)
        return sum(_length_of_both(self.line(line), other.line(line)) for line in range(first, last))

    @property
    def last(self) -> int:
        """The scan line after the last one."""
        return self.first + (len(self.sides[0]) if self.sides else len(self.lines))

    def line(self, line: int) -> Sequence[float]:
        """Returns the crossings of a line."""
        at = line - self.first
        return (self.sides[0][at], self.sides[1][at]) if self.sides else self.lines[at]


def _line_after(height: float, step: float) -> int:
    return math.ceil(height / step - 0.5)


def _length_of_both(first: Sequence[float], second: Sequence[float]) -> float:
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
