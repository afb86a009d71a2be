"""Boxes, spans, points and outlines: how alike two of them are, and which ones mean the same thing.

Shapes have no names, so they are matched: the ones most alike first, those of the same label before
others, each to one only. The order in which they come makes no difference, nor which side is which.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Boxes and outlines are of the same thing if they overlap by half (intersection over union, as COCO has it),
# and unmoved if they overlap by nine tenths: what is less than that was dragged, not only touched.
SAME_OVERLAP = 0.5
UNMOVED_OVERLAP = 0.9
# Points are the same if they are within 5 % of the image's diagonal, unmoved within 1 %.
SAME_DISTANCE = 0.05
UNMOVED_DISTANCE = 0.01
# The diagonal, in pixels, of an image of unknown size.
ASSUMED_DIAGONAL = 1000.0
# Outlines are measured along so many lines across them.
SCAN_LINES = 256


@dataclass(frozen=True, slots=True)
class Box(Shape):
    """A rectangle, in pixels."""

    kind = "box"
    label: str
    left: float
    top: float
    width: float
    height: float

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return self.left, self.left + self.width

    @property
    @override
    def extent_down(self) -> tuple[float, float]:
        return self.top, self.top + self.height

    @override
    def likeness(self, other: Box) -> float:
        overlap = self._overlap(other)
        return overlap if overlap >= SAME_OVERLAP else 0.0

    @override
    def unmoved(self, other: Box) -> bool:
        return self._overlap(other) >= UNMOVED_OVERLAP

    @override
    def middle(self, shapes: Sequence[Box]) -> Box:
        return Box(
            self.label,
            *(median(getattr(box, side) for box in shapes) for side in ("left", "top", "width", "height")),
        )

    @override
    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "left": self.left,
            "top": self.top,
            "width": self.width,
            "height": self.height,
        }

    def _overlap(self, other: Box) -> float:
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(across, 0.0) * max(down, 0.0)
        whole = self.width * self.height + other.width * other.height - shared
        return _ratio(shared, whole, equal=replace(other, label=self.label) == self)


@dataclass(frozen=True, slots=True)
class Span(Shape):
    """A part of a text: from the first character to the one after the last."""

    kind = "span"
    label: str
    start: int
    end: int

    @property
    @override
    def ballot(self) -> Any:
        return self.to_dict()  # a span is exact

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return min(self.start, self.end), max(self.start, self.end)

    @override
    def likeness(self, other: Span) -> float:
        shared = max(min(self.end, other.end) - max(self.start, other.start), 0)
        whole = (self.end - self.start) + (other.end - other.start) - shared
        return _ratio(shared, whole, equal=self.unmoved(other))

    @override
    def unmoved(self, other: Span) -> bool:
        return (self.start, self.end) == (other.start, other.end)

    @override
    def middle(self, shapes: Sequence[Span]) -> Span:
        return shapes[0]

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "startOffset": self.start, "endOffset": self.end}


@dataclass(frozen=True, slots=True)
class Spot(Shape):
    """A point, in pixels; `diagonal` is that of the image, 0 if its size is not known."""

    kind = "keypoint"
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
    def likeness(self, other: Spot) -> float:
        return max(1.0 - self._distance(other) / SAME_DISTANCE, 0.0)

    @override
    def unmoved(self, other: Spot) -> bool:
        return self._distance(other) <= UNMOVED_DISTANCE

    @override
    def middle(self, shapes: Sequence[Spot]) -> Spot:
        x, y = median(spot.x for spot in shapes), median(spot.y for spot in shapes)
        return Spot(self.label, x, y, max(spot.diagonal for spot in shapes))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "x": self.x, "y": self.y}

    def _distance(self, other: Spot) -> float:
        diagonal = max(self.diagonal, other.diagonal) or ASSUMED_DIAGONAL
        return math.hypot(self.x - other.x, self.y - other.y) / diagonal


@dataclass(frozen=True, slots=True)
class Outline(Shape):
    """A polygon, by its corners in pixels."""

    kind = "polygon"
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
    def likeness(self, other: Outline) -> float:
        overlap = self._overlap(other)
        return overlap if overlap >= SAME_OVERLAP else 0.0

    @override
    def unmoved(self, other: Outline) -> bool:
        return self._overlap(other) >= UNMOVED_OVERLAP

    @override
    def middle(self, shapes: Sequence[Outline]) -> Outline:
        """Returns the one that overlaps the others most."""
        ordered = sorted(shapes, key=lambda shape: shape.corners)
        return max(ordered, key=lambda shape: sum(shape._overlap(other) for other in ordered))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "vertices": [{"x": x, "y": y} for x, y in self.corners]}

    def _overlap(self, other: Outline) -> float:
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
        return _ratio(shared, whole, equal=False)

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


def align(
    predicted: Sequence[Shape], said: Sequence[Sequence[Shape]]
) -> list[tuple[int | None, list[Shape | None]]]:
    """Returns which shapes mean the same thing.

    Args:
        predicted: The model's.
        said: Each worker's.

    Returns:
        For each thing, the index of the prediction (None if the model did not see it) and each worker's
        shape (None if the worker drew none): first the predictions in their order, then the others.
    """
    rows: list[tuple[int | None, list[Shape | None]]] = [
        (index, [None] * len(said)) for index in range(len(predicted))
    ]
    left: list[tuple[int, Shape]] = []
    for worker, shapes in enumerate(said):
        matched = dict(match(shapes, predicted))
        for index, shape in enumerate(shapes):
            if index in matched:
                rows[matched[index]][1][worker] = shape
            else:
                left.append((worker, shape))
    rows += [(None, group) for group in _groups(left, len(said))]
    return rows


def match(ours: Sequence[Shape], theirs: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Yields the pairs of indices of shapes that mean the same thing."""
    free_ours, free_theirs = set(range(len(ours))), set(range(len(theirs)))
    for _, mine, other in sorted(
        (_closeness(ours[mine], theirs[other]), mine, other) for mine, other in _touching(ours, theirs)
    ):
        if mine in free_ours and other in free_theirs:
            free_ours.remove(mine)
            free_theirs.remove(other)
            yield mine, other


