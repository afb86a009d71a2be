"""Custom tasks: crowd elements, against the prediction that the loop was started with.

The prediction's places and shapes are told in `lambdas.reviews.prediction`. What has no prediction, such as
a comment beside a classification, is a field all the same, but not one in which people overrule the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.alignment import (
    Box,
    Outline,
    Span,
    Spot,
    align,
)
from lambdas.reviews.comparison.elements import (
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
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import Shape, normalised, vote
from lambdas.reviews.prediction import (
    candidates,
    confidence_of,
    fields_of,
    find_prediction,
    holds_fields,
    is_one_value,
    is_scored,
    likeliest,
    likely,
    scored,
    value_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdas.reviews.output import Output

_Shapes = BoundingBoxes | Entities | Keypoints | Polygons


def rows(output: Output, prediction_path: str | None = None) -> list[Row]:
    """Returns the rows of a custom task: for each element one, or one for each label or shape in it."""
    said = _said(output)
    named = prediction_path is not None
    found = find_prediction(output.input_content, prediction_path)
    by_name: Any = {}
    unanswered: dict[str, Scored] = {}
    if found is None:
        by_name = {} if named else output.input_content
    elif _has_names(found, said):
        by_name, unanswered = found, fields_of(found, named)
    elif fits := _fits(found, said):
        by_name = {_best(fits, found, said): found}
    elif holds_fields(found, named):
        unanswered = fields_of(found, named)

    predicted = by_name if isinstance(by_name, dict) else {}
    made = [
        row for name, elements in said.items() for row in _element_rows(name, elements, predicted.get(name))
    ]
    # A blank input is left out of an answer: what the model predicted for it was taken away.
    for name in sorted(unanswered.keys() - said.keys()):
        item = Scored(_as_text(unanswered[name].value), unanswered[name].confidence)
        made.append(Row(name, "text", item, [None] * len(output.human_answers)))
    return made


def unpredicted_rows(output: Output) -> list[Row]:
    """Returns the rows of what workers filled in beside a built-in task."""
    return [row for name, elements in _said(output).items() for row in _element_rows(name, elements, None)]


def _said(output: Output) -> dict[str, list[Element | None]]:
    """Returns what each worker filled in, by element, in an order that does not depend on the workers'."""
    answers = [answer.elements for answer in output.human_answers]
    names = sorted({name for elements in answers for name in elements})
    return {name: [elements.get(name) for elements in answers] for name in names}


def _has_names(found: Any, said: dict[str, list[Element | None]]) -> bool:
    """Tells whether a prediction is an object with values by the names of the elements."""
    return (
        isinstance(found, dict) and not said.keys().isdisjoint(found) and not is_one_value(found, said.keys())
    )


# How well a prediction without a name fits an element: the least is the best.
_SHAPES, _LABELS, _CHECKS, _ODD_LABELS, _ANYTHING, _HARDLY = range(6)


def _fits(found: Any, said: dict[str, list[Element | None]]) -> dict[str, int]:
    """Returns how well a prediction without a name fits each of the elements that it fits at all."""
    return {name: fit for name, elements in said.items() if (fit := _fit(elements, found)) is not None}


def _best(fits: dict[str, int], found: Any, said: dict[str, list[Element | None]]) -> str | None:
    """Returns the element that a prediction without a name is for; None if that is not plain.

    It is the one that is called like the prediction's own key ("label", "text"), or else the only one
    that it fits best. What fits nearly anything, such as free text, must be for the only element beside check boxes.
    """
    key = value_key(found)
    if key in fits:
        return key
    best = min(fits.values())
    chosen = [name for name, fit in fits.items() if fit == best]
    if best >= _ANYTHING:
        others = {_shape(elements) for name, elements in said.items() if name not in chosen}
        # A "label" beside other elements is not free text: the element that it is for was left blank.
        is_label = key is not None and key.lower() in ("label", "class")
        if others - {Checks} or (others and is_label):
            return None
    return chosen[0] if len(chosen) == 1 else None


