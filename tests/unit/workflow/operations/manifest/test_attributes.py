"""Tests of the label attributes of a review: which fields they have, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.record import read_review
from tests import review_samples as samples
from tests.review_samples import custom, rekognition, textract
from workflow.operations.manifest.attributes import (
    NO_IMAGE_SIZE,
    NO_MAJORITY,
    NOT_ANSWERED,
    SEVERAL_OPTIONS,
    Attribute,
    attributes_of,
)

SIZE = {"inputImageProperties": {"width": 640, "height": 480}}


def made_from(document: Any) -> dict[str, Attribute]:
    return {one.name: one for one in attributes_of(samples.record_of(document), samples.parsed(document))}


def box(label: str, left: int) -> dict[str, Any]:
    return {"label": label, "left": left, "top": 0, "width": 10, "height": 10}


def boxes(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"boxes": {"boundingBoxes": list(given), **SIZE, **more}}


def values(attribute: Attribute) -> list[Any]:
    return [item.value for item in attribute.items]


def test_box_that_half_of_the_workers_drew_is_left_out_alone() -> None:
    made = made_from(custom({}, boxes(box("dog", 0), box("dog", 50)), boxes(box("dog", 0))))["boxes"]
    assert made.missing is None
    assert [value["left"] for value in values(made)] == [0]
    assert made.without_majority == 1


def test_box_that_most_workers_drew_with_other_labels_costs_the_line() -> None:
    for answers in (["dog", "cat"], ["dog", "cat", None]):
        drawn = [boxes(box("dog", 50), *([box(label, 0)] if label else [])) for label in answers]
        made = made_from(custom({}, *drawn))["boxes"]
        assert made.missing == NO_MAJORITY, answers


@pytest.mark.parametrize("lefts", [(0, 5), (0, 5, 10), (0, 5, 50)])
def test_boxes_too_different_to_count_as_one_cost_the_line(lefts: tuple[int, ...]) -> None:
    made = made_from(custom({}, *(boxes(box("dog", 200), box("cat", left)) for left in lefts)))["boxes"]
    assert made.missing == NO_MAJORITY


def test_boxes_in_different_places_or_beside_an_agreed_one_are_left_out_alone() -> None:
    for lefts in ((0, 50), (195, 205), (0, 50, 100)):
        made = made_from(custom({}, *(boxes(box("dog", 200), box("cat", left)) for left in lefts)))["boxes"]
        assert (made.missing, [value["left"] for value in values(made)]) == (None, [200]), lefts


def test_boxes_of_which_none_has_a_majority_are_missing() -> None:
    assert made_from(custom({}, boxes(box("dog", 0)), boxes()))["boxes"].missing == NO_MAJORITY


def test_box_that_one_of_three_drew_is_agreed_not_to_exist() -> None:
    made = made_from(custom({}, boxes(box("dog", 0)), boxes(), boxes()))["boxes"]
    assert (made.missing, made.items, made.without_majority) == (None, (), 0)


def test_label_without_a_majority_is_left_out_alone() -> None:
    made = made_from(custom({}, {"tags": {"labels": ["x", "y"]}}, {"tags": {"labels": ["x"]}}))["tags"]
    assert (values(made), made.without_majority, made.missing) == (["x"], 1, None)
    none = made_from(custom({}, {"tags": {"labels": ["y"]}}, {"tags": {"labels": ["x"]}}))["tags"]
    assert none.missing == NO_MAJORITY


def test_key_without_a_majority_is_left_out_of_a_form_alone() -> None:
    pairs = [samples.pair("a", "Name", "Ana"), samples.pair("b", "Town", "Rome")]
    answers = [
        [samples.answered_pair("a", "Name", name), samples.answered_pair("b", "Town", "Roma")]
        for name in ("Ann", "Anna")
    ]
    made = made_from(textract(pairs, *answers))["form"]
    assert [(item.name, item.value) for item in made.items] == [("Town", "Roma")]
    assert made.without_majority == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([{"a": {"label": "x"}}, {"a": {"label": "y"}}], NO_MAJORITY),
        ([{"a": "x"}, {"a": "y"}], NO_MAJORITY),
        ([{"a": {"label": "x"}}, {}, {}], NOT_ANSWERED),
        ([{"a": "x"}, {}, {}], NOT_ANSWERED),
    ],
)
def test_value_without_a_majority_is_missing(answers: list[dict[str, Any]], reason: str) -> None:
    assert made_from(custom({}, *answers))["a"].missing == reason


@pytest.mark.parametrize(
    ("content", "answers"),
    [
        ({}, [{"boundingBoxes": [box("dog", 0)]}, {"boundingBoxes": [box("dog", 0)], **SIZE}]),
        ({"prediction": {"boxes": {"boundingBoxes": [], **SIZE}}}, [{"boundingBoxes": [box("dog", 0)]}]),
        ({"model": [SIZE]}, [{"boundingBoxes": []}]),
    ],
)
def test_image_size_is_that_of_any_answer_or_prediction(content: Any, answers: list[Any]) -> None:
    made = made_from(custom(content, *({"boxes": answer} for answer in answers)))["boxes"]
    assert (made.image_size, made.missing) == ((640, 480), None)


def test_image_size_can_come_from_another_element() -> None:
    answer = {"boxes": {"boundingBoxes": []}, "points": {"keypoints": [], **SIZE}}
    assert made_from(custom({}, answer))["boxes"].image_size == (640, 480)
    other = {"inputImageProperties": {"width": 1, "height": 480}}
    assert made_from(custom({"model": other}, answer))["boxes"].missing == NO_IMAGE_SIZE


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"inputImageProperties": {"width": 0, "height": 0}},
        {"inputImageProperties": {"width": 5, "height": 1e9}},
    ],
)
def test_boxes_on_an_image_of_unknown_size_are_missing(size: Any) -> None:
    answer = {"boxes": {"boundingBoxes": [box("dog", 0)], **size}}
    assert made_from(custom({"n": 1}, answer))["boxes"].missing == NO_IMAGE_SIZE


def test_single_worker_has_confidence_0() -> None:
    answer = {"a": {"label": "x"}, "b": "y"}
    assert {item.confidence for one in made_from(custom({}, answer)).values() for item in one.items} == {0.0}
    assert {
        item.confidence for one in made_from(custom({}, answer, answer)).values() for item in one.items
    } == {1.0}


def test_slashes_in_names_do_not_mix_up_elements() -> None:
    dog = {"left": 1, "top": 2, "width": 3, "height": 4}
    answer = {
        "a": {"labels": ["b/x", "b"]},
        "a/b": {"labels": ["x"]},
        "c": {"boundingBoxes": [dog | {"label": "d/dog"}]},
        "c/d": "a text",
        "e": {"f/on": True, "on": True},
        "e/f": {"on": True},
        "e/f/on": "another text",
    }
    made = made_from(custom({}, answer))
    assert values(made["a"]) == ["b", "b/x"]
    assert values(made["a-b"]) == ["x"]
    assert values(made["c"]) == [dog | {"label": "d/dog"}]
    assert [(item.name, item.value) for item in made["c-d"].items] == [("c/d", "a text")]
    assert [(item.name, item.value) for item in made["e"].items] == [("e/f/on", True), ("e", True)]
    assert [(item.name, item.value) for item in made["e-f"].items] == [("e/f", True)]
    assert [(item.name, item.value) for item in made["e-f-on"].items] == [("e/f/on", "another text")]


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ("my note!", "my-note"),
        ("source", "source-label"),
        ("photo-ref", "photo-ref-label"),
        ("a-metadata", "a-metadata-label"),
        ("動物", "answer"),
        ("x" * 200, "x" * 127),
    ],
)
def test_name_of_an_attribute_is_valid_for_ground_truth(element: str, name: str) -> None:
    assert list(made_from(custom({}, {element: "x"}))) == [name]


def test_fields_of_an_element_that_is_read_in_another_way_today_are_kept() -> None:
    document = custom({}, {"color": "red", "color/x": "y"})
    record = samples.record_of(document)
    fields = [
        record.fields[0].model_copy(update={"name": "color/red", "kind": "selection", "reviewed": "true"})
    ]
    record = record.model_copy(update={"fields": fields})
    (made,) = attributes_of(record, samples.parsed(document))
    assert (made.element, made.type, values(made)) == ("color", "custom", [True])


def test_field_without_an_element_is_an_attribute() -> None:
    document = custom({}, {"small": {"on": True}, "large": {"on": False}})
    record = samples.record_of(document)
    field = record.fields[0].model_copy(update={"name": "size", "kind": "choice", "reviewed": '"small"'})
    (made,) = attributes_of(record.model_copy(update={"fields": [field]}), samples.parsed(document))
    assert (made.name, made.type, made.labels) == ("size", "classification", {"small"})


def test_choice_of_several_options_is_no_class() -> None:
    document = custom({}, {"size": {"small": True, "large": True}})
    record = samples.record_of(document)
    field = record.fields[0].model_copy(
        update={"name": "size", "kind": "choice", "reviewed": '["large","small"]'}
    )
    (made,) = attributes_of(record.model_copy(update={"fields": [field]}), samples.parsed(document))
    assert (made.missing, made.labels) == (SEVERAL_OPTIONS, set())


def test_key_of_a_form_is_not_of_an_element_whose_name_it_starts_with() -> None:
    document = textract([], [samples.answered_pair("a", "Date/Time", "noon")])
    document["humanAnswers"][0]["answerContent"]["Date"] = "a remark"
    made = made_from(document)
    assert {name: [item.name for item in one.items] for name, one in made.items()} == {
        "form": ["Date/Time"],
        "Date": ["Date"],
    }


def test_judgements_in_one_element_are_attributes_of_their_own() -> None:
    sizes = [{"inputImageProperties": {"width": width, "height": 480}} for width in (64, 640)]
    judged = {
        "left": {"boundingBoxes": [box("dog", 0)], **sizes[0]},
        "right": {"boundingBoxes": [], **sizes[1]},
        "mood": {"label": "good"},
        "better": {"left": True, "right": False},
    }
    made = made_from(custom({}, {"ev": judged}))
    assert {name: (one.type, one.image_size, one.labels) for name, one in made.items()} == {
        "ev-left": ("boxes", (64, 480), {"dog"}),
        "ev-right": ("boxes", (640, 480), set()),
        "ev-mood": ("classification", None, {"good"}),
        "ev-better": ("classification", None, {"left"}),
    }


def test_unknown_kind_of_field_is_a_custom_attribute() -> None:
    document = custom({}, {"sound": {"waves": [1]}})
    later = samples.record_of(document).to_line().replace(b'"name":"sound"', b'"name":"sound/dog"')
    record = read_review(later.replace(b'"kind":"other"', b'"kind":"wave"'))
    (made,) = attributes_of(record, samples.parsed(document))
    assert (made.element, made.type, values(made)) == ("sound", "custom", [{"waves": [1]}])


def test_service_attribute_and_elements_beside_it() -> None:
    document = rekognition([], [("Violence", "")])
    document["humanAnswers"][0]["answerContent"]["remark"] = "blood"
    assert set(made_from(document)) == {"moderation-labels", "remark"}
