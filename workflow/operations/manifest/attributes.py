"""Makes the label attributes of a review from its fields.

Each crowd element becomes an attribute with the element's name. Of an element with several judgements, each judgement
becomes one. A choice becomes one with the name of its field. Moderation labels become ``moderation-labels``, and the
pairs of a form ``form``.

What has no majority is left out field by field:

- A label, a check box or the value of a form is left out alone.
- A shape that at most half of the workers drew is left out. One worker's extra box does not cost the image.
- If most workers drew something in one place, but with different labels or boxes too different to count as one, the
  whole attribute is left out of the line. Without the shape, a model would learn that there is nothing.
- If nothing in it has a majority, the attribute is left out of the line.

If the workers agree that there is nothing to mark, the list is empty.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from lambdas.reviews.comparison.answered import answers_of
from lambdas.reviews.comparison.elements import element_of_kind
from lambdas.reviews.comparison.elements.boxes import Box, WrittenBox
from lambdas.reviews.comparison.elements.labels import label_of
from lambdas.reviews.comparison.elements.spans import WrittenSpan
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from lambdas.reviews.record import DRAWN
from lambdas.reviews.rules import FlowRules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambdas.reviews.comparison.answered import Answered
    from lambdas.reviews.comparison.elements import Element
    from lambdas.reviews.output import Output
    from lambdas.reviews.record import FieldRecord, ReviewRecord

AttributeType = Literal["classification", "multilabel", "boxes", "spans", "custom"]

NOT_ANSWERED = "no answer"
NO_MAJORITY = "no majority"
NO_IMAGE_SIZE = "unknown image size"
SEVERAL_OPTIONS = "several options"

MAX_NAME_LENGTH = 127
"""The maximum length of a label attribute name (`LabelAttributeName` in the API reference of `CreateLabelingJob`)."""

MAX_PIXELS = 1e9
"""Above it, a width or height is a mistake."""

_TYPES: dict[str, AttributeType] = {
    "label": "classification",
    "choice": "classification",
    "labels": "multilabel",
    "box": "boxes",
    "span": "spans",
}
"""Kind of a field → type of its attribute. Other kinds make a custom attribute."""

_WRITTEN: dict[AttributeType, type[BaseModel]] = {"boxes": WrittenBox, "spans": WrittenSpan}

_SERVICE_NAMES = {TEXTRACT: "form", REKOGNITION: "moderation-labels"}
_SERVICES = {"textract": TEXTRACT, "rekognition": REKOGNITION}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Item(_Part):
    """A value in an attribute.

    Attributes:
        name: The name of the field.
        value: The agreed value.
        label: The label in it, for attributes with classes.
        confidence: The share of workers who agree. 0 for a single worker, as Ground Truth has it ("Confidence Score" in
            "Labeling job output data", Amazon SageMaker Developer Guide).
    """

    name: str
    value: Any
    label: str | None
    confidence: float


class Attribute(_Part):
    """A label attribute of one line.

    Attributes:
        element: The element or field that it was made from.
        name: Its name in the manifest.
        type: Its type, which determines its format.
        items: The agreed values.
        without_majority: The number of values that were left out, because they have no majority.
        image_size: Width and height in pixels, for boxes.
        missing: Why the attribute is not in the line; None if it is.
    """

    element: str
    name: str
    type: AttributeType
    items: tuple[Item, ...] = ()
    without_majority: int = 0
    image_size: tuple[int, int] | None = None
    missing: str | None = None

    @property
    def labels(self) -> set[str]:
        """The labels in the attribute."""
        return {item.label for item in self.items if item.label is not None}


def attributes_of(record: ReviewRecord, output: Output) -> list[Attribute]:
    """Returns the attributes of a review, including those that are missing in its line."""
    # The record says what was compared; the default rules only tell the judgements in an element apart.
    answered = answers_of(output, FlowRules()).by_name
    made = [_attribute(element, fields) for element, fields in _by_element(record, answered).items()]
    found = {attribute.element for attribute in made}
    made += [
        Attribute(element=element, name=_name(element), type=_TYPES.get(kind, "custom"))
        for element, kind in _agreed_as_empty(record, output, answered)
        if element not in found
    ]
    return [_complete(attribute, output, answered) for attribute in made]


def _attribute(element: str, fields: Sequence[FieldRecord]) -> Attribute:
    kinds = {field.kind for field in fields}
    kind = kinds.pop() if len(kinds) == 1 else "other"
    type_ = _TYPES.get(kind, "custom")
    unresolved = [field for field in fields if field.outcome == "unresolved"]
    items = tuple(
        Item(
            name=field.name,
            value=_value(field.reviewed, type_),
            label=None if type_ == "custom" else str(label_of(json.loads(field.reviewed))),
            confidence=round(field.agreement or 0.0, 4),
        )
        for field in fields
        if field.reviewed is not None
    )
    made = Attribute(
        element=element, name=_name(element), type=type_, items=items, without_majority=len(unresolved)
    )
    is_disputed = any(_is_seen_by_most(field) for field in unresolved) or (
        type_ == "boxes" and _has_disputed_box(fields)
    )
    if is_disputed or (unresolved and not items):
        return made.model_copy(update={"missing": NO_MAJORITY})
    if type_ == "classification" and any(not isinstance(label_of(item.value), str) for item in items):
        return made.model_copy(update={"missing": SEVERAL_OPTIONS, "items": ()})
    if not items and not _is_nothing_an_answer(kind):
        return made.model_copy(update={"missing": NOT_ANSWERED})
    return made


def _value(text: str, type_: AttributeType) -> Any:
    """Returns an agreed value. Raises ValueError if it is not what Ground Truth's format for the type needs."""
    value = json.loads(text)
    if type_ in _WRITTEN:
        _WRITTEN[type_].model_validate(value)
    return value


