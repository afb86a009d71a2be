"""Tests of the line of one review: the object that workers saw, and the format of each kind of element."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.errors import NotExportable
from tests import review_samples as samples
from tests.ground_truth import problems_of_line
from tests.review_samples import custom, rekognition, textract
from workflow.operations.manifest.classes import classes_by_attribute
from workflow.operations.manifest.line import Draft, draft

IMAGE = {"taskObject": "s3://images/cat.jpg"}
SIZE = {"inputImageProperties": {"width": 640, "height": 480}}
ABOUT = {
    "job-name": "human-loop/loop-1",
    "human-annotated": "yes",
    "creation-date": "2026-03-01T10:00:00.000000",
}


def draft_of(document: Any, source_path: str | None = None) -> Draft:
    return draft(samples.record_of(document), samples.parsed(document), source_path)


def line_of(document: Any, *labels: str, source_path: str | None = None) -> dict[str, Any]:
    made = draft_of(document, source_path)
    present = [one for one in made.attributes if one.missing is None]
    classes = classes_by_attribute({one.name: one.labels for one in present if one.type != "custom"}, labels)
    text = made.line(classes)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    assert problems_of_line(line) == []
    return line


def test_image_classification() -> None:
    assert line_of(custom(IMAGE, {"animal": {"label": "dog"}}), "cat", "dog") == {
        "source-ref": "s3://images/cat.jpg",
        "animal": "1",
        "animal-metadata": {
            "type": "groundtruth/image-classification",
            "class-name": "dog",
            "confidence": 0.0,
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


def test_radio_buttons_are_a_classification() -> None:
    answers = [
        {"size": {"small": one == "small", "large": one == "large"}} for one in ("small", "large", "small")
    ]
    line = line_of(custom(IMAGE, *answers), "small", "large")
    assert line["size"] == "0"
    assert line["size-metadata"]["type"] == "groundtruth/image-classification"
    assert (line["size-metadata"]["class-name"], line["size-metadata"]["confidence"]) == ("small", 0.6667)


def test_text_file_is_a_text() -> None:
    line = line_of(custom({"taskObject": "s3://texts/a.txt"}, {"tags": {"labels": ["good"]}}))
    assert line["source-ref"] == "s3://texts/a.txt"
    assert line["tags-metadata"]["type"] == "groundtruth/text-classification-multilabel"


@pytest.mark.parametrize(
    ("document", "element", "value"),
    [
        (custom(IMAGE, {"tags": {"labels": []}}), "tags", []),
        (
            custom(IMAGE, {"cars": {"boundingBoxes": [], **SIZE}}),
            "cars",
            {"image_size": [{"width": 640, "height": 480, "depth": 3}], "annotations": []},
        ),
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
    line = line_of(custom(IMAGE, {"tags": {"labels": ["dog", "bird"]}}), "dog", "cat", "bird")
    assert sorted(line["tags"]) == [0, 2]
    assert line["tags-metadata"] == {
        "type": "groundtruth/image-classification-multilabel",
        "class-map": {"0": "dog", "2": "bird"},
        "confidence-map": {"0": 0.0, "2": 0.0},
        **ABOUT,
    }


def test_bounding_boxes() -> None:
    boxes = {
        "boundingBoxes": [
            {"label": "dog", "left": 1, "top": 2, "width": 3, "height": 4},
            {"label": "cat", "left": 50, "top": 60, "width": 7, "height": 8},
        ],
        **SIZE,
    }
    line = line_of(custom(IMAGE, {"boxes": boxes}), "dog", "cat")
    assert line["boxes"]["image_size"] == [{"width": 640, "height": 480, "depth": 3}]
    assert sorted(line["boxes"]["annotations"], key=lambda one: str(one["class_id"])) == [
        {"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4},
        {"class_id": 1, "left": 50, "top": 60, "width": 7, "height": 8},
    ]
    assert line["boxes-metadata"] == {
        "type": "groundtruth/object-detection",
        "class-map": {"0": "dog", "1": "cat"},
        "objects": [{"confidence": 0.0}, {"confidence": 0.0}],
        **ABOUT,
    }


def test_agreed_box_is_in_whole_pixels_and_not_empty() -> None:
    answers = [
        {
            "boxes": {
                "boundingBoxes": [{"label": "dog", "left": 1, "top": 2, "width": 30, "height": 0}],
                **SIZE,
            }
        },
        {
            "boxes": {
                "boundingBoxes": [{"label": "dog", "left": 2, "top": 2, "width": 30, "height": 0}],
                **SIZE,
            }
        },
    ]
    line = line_of(custom(IMAGE, answers[0]))
    assert line["boxes"]["annotations"] == [{"class_id": 0, "left": 1, "top": 2, "width": 30, "height": 1}]
    for answer in answers:
        answer["boxes"]["boundingBoxes"][0]["height"] = 41
    (box,) = line_of(custom(IMAGE, *answers))["boxes"]["annotations"]
    assert box == {"class_id": 0, "left": 2, "top": 2, "width": 30, "height": 41}


def test_removed_prediction_makes_an_empty_list() -> None:
    predicted = {"prediction": {"boxes": [{"label": "dog", "left": 1, "top": 2, "width": 3, "height": 4}]}}
    line = line_of(custom(IMAGE | predicted, {"boxes": {"boundingBoxes": [], **SIZE}}))
    assert line["boxes"]["annotations"] == []


def test_entities_have_all_labels_of_the_attribute() -> None:
    answer = {"names": {"entities": [{"label": "person", "startOffset": 0, "endOffset": 3}]}}
    line = line_of(custom({"text": "Ana sings"}, answer), "place", "person")
    assert line["source"] == "Ana sings"
    assert line["names"] == {
        "annotations": {
            "entities": [{"endOffset": 3, "label": "person", "startOffset": 0}],
            "labels": [{"label": "place"}, {"label": "person"}],
        }
    }
    assert line["names-metadata"]["type"] == "groundtruth/text-span"
    assert line["names-metadata"]["entities"] == [{"confidence": 0.0}]


def test_moderation_labels() -> None:
    document = rekognition([("Suggestive", "", 90.0)], [("Weapons", "Violence")])
    line = line_of(document, "Suggestive", "Violence", "Weapons")
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
    assert line["form-metadata"]["confidence"] == 0.0


def test_years_have_four_digits() -> None:
    document = custom(IMAGE) | {
        "humanAnswers": [samples.answer({"a": "x"}) | {"submissionTime": "0099-01-02T03:04:05.678Z"}]
    }
    assert line_of(document)["a-metadata"]["creation-date"] == "0099-01-02T03:04:05.678000"


def test_source_path_overrides_the_default_keys() -> None:
    document = custom({"document": {"where": "s3://scans/1.png"}}, {"kind": {"label": "invoice"}})
    assert line_of(document, source_path="document.where")["source-ref"] == "s3://scans/1.png"


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        ({"n": 1}, None, "the object that workers saw is unknown"),
        (IMAGE, "nowhere", "the object that workers saw is unknown"),
        (IMAGE, "abs(taskObject)", "the object that workers saw is unknown"),
        ({"image": "https://images.example/cat.jpg"}, None, "workers saw a web address"),
    ],
)
def test_review_of_an_unknown_object_is_refused(content: Any, path: str | None, message: str) -> None:
    with pytest.raises(NotExportable, match=message):
        draft_of(custom(content, {"a": {"label": "x"}}), path)


def test_line_has_escapes_for_what_cannot_be_seen() -> None:
    text = "What\u2028a\x1b\u202eday.\x85"
    made = draft_of(custom({"taskObject": text}, {"mood": {"label": "good"}}))
    line = made.line({"mood": ["good"]})
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert json.loads(line)["source"] == text
