from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.errors import NotExportable
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.review_samples import custom, rekognition, textract
from workflow.operations.manifest.line import labels, manifest_line

IMAGE = {"taskObject": "s3://images/cat.jpg"}
ABOUT = {
    "job-name": "human-loop/loop-1",
    "human-annotated": "yes",
    "creation-date": "2026-03-01T10:00:00.000000",
}


def line_of(document: Any, **options: Any) -> dict[str, Any]:
    output = samples.parsed(document)
    record = build_record(samples.change(), output, ReviewSettings(), "dev")
    line = manifest_line(record, output, **options)
    assert "\n" not in line
    read: dict[str, Any] = json.loads(line)
    return read


def test_image_classification() -> None:
    assert line_of(custom(IMAGE, {"animal": {"label": "dog"}}), classes=["cat", "dog"]) == {
        "source-ref": "s3://images/cat.jpg",
        "animal": "1",
        "animal-metadata": {
            "type": "groundtruth/image-classification",
            "class-name": "dog",
            "confidence": 1.0,
            **ABOUT,
        },
    }


def test_text_classification_by_three_workers() -> None:
    answers = [{"mood": {"label": "good"}}, {"mood": {"label": "bad"}}, {"mood": {"label": "good"}}]
    line = line_of(custom({"taskObject": "What a day."}, *answers))
    assert line["source"] == "What a day."
    assert line["mood"] == "0"  # the only class
    assert line["mood-metadata"]["type"] == "groundtruth/text-classification"
    assert line["mood-metadata"]["confidence"] == 0.6667


@pytest.mark.parametrize(
    ("document", "element", "value"),
    [
        (custom(IMAGE, {"tags": {"labels": []}}), "tags", []),
        (custom(IMAGE, {"cars": {"boundingBoxes": []}}), "cars", {"image_size": [], "annotations": []}),
        (
            custom({"taskObject": "Hm."}, {"who": {"entities": []}}, {"who": {"entities": []}}),
            "who",
            {"annotations": {"entities": [], "labels": []}},
        ),
        (rekognition([], []), "moderation-labels", []),
    ],
)
def test_empty_answers_make_a_line(document: Any, element: str, value: object) -> None:
    line = line_of(document)
    assert line[element] == value
    assert line[f"{element}-metadata"]["human-annotated"] == "yes"


def test_several_labels() -> None:
    line = line_of(custom(IMAGE, {"tags": {"labels": ["dog", "bird"]}}), classes=["dog", "cat", "bird"])
    assert line["tags"] == [2, 0]
    assert line["tags-metadata"] == {
        "type": "groundtruth/image-classification-multilabel",
        "class-map": {"0": "dog", "2": "bird"},
        "confidence-map": {"0": 1.0, "2": 1.0},
        **ABOUT,
    }


