"""Checks a manifest against the formats that AWS documents. It knows nothing of the code that writes manifests.

Sources, all in the Amazon SageMaker Developer Guide: "Labeling job output data" (the formats), "CreateLabelingJob"
(names of label attributes), "Object Detection - MXNet" and "Image Classification - MXNet" (numbers of classes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,126}")
_LOCATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9]/.+", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
_METADATA = {"type", "job-name", "human-annotated", "creation-date"}
_OF_THE_TYPE = {
    "groundtruth/image-classification": {"class-name", "confidence"},
    "groundtruth/text-classification": {"class-name", "confidence"},
    "groundtruth/image-classification-multilabel": {"class-map", "confidence-map"},
    "groundtruth/text-classification-multilabel": {"class-map", "confidence-map"},
    "groundtruth/object-detection": {"class-map", "objects"},
    "groundtruth/text-span": {"entities"},
    "groundtruth/custom": {"confidence"},
}


def problems_of_line(line: dict[str, Any]) -> list[str]:
    """Returns what is wrong with a line, by itself."""
    return list(_problems_of_line(line))


def problems_of_manifest(lines: Sequence[dict[str, Any]], *, used_only: bool = True) -> list[str]:
    """Returns what is wrong with the lines, and with the class IDs of each attribute over all lines.

    Args:
        lines: The lines.
        used_only: Whether each ID up to the highest must be in a line, as it must if no labels were given.
    """
    found = [problem for line in lines for problem in problems_of_line(line)]
    classes: dict[str, dict[int, set[str]]] = {}
    for line in lines:
        for name in _attributes(line):
            for id_, label in _classes(line[name], line[f"{name}-metadata"]):
                classes.setdefault(name, {}).setdefault(id_, set()).add(label)
    for name, by_id in classes.items():
        labels = [label for labels in by_id.values() for label in labels]
        if len(labels) != len(by_id) or len(set(labels)) != len(labels):
            found.append(
                f"{name}: a class ID with several labels, or a label with several class IDs: {by_id}"
            )
        if used_only and set(by_id) != set(range(len(by_id))):
            found.append(f"{name}: class IDs are not successive from 0: {sorted(by_id)}")
    return found


def _attributes(line: dict[str, Any]) -> list[str]:
    return [name for name in line if f"{name}-metadata" in line]


def _problems_of_line(line: dict[str, Any]) -> Iterator[str]:
    sources = [key for key in ("source", "source-ref") if key in line]
    if len(sources) != 1 or not isinstance(line[sources[0]], str) or not line[sources[0]]:
        yield f"expected a source or a source-ref: {sorted(line)}"
        return
    if "source-ref" in line and not _LOCATION.fullmatch(line["source-ref"]):
        yield f"source-ref is not an S3 location: {line['source-ref']}"
    names = _attributes(line)
    if not names:
        yield "no label attribute"
    if strange := set(line) - {*sources, *names, *(f"{name}-metadata" for name in names)}:
        yield f"keys that are neither an attribute nor its metadata: {strange}"
    for name in names:
        if not _NAME.fullmatch(name) or name.endswith(("-metadata", "-ref")):
            yield f"{name}: not a label attribute name"
        is_text = "source" in line or line["source-ref"].endswith(".txt")
        for problem in _problems_of_attribute(line[name], line[f"{name}-metadata"], is_text=is_text):
            yield f"{name}: {problem}"


def _problems_of_attribute(value: Any, metadata: dict[str, Any], *, is_text: bool) -> Iterator[str]:
    type_ = metadata.get("type")
    if type_ not in _OF_THE_TYPE:
        yield f"unknown type {type_}"
        return
    if set(metadata) != _METADATA | _OF_THE_TYPE[type_]:
        yield f"metadata of {type_} has the keys {sorted(metadata)}"
        return
    if not isinstance(metadata["job-name"], str) or not metadata["job-name"]:
        yield "no job name"
    if metadata["human-annotated"] not in ("yes", "no"):
        yield f"human-annotated is {metadata['human-annotated']}"
    if not _DATE.fullmatch(metadata["creation-date"]):
        yield f"creation-date is {metadata['creation-date']}"
    for confidence in _confidences(metadata):
        if (
            isinstance(confidence, bool)
            or not isinstance(confidence, int | float)
            or not 0 <= confidence <= 1
        ):
            yield f"confidence is {confidence}"
    if "classification" in type_ and ("text" in type_) != is_text:
        yield f"{type_} of {'a text' if is_text else 'an image'}"
    if type_.endswith("-classification"):
        yield from _problems_of_class(value, metadata)
    elif type_.endswith("-multilabel"):
        yield from _problems_of_classes(value, metadata)
    elif type_.endswith("object-detection"):
        yield from _problems_of_boxes(value, metadata)
    elif type_.endswith("text-span"):
        yield from _problems_of_spans(value, metadata)


def _confidences(metadata: dict[str, Any]) -> list[Any]:
    if "confidence" in metadata:
        return [metadata["confidence"]]
    if "confidence-map" in metadata:
        return list(metadata["confidence-map"].values())
    return [one.get("confidence") for one in metadata.get("objects", metadata.get("entities"))]


def _problems_of_class(value: Any, metadata: dict[str, Any]) -> Iterator[str]:
    if not _is_id(value) and not (isinstance(value, str) and value.isdecimal()):
        yield f"not a class ID: {value!r}"
    if not isinstance(metadata["class-name"], str):
        yield f"not a class name: {metadata['class-name']!r}"


def _problems_of_classes(value: Any, metadata: dict[str, Any]) -> Iterator[str]:
    if not isinstance(value, list) or not all(map(_is_id, value)) or len(set(value)) != len(value):
        yield f"not a list of distinct class IDs: {value}"
        return
    ids = {str(id_) for id_ in value}
    if set(metadata["class-map"]) != ids or set(metadata["confidence-map"]) != ids:
        yield f"class-map or confidence-map is not for the IDs {sorted(ids)}"


def _problems_of_boxes(value: Any, metadata: dict[str, Any]) -> Iterator[str]:
    if set(value) != {"image_size", "annotations"}:
        yield f"boxes have the keys {sorted(value)}"
        return
    size = value["image_size"]
    if len(size) != 1 or set(size[0]) != {"width", "height", "depth"} or min(size[0].values()) < 1:
        yield f"image_size is {size}"
    for box in value["annotations"]:
        if set(box) != {"class_id", "left", "top", "width", "height"} or not all(
            type(side) is int for side in box.values()
        ):
            yield f"not a box in pixels: {box}"
        elif min(box["width"], box["height"]) < 1 or str(box["class_id"]) not in metadata["class-map"]:
            yield f"a box without a size or a class: {box}"
    if len(metadata["objects"]) != len(value["annotations"]):
        yield "not one confidence for each box"


def _problems_of_spans(value: Any, metadata: dict[str, Any]) -> Iterator[str]:
    inner = value.get("annotations", {})
    if set(value) != {"annotations"} or set(inner) != {"entities", "labels"}:
        yield f"spans have the keys {sorted(value)}, {sorted(inner)}"
        return
    labels = [one["label"] for one in inner["labels"]]
    if len(set(labels)) != len(labels):
        yield f"labels twice: {labels}"
    for span in inner["entities"]:
        if set(span) != {"label", "startOffset", "endOffset"} or span["label"] not in labels:
            yield f"not a span with a known label: {span}"
        elif not all(type(span[offset]) is int for offset in ("startOffset", "endOffset")):
            yield f"offsets are not whole numbers: {span}"
    if len(metadata["entities"]) != len(inner["entities"]):
        yield "not one confidence for each span"


def _is_id(value: Any) -> bool:
    return type(value) is int and value >= 0


def _classes(value: Any, metadata: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if "class-name" in metadata:
        yield int(value), metadata["class-name"]
    for id_, label in metadata.get("class-map", {}).items():
        yield int(id_), label
    if metadata["type"] == "groundtruth/text-span":
        # Spans name their labels, and the line lists all labels of the attribute.
        yield from enumerate(one["label"] for one in value["annotations"]["labels"])


BUCKET = "s3://amzn-s3-demo-bucket"
SAMPLES = {
    "image classification": {
        "source-ref": f"{BUCKET}/example_image.jpg",
        "species": "0",
        "species-metadata": {
            "class-name": "dog",
            "confidence": 0.00,
            "type": "groundtruth/image-classification",
            "job-name": "identify-animal-species",
            "human-annotated": "yes",
            "creation-date": "2018-10-18T22:18:13.527256",
        },
    },
    "text classification": {
        "source": "The food was delicious",
        "mood": "1",
        "mood-metadata": {
            "class-name": "positive",
            "confidence": 0.8,
            "type": "groundtruth/text-classification",
            "job-name": "label-sentiment",
            "human-annotated": "yes",
            "creation-date": "2020-10-18T22:18:13.527256",
        },
    },
    "several labels": {
        "source-ref": f"{BUCKET}/example_image.jpg",
        "image-label-attribute-name": [1, 0, 8],
        "image-label-attribute-name-metadata": {
            "job-name": "labeling-job/image-label-attribute-name",
            "class-map": {"1": "bicycle", "0": "person", "8": "clothing"},
            "human-annotated": "yes",
            "creation-date": "2020-02-27T21:36:25.000201",
            "confidence-map": {"1": 0.95, "0": 0.77, "8": 0.2},
            "type": "groundtruth/image-classification-multilabel",
        },
    },
    "boxes": {
        "source-ref": f"{BUCKET}/example_image.png",
        "bounding-box-attribute-name": {
            "image_size": [{"width": 500, "height": 400, "depth": 3}],
            "annotations": [
                {"class_id": 0, "left": 111, "top": 134, "width": 61, "height": 128},
                {"class_id": 5, "left": 161, "top": 250, "width": 30, "height": 30},
                {"class_id": 5, "left": 20, "top": 20, "width": 30, "height": 30},
            ],
        },
        "bounding-box-attribute-name-metadata": {
            "objects": [{"confidence": 0.8}, {"confidence": 0.9}, {"confidence": 0.9}],
            "class-map": {"0": "dog", "5": "bone"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2018-10-18T22:18:13.527256",
            "job-name": "identify-dogs-and-toys",
        },
    },
    "spans": {
        "source": "Amazon SageMaker is a cloud machine-learning platform that was launched in November 2017.",
        "ner-labeling-job-attribute-name": {
            "annotations": {
                "labels": [
                    {"label": "Date", "shortDisplayName": "dt"},
                    {"label": "Thing", "shortDisplayName": "tng"},
                ],
                "entities": [
                    {"label": "Thing", "startOffset": 22, "endOffset": 53},
                    {"label": "Date", "startOffset": 75, "endOffset": 88},
                ],
            }
        },
        "ner-labeling-job-attribute-name-metadata": {
            "job-name": "labeling-job/example-ner-labeling-job",
            "type": "groundtruth/text-span",
            "creation-date": "2020-10-29T00:40:39.398470",
            "human-annotated": "yes",
            "entities": [{"confidence": 0}, {"confidence": 0}],
        },
    },
}
"""Lines from "Labeling job output data". The one with spans is shortened, and the bucket's name is another."""