def _groups(left: Sequence[tuple[int, Shape]], workers: int) -> list[list[Shape | None]]:
    """Returns the shapes that no prediction matches, those together that mean the same: one a worker."""
    shapes = [shape for _, shape in left]
    group = {index: {worker: index} for index, (worker, _) in enumerate(left)}
    pairs = [
        (_closeness(shapes[one], shapes[other]), one, other)
        for one, other in _touching(shapes, shapes)
        if one < other
    ]
    for _, one, other in sorted(pairs):
        if group[one] is not group[other] and not group[one].keys() & group[other].keys():
            group[one] |= group[other]
            for member in group[other].values():
                group[member] = group[one]
    distinct = {id(members): members for members in group.values()}
    made = [
        [shapes[members[worker]] if worker in members else None for worker in range(workers)]
        for members in distinct.values()
    ]
    return sorted(made, key=lambda row: sorted(repr(shape) for shape in row if shape))


def _closeness(one: Shape, other: Shape) -> tuple[bool, float, list[str]]:
    """Returns a sort key: same label first, then the most alike, then by what they are and not by their order."""
    return one.label != other.label, -one.likeness(other), sorted((repr(one), repr(other)))


def _touching(ours: Sequence[Shape], theirs: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Yields the pairs of indices of shapes that are alike at all, found by a sweep along their extents.

    Only shapes that reach each other both ways are measured, which is what takes long.
    """
    sides = (ours, theirs)
    across = [[shape.extent for shape in side] for side in sides]
    down = [[shape.extent_down for shape in side] for side in sides]
    starts = sorted((start, side, index) for side in (0, 1) for index, (start, _) in enumerate(across[side]))
    active: tuple[list[int], list[int]] = ([], [])
    for start, side, index in starts:
        far = 1 - side
        active[far][:] = [other for other in active[far] if across[far][other][1] >= start]
        low, high = down[side][index]
        for other in active[far]:
            if (
                down[far][other][0] <= high
                and down[far][other][1] >= low
                and sides[side][index].likeness(sides[far][other]) > 0
            ):
                yield (index, other) if side == 0 else (other, index)
        active[side].append(index)


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


def _ratio(part: float, whole: float, equal: bool) -> float:
    """Returns part / whole; for what has no size, whether it is equal. Overflown numbers are not alike."""
    if not whole > 0:
        return float(equal)
    ratio = part / whole
    return min(ratio, 1.0) if ratio >= 0 else 0.0