def test_bounding_boxes() -> None:
    boxes = {
        "boundingBoxes": [
            {"label": "dog", "left": 1, "top": 2, "width": 3, "height": 4},
            {"label": "cat", "left": 50, "top": 60, "width": 7, "height": 8},
        ],
        "inputImageProperties": {"width": 640, "height": 480},
    }
    line = line_of(custom(IMAGE, {"boxes": boxes}), classes=["dog", "cat"])
    assert line["boxes"]["image_size"] == [{"width": 640, "height": 480, "depth": 3}]
    assert sorted(line["boxes"]["annotations"], key=lambda one: str(one["class_id"])) == [
        {"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4},
        {"class_id": 1, "left": 50, "top": 60, "width": 7, "height": 8},
    ]
    assert line["boxes-metadata"] == {
        "type": "groundtruth/object-detection",
        "class-map": {"0": "dog", "1": "cat"},
        "objects": [{"confidence": 1.0}, {"confidence": 1.0}],
        **ABOUT,
    }


def test_removed_prediction_makes_an_empty_list() -> None:
    predicted = {"prediction": {"boxes": [{"label": "dog", "left": 1, "top": 2, "width": 3, "height": 4}]}}
    line = line_of(custom(IMAGE | predicted, {"boxes": {"boundingBoxes": []}}))
    assert line["boxes"]["annotations"] == []


def test_entities() -> None:
    answer = {"names": {"entities": [{"label": "person", "startOffset": 0, "endOffset": 3}]}}
    line = line_of(custom({"text": "Ana sings"}, answer))
    assert line["source"] == "Ana sings"
    assert line["names"] == {
        "annotations": {
            "entities": [{"endOffset": 3, "label": "person", "startOffset": 0}],
            "labels": [{"label": "person"}],
        }
    }
    assert line["names-metadata"]["type"] == "groundtruth/text-span"


def test_moderation_labels() -> None:
    document = rekognition([("Suggestive", "", 90.0)], [("Weapons", "Violence")])
    line = line_of(document, classes=["Suggestive", "Violence", "Weapons"])
    assert line["source-ref"] == "s3://images/cat.jpg"
    assert line["moderation-labels"] == [1, 2]
    assert line["moderation-labels-metadata"]["class-map"] == {"1": "Violence", "2": "Weapons"}


@pytest.mark.parametrize("place", ["inputContent", "top level"])
def test_form(place: str) -> None:
    document = textract([samples.pair("a", "Name", "Ana")], [samples.answered_pair("a", "Name", "Ann")])
    if place == "top level":
        document |= document.pop("inputContent")
    line = line_of(document)
    assert line["source-ref"] == "s3://forms/a.png"
    assert line["form"] == [{"name": "Name", "value": "Ann"}]
    assert line["form-metadata"]["type"] == "groundtruth/custom"


def test_every_element_is_an_attribute_except_ties() -> None:
    answers = [
        {"animal": {"label": "dog"}, "my note!": "a", "open": "x"},
        {"animal": {"label": "dog"}, "my note!": "a", "open": "y"},
    ]
    line = line_of(custom(IMAGE, *answers))
    assert {key for key in line if not key.endswith("-metadata")} == {"source-ref", "animal", "my-note"}


def test_slashes_in_names_do_not_mix_up_elements() -> None:
    dog = {"left": 1, "top": 2, "width": 3, "height": 4}
    answer = {
        "a": {"labels": ["b/x", "b"]},
        "a/b": {"labels": ["x"]},
        "c": {"boundingBoxes": [dog | {"label": "d/dog"}]},
        "c/d": "a text",
        "e": {"f/on": True, "on": False},
        "e/f": {"on": True},
        "e/f/on": "another text",
    }
    line = line_of(custom(IMAGE, answer), classes=["b", "b/x", "x", "d/dog"])
    assert line["a"] == [0, 1]
    assert line["a-b"] == [2]
    assert line["c"]["annotations"] == [dog | {"class_id": 3}]
    assert line["c-d"] == [{"name": "c/d", "value": "a text"}]
    assert line["e"] == [{"name": "e/f/on", "value": True}, {"name": "e", "value": False}]
    assert line["e-f"] == [{"name": "e/f", "value": True}]
    assert line["e-f-on"] == [{"name": "e/f/on", "value": "another text"}]


def test_years_have_four_digits() -> None:
    document = custom(IMAGE) | {
        "humanAnswers": [samples.answer({"a": "x"}) | {"submissionTime": "0099-01-02T03:04:05.678Z"}]
    }
    assert line_of(document)["a-metadata"]["creation-date"] == "0099-01-02T03:04:05.678000"


def test_source_path_overrides_the_default_keys() -> None:
    document = custom({"document": {"where": "s3://scans/1.png"}}, {"kind": {"label": "invoice"}})
    assert line_of(document, source_path="document.where")["source-ref"] == "s3://scans/1.png"


@pytest.mark.parametrize(
    ("document", "options", "message"),
    [
        (custom({"n": 1}, {"a": {"label": "x"}}), {}, "the object that workers saw is unknown"),
        (
            custom(IMAGE, {"a": {"label": "x"}}),
            {"source_path": "nowhere"},
            "the object that workers saw is unknown",
        ),
        (
            custom(IMAGE, {"a": {"label": "x"}}),
            {"source_path": "abs(taskObject)"},
            "the object that workers saw",
        ),
        (custom(IMAGE), {}, "no field has a majority"),
        (custom(IMAGE, {"a": {"label": "x"}}, {"a": {"label": "y"}}), {}, "no field has a majority"),
        (
            custom(IMAGE, {"a": {"labels": ["x", "y"]}}, {"a": {"labels": ["x"]}}),
            {},
            "no field has a majority",
        ),
    ],
)
def test_review_without_a_line_is_refused(document: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NotExportable, match=message):
        line_of(document, **options)


def test_labels_are_those_of_classes() -> None:
    records = [
        samples.record_of(custom({}, {"animal": {"label": "dog"}, "note": "cat"})),
        samples.record_of(custom({}, {"tags": {"labels": ["bird"]}})),
    ]
    assert set().union(*map(labels, records)) == {"dog", "bird"}


@given(samples.any_output, st.booleans())
def test_every_review_makes_a_line_or_an_error(document: dict[str, Any], several: bool) -> None:
    record = samples.record_of(document)
    known = sorted(labels(record))[: 1 if several else None]
    try:
        line = line_of(document, classes=known)
    except NotExportable:
        return
    attributes = {key for key in line if f"{key}-metadata" in line}
    assert attributes
    assert all(line[f"{name}-metadata"]["type"].startswith("groundtruth/") for name in attributes)
