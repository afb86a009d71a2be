"""Custom tasks: crowd elements, against the prediction that the loop was started with.

The prediction's places and shapes are told in `lambdas.reviews.prediction`. What has no prediction, such as
a comment beside a classification, is a field all the same, but not one in which people overrule the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.shapes import (
    ASSUMED_DIAGONAL,
    Box,
    Outline,
    Span,
    Spot,
    align,
)
from lambdas.reviews.comparison.values import Shape, normalised, vote
from lambdas.reviews.elements import (
    BoundingBoxes,
    Checks,
    Classification,
    Element,
    Entities,
    Keypoints,
    LabelSet,
    Other,
    Polygons,
    Text,
    parse_element,
)
from lambdas.reviews.prediction import confidence_of, find_prediction, is_scored, likeliest, likely, scored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdas.reviews.output import Output

_Shapes = BoundingBoxes | Entities | Keypoints | Polygons


def rows(output: Output, prediction_path: str | None = None) -> list[Row]:
    """Returns the rows of a custom task: for each element one, or one for each label or shape in it."""
    said = _said(output)
    found = find_prediction(output.input_content, prediction_path)
    keyed = isinstance(found, dict) and not said.keys().isdisjoint(found)
    fallback = output.input_content if prediction_path is None else None
    bare = None if keyed or found is None else _one_that_fits(found, said)

    made: list[Row] = []
    for name, elements in said.items():
        if keyed:
            predicted = found.get(name)
        elif name == bare:
            predicted = found
        else:
            predicted = fallback.get(name) if isinstance(fallback, dict) else None
        made += _element_rows(name, elements, predicted)
    if keyed:
        made += _unanswered_rows(found, said, named=prediction_path is not None)
    return made


def unpredicted_rows(output: Output) -> list[Row]:
    """Returns the rows of what workers filled in beside a built-in task."""
    return [row for name, elements in _said(output).items() for row in _element_rows(name, elements, None)]


def _said(output: Output) -> dict[str, list[Element | None]]:
    """Returns what each worker filled in, by element, in an order that does not depend on the workers'."""
    answers = [answer.elements for answer in output.human_answers]
    names = sorted({name for elements in answers for name in elements})
    return {name: [elements.get(name) for elements in answers] for name in names}


def _one_that_fits(found: Any, said: dict[str, list[Element | None]]) -> str | None:
    """Returns the element that a prediction without a name is for: the only one that it fits.

    Free text fits nearly anything, so it is considered only where there is nothing else.
    """
    fitting = [
        name for name, elements in said.items() if _predicted_items(_shape(elements), found) is not None
    ]
    narrow = [name for name in fitting if _shape(said[name]) not in (Text, Other)]
    chosen = narrow or (fitting if len(said) == 1 else [])
    return chosen[0] if len(chosen) == 1 else None


def _element_rows(name: str, elements: Sequence[Element | None], predicted: Any) -> list[Row]:
    shape = _shape(elements)
    items = None if predicted is None else _predicted_items(shape, predicted)
    asked = items is not None
    said = [_items(shape, element) for element in elements]
    if issubclass(shape, _Shapes):
        return _shape_rows(name, items or [], said, asked)
    if shape is LabelSet:
        return _label_rows(name, items or [], said, asked)
    if shape is Checks:
        return _check_rows(name, items, said)
    return [
        Row(
            name=name,
            kind="text" if shape is Text else "label" if shape is Classification else "other",
            predicted=items[0] if items else None,
            said=[values[0] if values else None for values in said],
            asked=asked,
        )
    ]


def _shape_rows(
    name: str, predicted: Sequence[Scored], said: Sequence[Sequence[Shape]], asked: bool
) -> list[Row]:
    made = []
    for index, drawn in align([item.value for item in predicted], said):
        item = None if index is None else predicted[index]
        labels = [shape.label for shape in drawn if shape]
        label = item.value.label if item else min(labels, key=lambda one: (-labels.count(one), one))
        kind = (item.value if item else next(shape for shape in drawn if shape)).kind
        made.append(Row(f"{name}/{label}", kind, item, drawn, asked))
    return made


def _label_rows(
    name: str, predicted: Sequence[Scored], said: Sequence[Sequence[str]], asked: bool
) -> list[Row]:
    by_label = {item.value: item for item in predicted}
    labels = sorted(by_label.keys() | {label for labels in said for label in labels})
    return [
        Row(
            name=f"{name}/{label}",
            kind="labels",
            predicted=by_label.get(label),
            said=[label if label in labels else None for labels in said],
            asked=asked,
        )
        for label in labels
    ]


def _check_rows(
    name: str, predicted: Sequence[Scored] | None, said: Sequence[Sequence[dict[str, bool]]]
) -> list[Row]:
    checks = [values[0] if values else {} for values in said]
    boxes = sorted({box for checked in checks for box in checked})
    by_box = _predicted_checks(boxes, predicted)
    return [
        Row(
            name=name if box == "on" else f"{name}/{box}",
            kind="selection",
            predicted=by_box.get(box),
            said=[checked.get(box) for checked in checks],
            asked=predicted is not None and bool(by_box),
        )
        for box in boxes
    ]


