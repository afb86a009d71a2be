"""Makes the line of one review in a SageMaker Ground Truth augmented manifest.

Each crowd element becomes a label attribute with the element's name, in Ground Truth's format for its kind: image and
text classification with one or several labels, object detection, and text spans. Other kinds become
"groundtruth/custom". Moderation labels become ``moderation-labels``, and the pairs of a form ``form``. An element
without a majority is left out. If the workers agree that there is nothing to see, the list is empty.

Source: "Output Data" and "Augmented Manifest Files" in the Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.elements import element_of_kind
from lambdas.reviews.comparison.elements.boxes import BoundingBoxes
from lambdas.reviews.comparison.elements.labels import label_of
from lambdas.reviews.errors import NotExportable
from lambdas.reviews.location import S3Location
from lambdas.reviews.prediction import search

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdas.reviews.output import Output
    from lambdas.reviews.record import FieldRecord, Kind, ReviewRecord

SOURCES = ("source-ref", "sourceRef", "source", "taskObject", "image", "document", "text", "s3Uri", "uri")
"""Where a custom task's `inputContent` can have the object that workers saw. The first key present counts."""

_MODERATION = "moderation-labels"

# The kinds of fields for which Ground Truth has a format with classes.
_WITH_CLASS: frozenset[Kind] = frozenset({"label", "labels", "box", "span"})


def manifest_line(
    record: ReviewRecord, output: Output, *, classes: Sequence[str] = (), source_path: str | None = None
) -> str:
    """Returns the line, without its line end.

    Args:
        record: The review.
        output: The review's output.
        classes: The labels of the whole manifest, in the order of their IDs; see `labels`. Other labels get the IDs
            after these, valid in this line only.
        source_path: For a custom task, the JMESPath from `inputContent` to the object that workers saw; by default,
            one of `SOURCES`. An ``s3://`` location becomes ``source-ref``, other text ``source``.

    Raises:
        NotExportable: The object that workers saw is unknown, or no field has a majority.
    """
    source = _source(output, source_path)
    key = "source-ref" if _is_location(source) else "source"
    line: dict[str, Any] = {key: source}
    for element, fields in _by_element(record, output).items():
        kinds = {field.kind for field in fields} or _kinds_of_empty(output, element)
        is_empty = all(field.reviewed is None for field in fields)
        # "No boxes" is an answer that a model can learn from, "no text" is not.
        is_useless = is_empty and not any(element_of_kind(kind).nothing_is_an_answer for kind in kinds)
        if is_useless or any(field.outcome == "unresolved" for field in fields):
            continue
        name = _attribute_name(element)
        # Different elements can get the same attribute name, such as "a b" and "a-b".
        while name in line:
            name += "-2"
        value, metadata = _attribute(fields, kinds, output, element, classes, is_text=key == "source")
        line[name] = value
        line[f"{name}-metadata"] = metadata | {
            "job-name": f"human-loop/{record.human_loop_name}",
            "human-annotated": "yes",
            "creation-date": (record.completed_at or record.created_at)
            .replace(tzinfo=None)
            .isoformat(timespec="microseconds"),
        }
    if len(line) == 1:
        raise NotExportable(f"human loop {record.human_loop_name}: no field has a majority")
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def labels(record: ReviewRecord) -> set[str]:
    """Returns the labels in a review's result. The labels of all reviews are a manifest's classes."""
    return {label for field in record.fields if (label := _label(field)) is not None}


def _source(output: Output, path: str | None) -> str:
    place: Any = None
    if output.task_type == "custom":
        content = output.input_content
        if path is not None:
            place = search(path, content)
        elif isinstance(content, dict):
            place = next((content[key] for key in SOURCES if isinstance(content.get(key), str)), None)
    else:
        place = _service_source(output)
    if not isinstance(place, str) or not place:
        raise NotExportable(
            f"human loop {output.human_loop_name}: the object that workers saw is unknown; specify its location in "
            "inputContent as a JMESPath"
        )
    return place


def _service_source(output: Output) -> str | None:
    """Returns the location of the document or image that the AI service analyzed."""
    within = output.input_content if isinstance(output.input_content, dict) else {}
    request: Any = within.get("aiServiceRequest") or (output.model_extra or {}).get("aiServiceRequest")
    for place in ("document", "image"):
        try:
            s3_object = request[place]["s3Object"]
            return str(S3Location(s3_object["bucket"], s3_object["name"]))
        except (KeyError, TypeError):
            continue
    return None


def _is_location(source: str) -> bool:
    try:
        S3Location.parse(source)
    except ValueError:
        return False
    return True