def _fit(elements: Sequence[Element | None], found: Any) -> int | None:
    shape = _shape(elements)
    if issubclass(shape, _Shapes):
        return None if _predicted_shapes(shape, found) is None else _SHAPES
    single = scored(found)
    if shape is Other:
        forms = {type(item) for element in elements for item in _items(shape, element)}
        return _ANYTHING if single is not None or type(found) in forms else None
    if _are_shapes(found):
        return None
    yes_or_no = single is not None and isinstance(single.value, bool)
    if shape is Checks:
        return _fit_of_checks(_boxes(elements), found, yes_or_no)
    if _predicted_items(shape, found) is None:
        return None
    if shape is Text:
        return _ANYTHING
    # One of several labels, none of them likelier than the others, is no classification.
    equal = isinstance(found, list) and len(found) > 1 and all(isinstance(label, str) for label in found)
    return _ODD_LABELS if yes_or_no or (equal and shape is Classification) else _LABELS


def _fit_of_checks(boxes: Sequence[str], found: Any, yes_or_no: bool) -> int | None:
    if not _predicted_checks(boxes, found):
        return None
    labels = candidates(found)
    if labels is None or yes_or_no:
        return _CHECKS
    if not _are_among(boxes, labels):
        return None
    # "on" is no name of a choice: a check box is called so by itself.
    return _HARDLY if not labels or boxes == ["on"] else _CHECKS


def _are_shapes(found: Any) -> bool:
    """Tells whether a prediction is of boxes, entities, points or outlines: its first item tells."""
    if isinstance(found, list):
        first = found[:1] if found and isinstance(found[0], dict) else []
        return any(_predicted_shapes(shape, first) for shape in _LIST_OF)
    return isinstance(parse_element(found), _Shapes)


def _element_rows(name: str, elements: Sequence[Element | None], predicted: Any) -> list[Row]:
    shape = _shape(elements)
    if shape is Checks:
        return _check_rows(name, elements, predicted)
    items = None if predicted is None else _predicted_items(shape, predicted)
    asked = items is not None
    said = [_items(shape, element) for element in elements]
    if issubclass(shape, _Shapes):
        return _shape_rows(name, items or [], said, asked)
    if shape is LabelSet:
        return _label_rows(name, items or [], said, asked)
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


def _check_rows(name: str, elements: Sequence[Element | None], predicted: Any) -> list[Row]:
    boxes = _boxes(elements)
    by_box = _predicted_checks(boxes, predicted)
    return [
        Row(
            name=name if box == "on" else f"{name}/{box}",
            kind="selection",
            predicted=by_box.get(box),
            said=[element.checked.get(box) if isinstance(element, Checks) else None for element in elements],
            asked=bool(by_box),
        )
        for box in boxes
    ]


def _boxes(elements: Iterable[Element | None]) -> list[str]:
    return sorted({box for element in elements if isinstance(element, Checks) for box in element.checked})


def _predicted_checks(boxes: Sequence[str], predicted: Any) -> dict[str, Scored]:
    """Returns the prediction for each box, from one for all: whether it is checked, or which ones are."""
    if isinstance(predicted, dict) and all(isinstance(checked, bool) for checked in predicted.values()):
        known = {box: Scored(predicted[box]) for box in boxes if box in predicted}
        if known:
            return known
    single = scored(predicted)
    if single is not None and isinstance(single.value, bool):
        return {boxes[0]: single} if len(boxes) == 1 else {}
    checked = likely(predicted)
    if checked is None or not _are_among(boxes, checked):
        return {}
    by_name = {str(item.value): item for item in checked}
    return {box: Scored(box in by_name, by_name[box].confidence if box in by_name else None) for box in boxes}


def _are_among(boxes: Sequence[str], labels: Iterable[Scored]) -> bool:
    return all(str(label.value) in boxes for label in labels)


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
            (Spot(point.label, point.x, point.y, diagonal), point.model_extra or {})
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
