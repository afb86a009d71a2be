"""crowd-bounding-box: boxes on an image. Two boxes mark the same object if they overlap by half.

Reference:
    same: The label is the same, and the boxes overlap by 90 % (intersection over union), or the answer has
        `initialValueModified` false.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import Area, ratio
from lambdas.reviews.comparison.elements import Label, Part
from lambdas.reviews.comparison.elements.drawn import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence


class WrittenBox(Part):
    """A box, in pixels from the image's top left corner."""

    label: Label
    left: FiniteFloat
    top: FiniteFloat
    width: Annotated[FiniteFloat, Field(ge=0)]
    height: Annotated[FiniteFloat, Field(ge=0)]


class BoundingBoxes(Drawn):
    """Boxes."""

    kind = "box"
    nothing_is_an_answer = True

    bounding_boxes: list[WrittenBox]

    @override
    def shapes(self) -> list[tuple[Box, dict[str, Any]]]:
        return [
            (Box(box.label, box.left, box.top, box.width, box.height), box.model_extra or {})
            for box in self.bounding_boxes
        ]


@dataclass(frozen=True, slots=True)
class Box(Area):
    """A rectangle, in pixels."""

    label: str
    left: float
    top: float
    width: float
    height: float

    @property
    @override
    def extent(self) -> tuple[float, float]:
        return _core(self.left, self.width)

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return _core(self.top, self.height)

    @override
    def overlap(self, other: Box) -> float:
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = across * down if across > 0 and down > 0 else 0.0
        whole = self.width * self.height + other.width * other.height - shared
        if whole > 0:
            return ratio(shared, whole, equal=False)
        return float(replace(other, label=self.label) == self)

    @override
    def middle(self, shapes: Sequence[Box]) -> Box:
        from statistics import median  # only what several workers drew needs it

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


def _core(start: float, length: float) -> tuple[float, float]:
    """Returns the middle third of a side. The middle thirds of two boxes that overlap by half overlap, too.

    On each axis, the part that two boxes share is at least as large as the part that they share as areas. Two intervals
    that share half of what they cover have middles that are at most a sixth of their lengths apart.
    """
    # A little more than a third, because floats are rounded.
    return start + length * 0.333, start + length * 0.667