def _by_element(record: ReviewRecord, output: Output) -> dict[str, list[FieldRecord]]:
    """Returns the fields of each element. Fields of an AI service are under the name of its label attribute."""
    elements = sorted({name for answer in output.human_answers for name in answer.elements})
    service = {"textract": "form", "rekognition": _MODERATION}.get(record.task_type)
    found: dict[str, list[FieldRecord]] = {}
    for field in record.fields:
        element = next((name for name in elements if _is_of(field, name, output)), service)
        if element:
            found.setdefault(element, []).append(field)
    for element in [*elements, *([service] if service == _MODERATION else [])]:
        if element not in found and _kinds_of_empty(output, element):
            found[element] = []
    return found


def _is_of(field: FieldRecord, element: str, output: Output) -> bool:
    """Returns whether a field belongs to an element.

    A name that starts with the element's name is not enough, because names can contain slashes.
    """
    answers = [answer.elements.get(element) for answer in output.human_answers]
    return element_of_kind(field.kind).owns(field, element, answers)


def _kinds_of_empty(output: Output, element: str) -> set[Kind]:
    """Returns the kind of an element without fields.

    Such an element is worth a line if neither the model nor the workers saw anything.
    """
    if element == _MODERATION and any(
        answer.moderation_labels is not None for answer in output.human_answers
    ):
        return {"labels"}
    answers = [answer.elements.get(element) for answer in output.human_answers]
    kinds = {answer.kind if answer and answer.nothing_is_an_answer else None for answer in answers}
    return {kind for kind in kinds if kind is not None} if len(kinds) == 1 else set()


def _attribute(
    fields: Sequence[FieldRecord],
    kinds: set[Kind],
    output: Output,
    element: str,
    classes: Sequence[str],
    *,
    is_text: bool,
) -> tuple[Any, dict[str, Any]]:
    """Returns a label attribute's value, and the metadata of its kind."""
    what = "text" if is_text else "image"
    present = [field for field in fields if field.reviewed is not None]
    ids = _class_ids(classes, (label for field in present if (label := _label(field)) is not None))
    used = {str(ids[label]): label for field in present if (label := _label(field)) is not None}
    if kinds == {"label"} and present:
        label = str(_label(present[0]))
        return str(ids[label]), {
            "type": f"groundtruth/{what}-classification",
            "class-name": label,
            "confidence": _confidence(present[0]),
        }
    if kinds == {"labels"}:
        return [ids[str(_label(field))] for field in present], {
            "type": f"groundtruth/{what}-classification-multilabel",
            "class-map": used,
            "confidence-map": {str(ids[str(_label(field))]): _confidence(field) for field in present},
        }
    if kinds == {"box"}:
        boxes = [json.loads(field.reviewed or "null") for field in present]
        annotations = [
            {"class_id": ids[box["label"]], **{key: value for key, value in box.items() if key != "label"}}
            for box in boxes
        ]
        return {"image_size": _image_size(output, element), "annotations": annotations}, {
            "type": "groundtruth/object-detection",
            "class-map": used,
            "objects": [{"confidence": _confidence(field)} for field in present],
        }
    if kinds == {"span"}:
        spans = [json.loads(field.reviewed or "null") for field in present]
        return {"annotations": {"entities": spans, "labels": [{"label": one} for one in used.values()]}}, {
            "type": "groundtruth/text-span",
            "entities": [{"confidence": _confidence(field)} for field in present],
        }
    return [{"name": field.name, "value": json.loads(field.reviewed or "null")} for field in present], {
        "type": "groundtruth/custom",
        "confidence": min((_confidence(field) for field in present), default=1.0),
    }


def _class_ids(classes: Sequence[str], found: Iterable[str]) -> dict[str, int]:
    others = sorted(set(found).difference(classes))
    return {label: index for index, label in enumerate([*classes, *others])}


def _label(field: FieldRecord) -> str | None:
    if field.reviewed is None or field.kind not in _WITH_CLASS:
        return None
    return str(label_of(json.loads(field.reviewed)))


def _confidence(field: FieldRecord) -> float:
    """Returns the share of workers who agree; 1 if there is only one."""
    return 1.0 if field.agreement is None else round(field.agreement, 4)


def _image_size(output: Output, element: str) -> list[dict[str, int]]:
    for answer in output.human_answers:
        boxes = answer.elements.get(element)
        if isinstance(boxes, BoundingBoxes) and boxes.input_image_properties:
            size = boxes.input_image_properties
            # The answer does not include the depth; 3 is that of a colour image.
            return [{"width": int(size.width), "height": int(size.height), "depth": 3}]
    return []


def _attribute_name(element: str) -> str:
    """Returns a valid label attribute name: letters, digits and hyphens, without the endings that Ground Truth uses."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", element).strip("-") or "answer"
    return f"{name}-label" if name.endswith(("-metadata", "-ref")) or name == "source" else name