def _complete(attribute: Attribute, output: Output, answered: Mapping[str, Answered]) -> Attribute:
    """Adds the size of the image to boxes. Without it, the object detection algorithm cannot use them."""
    if attribute.type != "boxes" or attribute.missing is not None:
        return attribute
    given = answered[attribute.element].answers if attribute.element in answered else ()
    size = _image_size(output, given)
    return attribute.model_copy(update={"image_size": size} if size else {"missing": NO_IMAGE_SIZE})


def _is_seen_by_most(field: FieldRecord) -> bool:
    """Whether most workers drew a shape, whatever its label."""
    if field.kind not in DRAWN:
        return False
    drawn = sum(vote.count for vote in field.votes if vote.value is not None)
    return 2 * drawn > sum(vote.count for vote in field.votes)


def _has_disputed_box(fields: Sequence[FieldRecord]) -> bool:
    """Whether most workers drew a box in a place where no box is agreed."""
    agreed = [_box(field.reviewed) for field in fields if field.reviewed is not None]
    groups: list[tuple[list[Box], set[int]]] = []
    for field in fields:
        for worker in field.per_worker:
            if field.reviewed is not None or worker.value is None:
                continue
            box = _box(worker.value)
            if any(box.overlap(other) > 0 for other in agreed):
                continue  # one of several boxes around neighbors
            touched = [group for group in groups if any(box.overlap(other) > 0 for other in group[0])]
            groups = [group for group in groups if group not in touched]
            groups.append(
                (
                    [box, *(one for boxes, _ in touched for one in boxes)],
                    {worker.worker_index}.union(*(workers for _, workers in touched)),
                )
            )
    return any(2 * len(workers) > len(fields[0].per_worker) for _, workers in groups)


def _box(value: str) -> Box:
    box = json.loads(value)
    return Box(box["label"], box["left"], box["top"], box["width"], box["height"])


def _is_nothing_an_answer(kind: str) -> bool:
    return kind in _TYPES and element_of_kind(kind).nothing_is_an_answer


def _by_element(record: ReviewRecord, answered: Mapping[str, Answered]) -> dict[str, list[FieldRecord]]:
    """Returns the fields of each attribute, by what the attribute is made from."""
    found: dict[str, list[FieldRecord]] = {}
    for field in record.fields:
        # Buttons with names of their own are a choice whose name is no element's.
        is_classification = _TYPES.get(field.kind) == "classification"
        service = _SERVICES.get(record.task_type)
        owner = field.name if is_classification else _owner(field, answered, service)
        found.setdefault(owner, []).append(field)
    return found


def _owner(field: FieldRecord, answered: Mapping[str, Answered], service: str | None) -> str:
    """Returns the element that a field belongs to, or else the service, or the name of the field.

    A name that starts with the element's name is not enough, because names can contain slashes. It has to be enough for
    fields whose element is read in another way today than when the record was made.
    """
    for name, (_, answers) in answered.items():
        if element_of_kind(field.kind).owns(field, name, answers):
            return name
    if service is not None:
        return service
    starts = [name for name in answered if field.name == name or field.name.startswith(f"{name}/")]
    return max(starts, key=len, default=field.name)


def _agreed_as_empty(
    record: ReviewRecord, output: Output, answered: Mapping[str, Answered]
) -> Iterator[tuple[str, str]]:
    """Yields elements without fields that are worth a line, with their kinds: workers and model saw nothing."""
    for name, (_, given) in answered.items():
        kinds = {answer.kind if answer and answer.nothing_is_an_answer else None for answer in given}
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind is not None:
            yield name, kind
    if record.task_type == "rekognition" and any(
        answer.moderation_labels is not None for answer in output.human_answers
    ):
        yield REKOGNITION, "labels"


def _image_size(output: Output, given: Sequence[Element | None]) -> tuple[int, int] | None:
    """Returns the size of the image in the answers to an element, or None.

    Any answer to the element can have it. Otherwise, the other elements and the prediction of the task count, if all of
    their sizes are equal: a page can show several images.
    """
    contents = [_json(answer.content) for answer in output.human_answers]
    for places in ([answer.raw_value() for answer in given if answer], [*contents, output.input_content]):
        sizes = set(_sizes(places))
        if sizes:
            return sizes.pop() if len(sizes) == 1 else None
    return None


def _json(content: str) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(content)
    except ValueError:  # a number with too many digits for `int`
        return {}
    return read


def _sizes(value: Any) -> Iterator[tuple[int, int]]:
    """Yields the sizes in all `inputImageProperties` of a JSON value."""
    if isinstance(value, list):
        for inner in value:
            yield from _sizes(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "inputImageProperties" and isinstance(inner, dict):
                width, height = _pixels(inner.get("width")), _pixels(inner.get("height"))
                if width and height:
                    yield width, height
            else:
                yield from _sizes(inner)


def _pixels(side: object) -> int | None:
    if isinstance(side, int | float) and 1 <= side < MAX_PIXELS:
        return int(side)
    return None


def _name(element: str) -> str:
    """Returns a valid label attribute name: letters, digits and hyphens, without the endings that Ground Truth uses."""
    if element in _SERVICE_NAMES:
        return _SERVICE_NAMES[element]
    name = re.sub(r"[^A-Za-z0-9]+", "-", element).strip("-") or "answer"
    if name.endswith(("-metadata", "-ref")) or name == "source":
        name += "-label"
    return name[:MAX_NAME_LENGTH].rstrip("-")
