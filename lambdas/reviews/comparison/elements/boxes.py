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
        return self.left, self.left + self.width

    @property
    @override
    def vertical_extent(self) -> tuple[float, float]:
        return self.top, self.top + self.height

    @override
    def overlap(self, other: Box) -> float:
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(across, 0.0) * max(down, 0.0)
        whole = self.width * self.height + other.width * other.height - shared
        return ratio(shared, whole, equal=replace(other, label=self.label) == self)

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
