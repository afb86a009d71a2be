"""What was drawn on an image: boxes, polygons, lines and points, in percent of the image.

Records have shapes in pixels. The size of the image is in the answer (`inputImageProperties`), or else read from the
image. A shape far outside the image, or of an image of unknown size, is not drawn, and reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from lambdas.reviews.comparison.values import joined_name
from lambdas.reviews.record import AnswerRecord, FieldRecord
from workflow.operations.review_view.model import ShapeView, Who
from workflow.operations.review_view.rows import NumberedField
from workflow.operations.review_view.wording import json_value

__all__ = ["ON_IMAGES", "Drawing", "Size", "agreed_marks", "answer_sizes", "drawn_shapes", "in_percent"]

ON_IMAGES = frozenset({"box", "keypoint", "polygon", "line"})
"""The kinds of fields that are shapes on an image."""

MAX_SHAPES = 2_000
"""The number of shapes that are drawn. A browser draws them without delay."""
MAX_POINTS = 200
"""The number of corners of a shape that are drawn. Of more, only some are."""
MAX_OUTSIDE = 100.0
"""How far outside the image a corner can be, in percent of it. A shape that is cut off is still of use."""

Point = tuple[float, float]


class Size(NamedTuple):
    """The size of an image in pixels."""

    width: float
    height: float


class Drawing(NamedTuple):
    """Shapes in percent of the image, and why some are missing."""

    shapes: list[ShapeView]
    problems: list[str]


class _Figure(NamedTuple):
    form: Literal["rectangle", "polygon", "line", "point"]
    points: Sequence[Point]
    label: str


def drawn_shapes(
    fields: Iterable[NumberedField], answers: Sequence[AnswerRecord], image: Size | None
) -> Drawing:
    """Returns the shapes of fields.

    Args:
        fields: The fields to show.
        answers: The answers of the review, which have the size of the image that each worker saw.
        image: The size of the image itself; None if unknown.
    """
    drawn = [one for one in fields if one.field.kind in ON_IMAGES]
    sizes = [answer_sizes(answer) for answer in answers] if drawn else []
    shapes: list[ShapeView] = []
    without_size = outside = left_out = 0
    for one in drawn:
        of_workers = [_size_of(one.field.name, known) for known in sizes]
        usual = next((size for size in of_workers if size), None) or image
        for who, worker, text in _drawn(one.field):
            figure = _figure(json_value(text), one.field)
            if figure is None:
                continue
            size = (of_workers[worker] if worker is not None and worker < len(sizes) else None) or usual
            if size is None:
                without_size += 1
            elif len(shapes) >= MAX_SHAPES:
                left_out += 1
            elif (points := in_percent(figure.points, size)) is None:
                outside += 1
            else:
                shapes.append(
                    ShapeView(
                        row=one.number,
                        who=who,
                        worker=None if worker is None else worker + 1,
                        form=figure.form,
                        points=points,
                        label=figure.label,
                        outcome=one.field.outcome,
                    )
                )
    return Drawing(shapes, list(_problems(without_size, outside, left_out)))


def answer_sizes(answer: AnswerRecord) -> dict[str, Size]:
    """Returns the size of the image that a worker saw, by the name of each element that has it."""
    return dict(_sizes(json_value(answer.content)))


def in_percent(points: Sequence[Point], size: Size) -> list[Point] | None:
    """Returns points in percent of an image; None if one is far outside it."""
    step = math.ceil(len(points) / MAX_POINTS)
    chosen = [*points[::step], points[-1]] if step > 1 else points
    found = [(x / size.width * 100, y / size.height * 100) for x, y in chosen]
    low, high = -MAX_OUTSIDE, 100 + MAX_OUTSIDE
    if not found or not all(low <= part <= high for point in found for part in point):
        return None
    return [(round(x, 3), round(y, 3)) for x, y in found]


def _drawn(field: FieldRecord) -> Iterator[tuple[Who, int | None, str]]:
    """Yields the drawings of a field: whose, the index of the worker, and the value."""
    yield from agreed_marks(field)
    if len(field.per_worker) > 1:
        for worker in field.per_worker:
            if worker.value is not None:
                yield "worker", worker.worker_index, worker.value


def agreed_marks(field: FieldRecord) -> Iterator[tuple[Who, None, str]]:
    """Yields what the model and what people marked, as one if it is the same: whose, nothing, and the value."""
    if field.predicted is not None and field.predicted == field.reviewed:
        yield "both", None, field.predicted
        return
    if field.predicted is not None:
        yield "prediction", None, field.predicted
    if field.reviewed is not None:
        yield "people", None, field.reviewed


def _figure(value: Any, field: FieldRecord) -> _Figure | None:
    """Returns a value as a figure in pixels, or None if it has another form."""
    try:
        label = value["label"]
        label = label if isinstance(label, str) else field.name
        match field.kind:
            case "box":
                left, top = float(value["left"]), float(value["top"])
                corner = (left + float(value["width"]), top + float(value["height"]))
                return _Figure("rectangle", [(left, top), corner], label)
            case "keypoint":
                return _Figure("point", [(float(value["x"]), float(value["y"]))], label)
        form: Literal["polygon", "line"] = "polygon" if field.kind == "polygon" else "line"
        points = [(float(corner["x"]), float(corner["y"])) for corner in value["vertices"]]
        return _Figure(form, points, label) if points else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _sizes(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Size]]:
    """Yields the sizes of images in an answer by the name of their element; judgements are elements in an object."""
    if not isinstance(content, dict) or len(place) > 2:
        return
    given = content.get("inputImageProperties")
    if place and isinstance(given, dict):
        width, height = given.get("width"), given.get("height")
        if isinstance(width, int | float) and isinstance(height, int | float) and width > 0 and height > 0:
            yield joined_name(*place), Size(width, height)
    for name, inner in content.items():
        yield from _sizes(inner, (*place, name))


def _size_of(name: str, known: dict[str, Size]) -> Size | None:
    """Returns the size of the image that a field is on."""
    if len(set(known.values())) == 1:
        return next(iter(known.values()))
    owners = [element for element in known if name == element or name.startswith(f"{element}/")]
    return known[max(owners, key=len)] if owners else None


def _problems(without_size: int, outside: int, left_out: int) -> Iterator[str]:
    if without_size:
        yield f"{_shapes(without_size)} not drawn: the size of the image is unknown."
    if outside:
        yield f"{_shapes(outside)} not drawn: outside of the image."
    if left_out:
        yield f"{_shapes(left_out)} not drawn: only {MAX_SHAPES:,} are; show fewer fields."


def _shapes(count: int) -> str:
    return f"{count:,} {'shape is' if count == 1 else 'shapes are'}"
