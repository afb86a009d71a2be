"""crowd-bounding-box: boxes around what an image shows, in pixels of the image.

The page has a row of fields for each box, so that an answer needs neither a mouse nor a script. With one, a worker
draws. Numbers that the worker did not change stay as the prediction has them; those that are drawn are whole.

With `initialValue`, an answer says in `initialValueModified` whether the boxes are other than those that were shown.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal, NamedTuple

from typing_extensions import override

from console.posted import Posted
from console.views import View
from console.worker_tasks.elements import (
    Element,
    ElementView,
    Filled,
    Labels,
    Shown,
    at,
    labels_in,
    no_labels,
)
from lambdas.reviews.comparison.elements.boxes import BoundingBoxes

__all__ = ["BoundingBox", "BoxesView"]

SIDES = ("left", "top", "width", "height")


class BoxView(View):
    """A box.

    Attributes:
        index: The number in the names of its fields.
        label: The position of its label; None if it has none, and then it is no box.
        left: As the field has it, like the other sides.
        top: From the top of the image.
        width: The width.
        height: The height.
        problem: What is wrong with it.
    """

    index: int
    label: int | None
    left: str
    top: str
    width: str
    height: str
    problem: str | None = None


class BoxesView(ElementView):
    """Boxes on an image.

    Attributes:
        labels: The labels that can be chosen, and any other label of a box that the prediction has.
        boxes: The boxes.
        width: The width of the image, in pixels.
        height: The height of the image.
    """

    labels: tuple[str, ...]
    boxes: tuple[BoxView, ...]
    width: int
    height: int


class _Box(NamedTuple):
    label: str
    left: float
    top: float
    width: float
    height: float

    def as_answer(self) -> dict[str, Any]:
        sides = {side: _shortest(getattr(self, side)) for side in SIDES}
        return dict(sorted({"label": self.label, **sides}.items()))


class BoundingBox(Element):
    """Boxes to draw.

    Attributes:
        labels: The labels.
        initial_value: Where in the input the predicted boxes are.
    """

    element: Literal["crowd-bounding-box"]
    labels: Labels
    initial_value: str | None = None

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        initial = _initial(at(shown.content, self.initial_value))
        labels = labels_in(self.labels, shown.content)
        labels = tuple(dict.fromkeys([*labels, *(box.label for box in initial)]))
        width, height = shown.size or (0, 0)
        rows = (
            [_shown(index, box, labels) for index, box in enumerate(initial)]
            if posted is None
            else [_entered(f"{field}box-", index, labels, posted) for index in posted.rows(f"{field}box-")]
        )
        rows = [row.model_copy(update={"problem": _problem(row, width, height)}) for row in rows]
        boxes = [_box(row, labels) for row in rows if row.label is not None and row.problem is None]
        problem = None
        if not labels:
            problem = no_labels(self.labels)
        elif shown.size is None:
            problem = "The image cannot be read, so its size in pixels is not known. Answer as JSON."
        view = BoxesView(
            kind="boxes",
            name=self.name,
            header=self.header,
            field=field,
            problem=problem,
            labels=labels,
            boxes=tuple(rows),
            width=width,
            height=height,
        )
        value: dict[str, Any] = {"boundingBoxes": [box.as_answer() for box in boxes]}
        if self.initial_value is not None:
            value["initialValueModified"] = boxes != initial
        value["inputImageProperties"] = {"height": height, "width": width}
        return Filled(view, {self.name: value}, problem is None and not any(row.problem for row in rows))


def _initial(found: Any) -> list[_Box]:
    """Returns the predicted boxes. Those of an odd form are left out."""
    prediction = BoundingBoxes.prediction(found) if isinstance(found, list | dict) else None
    if prediction is None:
        return []
    return [_Box(box.label, box.left, box.top, box.width, box.height) for box in prediction.bounding_boxes]


def _shown(index: int, box: _Box, labels: tuple[str, ...]) -> BoxView:
    sides = {side: str(_shortest(getattr(box, side))) for side in SIDES}
    return BoxView(index=index, label=labels.index(box.label), **sides)


def _entered(prefix: str, index: int, labels: tuple[str, ...], posted: Posted) -> BoxView:
    label = posted.number(f"{prefix}{index}-label")
    sides = {side: posted.text(f"{prefix}{index}-{side}").strip() for side in SIDES}
    return BoxView(index=index, label=label if label is not None and label < len(labels) else None, **sides)


def _problem(row: BoxView, width: int, height: int) -> str | None:
    if row.label is None:
        return None
    numbers = {side: _number(getattr(row, side)) for side in SIDES}
    odd = [side for side, number in numbers.items() if number is None]
    if odd:
        return f"Enter a number of pixels for {' and '.join(odd)}."
    left, top, across, down = (number or 0.0 for number in numbers.values())
    if across <= 0 or down <= 0:
        return "The box has no area: width and height must be more than 0."
    if left < 0 or top < 0 or left + across > width or top + down > height:
        return f"The box reaches beyond the image, which is {width} by {height} pixels."
    return None


def _box(row: BoxView, labels: tuple[str, ...]) -> _Box:
    assert row.label is not None
    sides = (_number(getattr(row, side)) or 0.0 for side in SIDES)
    return _Box(labels[row.label], *sides)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"-?[0-9]{1,7}(\.[0-9]{0,15})?", text):
        return None
    return float(text)


def _shortest(number: float) -> int | float:
    """Returns a number as a script writes it: whole, if it is."""
    return int(number) if math.isfinite(number) and number == int(number) else number
