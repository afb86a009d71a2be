"""Matches shapes that mark the same object. Boxes, spans, keypoints, polygons and lines have no names.

The most similar pairs are matched first, pairs with the same label before all others, and each shape only once. The
result does not depend on the order of the shapes or of the two sides. Each kind of shape defines its similarity
(`lambdas.reviews.comparison.elements`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAME_OVERLAP = 0.5
"""The intersection over union from which two areas mark the same object, as in the COCO evaluation."""
UNMOVED_OVERLAP = 0.9
"""The intersection over union below which a worker has moved an area, and not only touched it."""


def align(
    predicted: Sequence[Shape], drawn: Sequence[Sequence[Shape]]
) -> list[tuple[int | None, list[Shape | None]]]:
    """Groups the shapes by object.

    Args:
        predicted: The shapes of the model.
        drawn: The shapes of each worker.

    Returns:
        For each object, the index of the prediction (None if the model missed it) and the shape of each worker
        (None if the worker drew none). The predictions come first, in order.
    """
    rows: list[tuple[int | None, list[Shape | None]]] = [
        (index, [None] * len(drawn)) for index in range(len(predicted))
    ]
    left: list[tuple[int, Shape]] = []
    for worker, shapes in enumerate(drawn):
        matched = dict(match(shapes, predicted))
        for index, shape in enumerate(shapes):
            if index in matched:
                rows[matched[index]][1][worker] = shape
            else:
                left.append((worker, shape))
    rows += [(None, group) for group in _groups(left, len(drawn))]
    return rows


def match(first: Sequence[Shape], second: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Yields the indices of shapes that mark the same object, in pairs."""
    unmatched_first, unmatched_second = set(range(len(first))), set(range(len(second)))
    for _, i, j in sorted((_closeness(first[i], second[j]), i, j) for i, j in similar_pairs(first, second)):
        if i in unmatched_first and j in unmatched_second:
            unmatched_first.remove(i)
            unmatched_second.remove(j)
            yield i, j


def similar_pairs(first: Sequence[Shape], second: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Yields the indices of shapes whose similarity is above 0, in pairs.

    Computing a similarity is slow. A sweep along the x axis finds the shapes whose extents overlap on both axes, and
    only their similarity is computed.
    """
    sides = (first, second)
    across = [[shape.extent for shape in side] for side in sides]
    down = [[shape.vertical_extent for shape in side] for side in sides]
    starts = sorted((start, side, index) for side in (0, 1) for index, (start, _) in enumerate(across[side]))
    active: tuple[list[int], list[int]] = ([], [])
    for start, side, index in starts:
        opposite = 1 - side
        active[opposite][:] = [other for other in active[opposite] if across[opposite][other][1] >= start]
        low, high = down[side][index]
        for other in active[opposite]:
            if (
                down[opposite][other][0] <= high
                and down[opposite][other][1] >= low
                and sides[side][index].similarity(sides[opposite][other]) > 0
            ):
                yield (index, other) if side == 0 else (other, index)
        active[side].append(index)


class Area(Shape):
    """A shape with an area. Two areas mark the same object if they overlap by half."""

    __slots__ = ()

    @abstractmethod
    def overlap(self, other: Any) -> float:
        """Returns the intersection over union of the two areas."""

    @override
    def similarity(self, other: Any) -> float:
        overlap = self.overlap(other)
        return overlap if overlap >= SAME_OVERLAP else 0.0

    @override
    def is_unmoved(self, other: Any) -> bool:
        return self.overlap(other) >= UNMOVED_OVERLAP


def ratio(part: float, whole: float, equal: bool) -> float:
    """Returns part / whole. Without a size, 1 if the shapes are equal. If the numbers overflow, 0."""
    if not whole > 0:
        return float(equal)
    ratio = part / whole
    return min(ratio, 1.0) if ratio >= 0 else 0.0


def _groups(left: Sequence[tuple[int, Shape]], workers: int) -> list[list[Shape | None]]:
    """Groups the shapes that match no prediction by object: at most one shape per worker in a group."""
    shapes = [shape for _, shape in left]
    group = {index: {worker: index} for index, (worker, _) in enumerate(left)}
    pairs = [
        (_closeness(shapes[one], shapes[other]), one, other)
        for one, other in similar_pairs(shapes, shapes)
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
    """Returns a sort key: same label first, then the most similar. The `repr` breaks ties, whatever the order."""
    return one.label != other.label, -one.similarity(other), sorted((repr(one), repr(other)))
