"""Which shapes mean the same thing: boxes, spans, points and outlines have no names, so they are matched.

The ones most alike belong together first, those of the same label before others, each to one only. The order in
which they come makes no difference, nor which side is which. How alike two shapes are, each kind of them says:
`lambdas.reviews.comparison.elements`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Areas are of the same thing if they overlap by half (intersection over union, as COCO has it), and unmoved if they
# overlap by nine tenths: what is less than that was dragged, not only touched.
SAME_OVERLAP = 0.5
UNMOVED_OVERLAP = 0.9


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
        (_closeness(ours[mine], theirs[other]), mine, other) for mine, other in touching(ours, theirs)
    ):
        if mine in free_ours and other in free_theirs:
            free_ours.remove(mine)
            free_theirs.remove(other)
            yield mine, other


def touching(ours: Sequence[Shape], theirs: Sequence[Shape]) -> Iterator[tuple[int, int]]:
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


class Area(Shape):
    """A shape that covers an area. Two are of the same thing if they overlap by half."""

    __slots__ = ()

    @abstractmethod
    def overlap(self, other: Any) -> float:
        """Returns the share of what the two cover together that both cover (intersection over union)."""

    @override
    def likeness(self, other: Any) -> float:
        overlap = self.overlap(other)
        return overlap if overlap >= SAME_OVERLAP else 0.0

    @override
    def unmoved(self, other: Any) -> bool:
        return self.overlap(other) >= UNMOVED_OVERLAP


def ratio(part: float, whole: float, equal: bool) -> float:
    """Returns part / whole; for what has no size, whether it is equal. Overflown numbers are not alike."""
    if not whole > 0:
        return float(equal)
    ratio = part / whole
    return min(ratio, 1.0) if ratio >= 0 else 0.0


def _groups(left: Sequence[tuple[int, Shape]], workers: int) -> list[list[Shape | None]]:
    """Returns the shapes that no prediction matches, those together that mean the same: one a worker."""
    shapes = [shape for _, shape in left]
    group = {index: {worker: index} for index, (worker, _) in enumerate(left)}
    pairs = [
        (_closeness(shapes[one], shapes[other]), one, other)
        for one, other in touching(shapes, shapes)
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