def _predicted_checks(boxes: Sequence[str], predicted: Sequence[Scored] | None) -> dict[str, Scored]:
    """Returns the prediction for each box, from one for all: whether it is checked, or which ones are."""
    if predicted is None:
        return {}
    checked = predicted[0].value if len(predicted) == 1 else None
    if isinstance(checked, dict):
        return {box: Scored(checked[box]) for box in boxes if box in checked}
    if isinstance(checked, bool):
        return {boxes[0]: predicted[0]} if len(boxes) == 1 else {}
    by_name = {str(item.value): item for item in predicted}
    if not by_name.keys() <= set(boxes):
        return {}
    return {box: Scored(box in by_name, by_name[box].confidence if box in by_name else None) for box in boxes}


def _unanswered_rows(found: dict[str, Any], said: dict[str, Any], named: bool) -> list[Row]:
    """Returns rows for what the model predicted and nobody filled in (a blank input is left out of an answer).

    Only in a place that was named is every key a field; elsewhere one must have a confidence to be taken for one.
    """
    workers = len(next(iter(said.values())))
    made = []
    for name in sorted(found.keys() - said.keys()):
        value = found[name]
        has_confidence = isinstance(value, dict) and confidence_of(value) is not None
        single = scored(value)
        if single is not None and (named or has_confidence):
            item = Scored(_as_text(single.value), single.confidence)
            made.append(Row(name, "text", item, [None] * workers))
    return made


def _shape(elements: Iterable[Element | None]) -> type[Element]:
    """Returns what an element is; `Other` if workers' values differ in shape."""
    shapes = {type(element) for element in elements if element is not None}
    return shapes.pop() if len(shapes) == 1 else Other


def _items(shape: type[Element], element: Element | None) -> list[Any]:
    """Returns the values in an element, as they are compared; none if it says nothing."""
    if element is None:
        return []
    if shape is Other:
        value = element.value if isinstance(element, Other | Text) else element.model_dump(by_alias=True)
        return [] if value is None else [value]
    if isinstance(element, Text):
        text = normalised(element.value)
        return [text] if text else []
    if isinstance(element, Classification):
        return [normalised(element.label)]
    if isinstance(element, LabelSet):
        return [normalised(label) for label in element.labels]
    if isinstance(element, Checks):
        return [element.checked]
    return [shape for shape, _ in _drawn(element)]


def _predicted_items(shape: type[Element], predicted: Any) -> list[Scored] | None:
    """Returns a prediction as values of the element's shape; None if it does not fit it."""
    if shape is Other:
        # Only what is nothing but a value and its confidence is taken apart: the rest may be the element's own.
        return [(is_scored(predicted) and scored(predicted)) or Scored(predicted)]
    if shape is Text:
        text = scored(predicted)
        return None if text is None else [Scored(_as_text(text.value), text.confidence)]
    if shape is Classification:
        label = likeliest(predicted)
        return None if label is None else [Scored(_as_text(label.value), label.confidence)]
    if shape is LabelSet:
        labels = likely(predicted)
        return None if labels is None else [Scored(_as_text(one.value), one.confidence) for one in labels]
    if shape is Checks:
        if isinstance(predicted, dict) and all(isinstance(checked, bool) for checked in predicted.values()):
            return [Scored(predicted)]
        return likely(predicted)
    return _predicted_shapes(shape, predicted)


_LIST_OF: dict[type[Element], str] = {
    BoundingBoxes: "boundingBoxes",
    Entities: "entities",
    Keypoints: "keypoints",
    Polygons: "polygons",
}


def _predicted_shapes(shape: type[Element], predicted: Any) -> list[Scored] | None:
    if isinstance(predicted, list):
        predicted = {_LIST_OF[shape]: predicted}
    element = parse_element(predicted)
    if not isinstance(element, shape):
        return None
    return [Scored(drawn, confidence_of(extra)) for drawn, extra in _drawn(element)]


def _drawn(element: Element) -> list[tuple[Shape, dict[str, Any]]]:
    """Returns the shapes in an element, each with the keys that it has beside its own."""
    if isinstance(element, BoundingBoxes):
        return [
            (Box(box.label, box.left, box.top, box.width, box.height), box.model_extra or {})
            for box in element.bounding_boxes
        ]
    if isinstance(element, Entities):
        return [
            (Span(entity.label, entity.start_offset, entity.end_offset), entity.model_extra or {})
            for entity in element.entities
        ]
    if isinstance(element, Keypoints):
        size = element.input_image_properties
        diagonal = math.hypot(size.width, size.height) if size else 0.0
        return [
            (Spot(point.label, point.x, point.y, diagonal or ASSUMED_DIAGONAL), point.model_extra or {})
            for point in element.keypoints
        ]
    if isinstance(element, Polygons):
        return [
            (
                Outline(polygon.label, tuple((corner.x, corner.y) for corner in polygon.vertices)),
                polygon.model_extra or {},
            )
            for polygon in element.polygons
        ]
    return []


def _as_text(value: str | bool | float) -> str:
    return normalised(value if isinstance(value, str) else str(vote(value)))
