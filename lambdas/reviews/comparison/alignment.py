"""Matches shapes that mark the same object. Boxes, spans, keypoints, polygons and lines have no names.

Shapes of the workers are matched with the predictions; those that are left, with each other
(`lambdas.reviews.comparison.grouping`). Each kind of shape defines its similarity
(`lambdas.reviews.comparison.elements`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from lambdas.reviews.comparison.grouping import Grouped, group
from lambdas.reviews.comparison.values import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_OVERLAP = 0.5
"""The intersection over union from which two areas mark the same object, as in the COCO evaluation."""
UNMOVED_OVERLAP = 0.9
"""The intersection over union below which a worker has moved an area, and not only touched it."""


class Alignment(NamedTuple):
    """Shapes by object.

    Attributes:
        rows: For each object, the index of the prediction (None if the model missed it) and the shape of each worker
            (None if the worker drew none). The predictions come first, in order.
        is_approximate: Whether there were too many shapes in one place to find the best matches
            (`lambdas.reviews.comparison.grouping`).
    """

    rows: list[tuple[int | None, list[Shape | None]]]
    is_approximate: bool


def align(predicted: Sequence[Shape], drawn: Sequence[Sequence[Shape]]) -> Alignment:
    """Groups the shapes by object. First those of each worker with the predictions, then the others.

    Args:
        predicted: The shapes of the model.
        drawn: The shapes of each worker.
    """
    rows: list[tuple[int | None, list[Shape | None]]] = [
        (index, [None] * len(drawn)) for index in range(len(predicted))
    ]
    left: list[list[Shape]] = []
    is_approximate = False
    for worker, shapes in enumerate(drawn):
        found = group([predicted, shapes]) if predicted else Grouped([], is_approximate=False)
        matched = {members[1]: members[0] for members in found.groups if len(members) == 2}
        for index, place in matched.items():
            rows[place][1][worker] = shapes[index]
        left.append([shape for index, shape in enumerate(shapes) if index not in matched])
        is_approximate |= found.is_approximate
    found = group(left)
    added = [
        [left[worker][members[worker]] if worker in members else None for worker in range(len(drawn))]
        for members in found.groups
    ]
    added.sort(key=lambda row: sorted(repr(shape) for shape in row if shape))
    return Alignment([*rows, *((None, row) for row in added)], is_approximate or found.is_approximate)


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
