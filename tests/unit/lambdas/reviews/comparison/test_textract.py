from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.reviews.comparison import compare
from lambdas.reviews.comparison.alignment import Box, Outline, Span, Spot, _touching, align, match
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, pair, rekognition, said_pair, textract, told

FEW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


# Textract


def test_a_form_is_compared_pair_by_pair() -> None:
    document = textract(
        [pair("a", "Name:", "Ana Silva"), pair("b", "Date:", "1 May"), pair("c", "Sex:", "F")],
        [
            said_pair("a", "Name:", " Ana   Silva "),
            said_pair("b", "Date:", "2 May"),
            said_pair("x", "Phone:", "555"),
        ],
    )
    assert told(fields_of(document)) == {
        "Name:": ("Ana Silva", "Ana Silva", "kept"),
        "Date:": ("1 May", "2 May", "changed"),
        "Sex:": ("F", None, "removed"),
        "Phone:": (None, "555", "added"),
    }


def test_a_pair_is_matched_by_block_id_first_then_by_the_keys_text() -> None:
    # The ids say that the dates were swapped; the texts alone would say that nothing happened.
    document = textract(
        [pair("a", "Date", "1 May"), pair("b", "Date", "2 May"), pair("c", "Total:", "7")],
        [said_pair("b", "Date", "1 May"), said_pair("a", "Date", "2 May"), said_pair("new", "total", "7")],
    )
    assert [
        (field.name, field.predicted, field.reviewed, field.outcome) for field in fields_of(document)
    ] == [
        ("Date", '"1 May"', '"2 May"', "changed"),
        ("Date", '"2 May"', '"1 May"', "changed"),
        ("Total:", '"7"', '"7"', "kept"),
    ]


def test_of_predictions_with_one_key_the_one_that_says_the_same_is_meant() -> None:
    document = textract(
        [pair("a", "Item", "Pen"), pair("b", "Item", "Ink"), pair("c", "Item", "Cap")],
        [said_pair("x", "Item:", "Cap"), said_pair("y", "Item", "Pen"), said_pair("z", "Item", "Ink, red")],
    )
    assert [(field.predicted, field.reviewed) for field in fields_of(document)] == [
        ('"Pen"', '"Pen"'),
        ('"Ink"', '"Ink, red"'),
        ('"Cap"', '"Cap"'),
    ]


def test_a_corrected_key_is_a_change() -> None:
    document = textract([pair("a", "Narne:", "Ana")], [said_pair("a", "Name:", "Ana")])
    assert told(fields_of(document)) == {"Narne:": ("Ana", {"key": "Name:", "value": "Ana"}, "changed")}


@pytest.mark.parametrize(
    "said",
    [
        said_pair("a", "Smoker", None, selectionStatus="NOT_SELECTED"),
        [
            *said_pair("a", "Smoker", "", relationships=[{"type": "CHILD", "ids": ["box"]}]),
            samples.checkbox("box", "NOT_SELECTED"),
        ],
        said_pair("a", "Smoker", "NOT_SELECTED"),
    ],
    ids=["on the value", "on the box", "as text"],
)
def test_a_check_box_is_read_wherever_its_status_stands(said: list[dict[str, Any]]) -> None:
    predicted = samples.key_value(
        "a", [samples.word("k", "Smoker")], [samples.checkbox("box", "SELECTED", 61.0)]
    )
    (field,) = fields_of(textract([predicted], [said]))
    assert (field.kind, field.predicted, field.reviewed, field.outcome) == (
        "selection",
        "true",
        "false",
        "changed",
    )
    assert field.confidence == pytest.approx(0.61)  # the least of key, value and box


YES_NO = ["SELECTED", "Yes", "NOT_SELECTED", "No"]


@pytest.mark.parametrize(
    ("parts", "said", "predicted", "reviewed"),
    [
        (YES_NO, {"parts": ["NOT_SELECTED", "Yes", "SELECTED", "No"]}, None, "NOT_SELECTED Yes SELECTED No"),
        (
            YES_NO,
            {"parts": ["NOT_SELECTED", "Yes", "SELECTED", "No"], "text": "Yes  No"},
            None,
            "NOT_SELECTED Yes SELECTED No",
        ),
        (
            YES_NO,
            {"parts": YES_NO, "text": "NOT_SELECTED Yes SELECTED No"},
            None,
            "NOT_SELECTED Yes SELECTED No",
        ),
        (YES_NO, {"parts": YES_NO, "text": "Yes Never"}, None, "SELECTED NOT_SELECTED Yes Never"),
        (
            ["SELECTED", "NOT_SELECTED"],
            {"parts": ["NOT_SELECTED", "SELECTED"]},
            None,
            "NOT_SELECTED SELECTED",
        ),
        (["SELECTED", "Male"], {"parts": ["NOT_SELECTED", "Male"]}, None, "NOT_SELECTED Male"),
        (
            ["SELECTED", "Male"],
            {"parts": ["SELECTED", "Male"], "selectionStatus": "NOT_SELECTED"},
            None,
            "NOT_SELECTED Male",
        ),
        (YES_NO, {"parts": YES_NO, "selectionStatus": "NOT_SELECTED"}, None, "NOT_SELECTED Yes No"),
        (["SELECTED"], {"parts": ["SELECTED"], "selectionStatus": "NOT_SELECTED"}, True, False),
    ],
)
def test_a_box_that_a_person_ticked_is_a_change_whatever_stands_beside_it(
    parts: list[str], said: dict[str, Any], predicted: bool | None, reviewed: str | bool
) -> None:
    (field,) = fields_of(
        textract([samples.boxed_pair("a", "Sex", parts)], [samples.said_boxes("a", "Sex", **said)])
    )
    assert told([field]) == {
        "Sex": (" ".join(parts) if predicted is None else predicted, reviewed, "changed")
    }
    assert field.kind == ("text" if isinstance(reviewed, str) else "selection")


def _words(parts: list[str]) -> str:
    return " ".join(part for part in parts if part not in samples.STATUSES)


@FEW
@given(samples.parts, st.data())
def test_a_value_is_kept_however_it_is_told_and_changed_if_any_box_is(
    parts: list[str], data: st.DataObject
) -> None:
    words = _words(parts)
    untouched = [
        samples.said_boxes("a", "Sex", parts),
        samples.said_boxes("a", "Sex", parts, text=words),
        samples.said_boxes("a", "Sex", parts)[:2],
        *([samples.said_pair("a", "Sex", words)] if words else []),
    ]
    for said in untouched:
        (field,) = fields_of(textract([samples.boxed_pair("a", "Sex", parts)], [said]))
        assert (field.outcome, field.reviewed) == ("kept", field.predicted)

    boxes = [index for index, part in enumerate(parts) if part in samples.STATUSES]
    for index in data.draw(st.sets(st.sampled_from(boxes), min_size=1)) if boxes else ():
        flipped = [*parts]
        flipped[index] = "SELECTED" if parts[index] == "NOT_SELECTED" else "NOT_SELECTED"
        for text in (None, words):
            said = samples.said_boxes("a", "Sex", flipped, text=text)
            (field,) = fields_of(textract([samples.boxed_pair("a", "Sex", parts)], [said]))
            assert field.outcome == "changed"


def test_an_untouched_value_that_an_answer_does_not_repeat_is_kept() -> None:
    document = textract([pair("a", "Name", "Ana")], [said_pair("a", "Name", None)[:1]])
    assert told(fields_of(document)) == {"Name": ("Ana", "Ana", "kept")}


def test_pairs_that_were_not_shown_to_people_are_no_fields() -> None:
    document = textract([pair("a", "Name", "Ana"), pair("b", "Date", "1 May"), pair("c", "Sum", "7")], [])
    content = document["inputContent"]
    content["selectedAiServiceResponse"] = {
        "blocks": pair("a", "Name", "Ana")[:2]
    }  # its words are in the response
    document["humanAnswers"] = samples.answers(
        {samples.TEXTRACT: {"blocks": said_pair("a", "Name", "Ana") + said_pair("c", "Sum", "8")}}
    )
    assert told(fields_of(document)) == {
        "Name": ("Ana", "Ana", "kept"),
        "Sum": ("7", "8", "changed"),  # not selected either, but people spoke of it
    }


def test_a_missing_key_that_people_found_is_added() -> None:
    document = textract(
        [pair("a", "Name", "Ana")],
        [said_pair("x", "Mail", "a@b.c")],
        selectedAiServiceResponse={"blocks": []},
    )
    assert told(fields_of(document)) == {"Mail": (None, "a@b.c", "added")}


def test_confidence_is_the_least_of_a_pairs_parts() -> None:
    predicted = samples.key_value(
        "a",
        [samples.word("k", "Name", 50.0)],
        [samples.word("v1", "Ana", 88.0), samples.word("v2", "Silva", 70.5)],
        95.0,
    )
    (field,) = fields_of(textract([predicted], [said_pair("a", "Name", "Ana Silva")]))
    assert field.confidence == pytest.approx(0.705)


# Rekognition


def test_labels_are_compared_as_sets_with_their_parents() -> None:
    document = rekognition(
        [("Violence", "", 90.0), ("Gore", "Violence", 80.0), ("Suggestive", "", 55.5)],
        [("Weapons", "Violence"), ("Suggestive", "")],
    )
    fields = fields_of(document)
    assert told(fields) == {
        "Violence": ("Violence", "Violence", "kept"),  # said by saying Weapons
        "Violence/Gore": ("Gore", None, "removed"),
        "Violence/Weapons": (None, "Weapons", "added"),
        "Suggestive": ("Suggestive", "Suggestive", "kept"),
    }
    assert {field.name: field.confidence for field in fields} == {
        "Violence": 0.9,
        "Violence/Gore": 0.8,
        "Violence/Weapons": None,
        "Suggestive": 0.555,
    }


def test_a_label_that_was_not_selected_but_predicted_is_kept() -> None:
    selected = {"moderationLabels": [{"name": "Suggestive", "parentName": "", "confidence": 60}]}
    document = rekognition(
        [("Suggestive", "", 60.0), ("Gore", "", 99.0), ("Weapons", "", 98.0)],
        [("Suggestive", ""), ("Gore", "")],
        selectedAiServiceResponse=selected,
    )
    assert {name: outcome for name, (*_, outcome) in told(fields_of(document)).items()} == {
        "Suggestive": "kept",
        "Gore": "kept",
    }


def test_a_page_that_asks_something_else_overrules_nothing() -> None:
    document = rekognition([("Suggestive", "", 60.0)]) | {
        "humanAnswers": samples.answers({"verdict": {"label": "ok"}})
    }
    assert told(fields_of(document)) == {"verdict": (None, "ok", "answered")}


def test_an_extra_question_is_answered_beside_the_labels() -> None:
    document = rekognition([("Suggestive", "", 60.0)], [("Suggestive", "")])
    document["humanAnswers"][0]["answerContent"]["comment"] = "sure"
    assert told(fields_of(document)) == {
        "Suggestive": ("Suggestive", "Suggestive", "kept"),
        "comment": (None, "sure", "answered"),
    }


def test_parents_in_a_circle_end() -> None:
    document = rekognition([("a", "b", 1.0), ("b", "a", 2.0)], [("a", "b")])
    assert {name: outcome for name, (*_, outcome) in told(fields_of(document)).items()} == {
        "b/a": "kept",
        "a/b": "kept",
    }


# Custom tasks

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}


@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        ({"label": "dog", "confidence": 0.7}, {"label": "dog"}, {"e": ("dog", "dog", "kept")}),
        ("dog", {"label": "cat"}, {"e": ("dog", "cat", "changed")}),
        ({"cat": 0.2, "dog": 0.8}, {"label": "cat"}, {"e": ("dog", "cat", "changed")}),
        ({"cat": 0.8, "dog": 0.2}, {"label": "cat"}, {"e": ("cat", "cat", "kept")}),
        (
            [{"label": "cat", "score": 20}, {"label": "dog", "score": 80}],
            {"label": "dog"},
            {"e": ("dog", "dog", "kept")},
        ),
        ({"label": "dog"}, {"label": "dog", "workerComment": "!"}, {"e": ("dog", "dog", "kept")}),
        (
            ["dog", "cat"],
            {"labels": ["cat", "bird"]},
            {
                "e/bird": (None, "bird", "added"),
                "e/cat": ("cat", "cat", "kept"),
                "e/dog": ("dog", None, "removed"),
            },
        ),
        ({"dog": 0.9, "cat": 0.1}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
        ([], {"labels": ["dog"]}, {"e/dog": (None, "dog", "added")}),
        ("a  text", "a text", {"e": ("a text", "a text", "kept")}),
        (12, "12", {"e": ("12", "12", "kept")}),
        (12, 12, {"e": (12, 12, "kept")}),
        ({"value": 12, "confidence": 0.6}, 13, {"e": (12, 13, "changed")}),
        (
            {"lines": [1], "score": 2},
            {"lines": [1], "score": 2},
            {"e": (*[{"lines": [1], "score": 2}] * 2, "kept")},
        ),
        ({"text": "a", "confidence": 99}, "b", {"e": ("a", "b", "changed")}),
        (True, {"on": True}, {"e": (True, True, "kept")}),
        ({"value": True, "confidence": 0.6}, {"on": False}, {"e": (True, False, "changed")}),
        (
            ["dim"],
            {"blurry": True, "dim": True},
            {"e/blurry": (False, True, "changed"), "e/dim": (True, True, "kept")},
        ),
        (
            {"blurry": True, "dim": True},
            {"blurry": True, "dim": False},
            {"e/blurry": (True, True, "kept"), "e/dim": (True, False, "changed")},
        ),
        ("yes", {"yes": True}, {"e/yes": (True, True, "kept")}),
        ([BOX], {"boundingBoxes": [BOX]}, {"e/dog": (BOX, BOX, "kept")}),
        (
            {"boundingBoxes": [BOX | {"confidence": 0.5}]},
            {"boundingBoxes": [BOX | {"left": 3}]},
            {"e/dog": (BOX, BOX | {"left": 3}, "changed")},
        ),
        (
            [BOX],
            {"boundingBoxes": [BOX | {"left": 8}]},
            {"e/dog": (None, BOX | {"left": 8}, "added")},  # and the predicted one, of the same name, removed
        ),
        (
            [BOX],
            {"boundingBoxes": [BOX | {"label": "cat"}]},
            {"e/dog": (BOX, BOX | {"label": "cat"}, "changed")},
        ),
        (
            [{"label": "name", "startOffset": 0, "endOffset": 3, "score": 0.5}],
            {"entities": [{"label": "name", "startOffset": 0, "endOffset": 9}]},
            {
                "e/name": (
                    {"label": "name", "startOffset": 0, "endOffset": 3},
                    {"label": "name", "startOffset": 0, "endOffset": 9},
                    "changed",
                )
            },
        ),
        (
            [{"label": "eye", "x": 500, "y": 500}],
            {"keypoints": [{"label": "eye", "x": 505, "y": 500}]},
            {"e/eye": ({"label": "eye", "x": 500, "y": 500}, {"label": "eye", "x": 505, "y": 500}, "kept")},
        ),
        (
            [{"label": "eye", "x": 500, "y": 500}],
            {
                "keypoints": [{"label": "eye", "x": 530, "y": 500}],
                "inputImageProperties": {"width": 600, "height": 800},
            },
            {
                "e/eye": (
                    {"label": "eye", "x": 500, "y": 500},
                    {"label": "eye", "x": 530, "y": 500},
                    "changed",
                )
            },
        ),
        (
            [{"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]}],
            {
                "polygons": [
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 8.9}]}
                ]
            },
            {
                "e/lake": (
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]},
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 8.9}]},
                    "kept",
                )
            },
        ),
        ({"a": [1.0]}, {"a": [1]}, {"e": ({"a": [1]}, {"a": [1]}, "kept")}),
        ({"a": [1]}, {"a": [True]}, {"e": ({"a": [1]}, {"a": [True]}, "changed")}),
    ],
)
@pytest.mark.parametrize("place", ["by the element's name", "for the only element", "named like the element"])
def test_every_crowd_element_is_compared(
    place: str, prediction: Any, said: Any, expected: dict[str, Any]
) -> None:
    input_content = {
        "by the element's name": {"prediction": {"e": prediction}},
        "for the only element": {"prediction": prediction},
        "named like the element": {"e": prediction},
    }[place]
    assert told(fields_of(custom(input_content, {"e": said}))) == expected


def test_what_has_no_prediction_is_answered() -> None:
    document = custom(
        {"text": "…", "prediction": {"label": "dog", "confidence": 70}},
        {"animal": {"label": "cat"}, "comment": "furry"},
    )
    fields = fields_of(document)
    assert told(fields) == {"animal": ("dog", "cat", "changed"), "comment": (None, "furry", "answered")}
    assert [field.confidence for field in fields] == [0.7, None]


def test_two_elements_that_a_nameless_prediction_fits_get_none_of_it() -> None:
    document = custom({"prediction": "dog"}, {"a": {"label": "cat"}, "b": {"label": "cat"}})
    assert {field.outcome for field in fields_of(document)} == {"answered"}


def test_the_place_of_a_prediction_is_named_per_flow_definition() -> None:
    document = custom(
        {"model": [{"answer": {"label": "dog", "score": 0.25}}], "prediction": "bird"},
        {"animal": {"label": "dog"}},
    )
    (field,) = fields_of(document, predictions={"my-flow": "model[0].answer"})
    assert (field.predicted, field.confidence, field.outcome) == ('"dog"', 0.25, "kept")
    (field,) = fields_of(document, predictions={"other-flow": "model[0].answer"})
    assert field.predicted == '"bird"'


def test_a_named_place_can_give_values_the_names_of_their_elements() -> None:
    document = custom({"original_words": "use Lambda", "end": 9}, {"transcription": "use lambda"})
    path = "{transcription: original_words}"
    assert told(fields_of(document, predictions={"my-flow": path})) == {
        "transcription": ("use Lambda", "use lambda", "changed")
    }


@pytest.mark.parametrize("path", ["nothing.here", "max_by(model, &score)", "length(end)"])
def test_a_place_without_a_prediction_leaves_answers_uncompared(path: str) -> None:
    document = custom({"model": [{"score": "x"}, {"score": 1}], "end": 9}, {"animal": {"label": "dog"}})
    assert told(fields_of(document, predictions={"my-flow": path})) == {"animal": (None, "dog", "answered")}


def test_a_predicted_input_that_was_blanked_is_removed() -> None:
    # A blank input is left out of the answer.
    found = {
        "total": {"value": "12", "confidence": 0.9},
        "tax": {"value": "3", "confidence": 0.8},
        "version": "v1",
    }
    document = custom({"prediction": found}, {"total": "12"})
    assert told(fields_of(document)) == {"total": ("12", "12", "kept"), "tax": ("3", None, "removed")}
    assert fields_of(document)[1].confidence == 0.8
    # In a place that was named, every key is a field.
    assert told(fields_of(document, predictions={"my-flow": "prediction"}))["version"] == (
        "v1",
        None,
        "removed",
    )


def test_a_confidence_may_stand_beside_a_bare_prediction() -> None:
    (field,) = fields_of(custom({"prediction": "dog", "confidence": 0.4}, {"animal": {"label": "dog"}}))
    assert field.confidence == 0.4


@pytest.mark.parametrize("confidence", ["high", None, True, -1, 101, [0.5]])
def test_a_confidence_that_is_none_is_unknown(confidence: object) -> None:
    document = custom(
        {"prediction": {"label": "dog", "confidence": confidence}}, {"animal": {"label": "dog"}}
    )
    (field,) = fields_of(document)
    assert (field.predicted, field.confidence) == ('"dog"', None)


def test_an_element_whose_shape_differs_from_worker_to_worker_is_compared_as_it_is() -> None:
    document = custom(
        {"prediction": {"e": {"label": "dog"}}}, {"e": {"label": "dog"}}, {"e": "dog"}, {"e": "dog"}
    )
    (field,) = fields_of(document)
    assert (field.kind, field.reviewed, field.outcome) == ("other", '"dog"', "changed")


# What should be symmetric


_shapes: dict[str, st.SearchStrategy[list[Any]]] = {
    "boxes": samples.boxes.map(lambda boxes: [Box(**box) for box in boxes]),
    "spans": samples.entities.map(
        lambda spans: [Span(span["label"], span["startOffset"], span["endOffset"]) for span in spans]
    ),
    "points": samples.keypoints.map(lambda points: [Spot(**point) for point in points]),
    "outlines": samples.polygons.map(
        lambda shapes: [
            Outline(one["label"], tuple((p["x"], p["y"]) for p in one["vertices"])) for one in shapes
        ]
    ),
}


@pytest.mark.parametrize("shape", _shapes)
@FEW
@given(st.data())
def test_likeness_and_matching_are_symmetric(shape: str, data: st.DataObject) -> None:
    ours, theirs = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    for one in ours:
        assert one.unmoved(one)
        for other in theirs:
            assert one.likeness(other) == other.likeness(one)
            assert 0 <= one.likeness(other) <= 1
            assert one.unmoved(other) == other.unmoved(one)
    there = sorted((repr(ours[mine]), repr(theirs[other])) for mine, other in match(ours, theirs))
    back = sorted((repr(ours[mine]), repr(theirs[other])) for other, mine in match(theirs, ours))
    assert there == back
    assert len({mine for mine, _ in match(ours, theirs)}) == len(there)  # each to one only


@pytest.mark.parametrize("shape", _shapes)
@FEW
@given(st.data())
def test_no_shapes_that_are_alike_are_missed(shape: str, data: st.DataObject) -> None:
    ours, theirs = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    assert sorted(_touching(ours, theirs)) == [
        (mine, other)
        for mine in range(len(ours))
        for other in range(len(theirs))
        if ours[mine].likeness(theirs[other]) > 0
    ]


@pytest.mark.parametrize("along", ["across", "down"])
def test_outlines_far_from_each_other_are_not_measured(along: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def square(place: int) -> Outline:
        corners = ((0, 0), (10, 0), (10, 10), (0, 10))
        return Outline(
            "cell",
            tuple(
                (x + 20.0 * place, 0.0 + y) if along == "across" else (x, y + 20.0 * place)
                for x, y in corners
            ),
        )

    measured = []
    likeness = Outline.likeness
    monkeypatch.setattr(
        Outline, "likeness", lambda one, other: (measured.append(one), likeness(one, other))[1]
    )
    squares = [square(place) for place in range(200)]
    assert sorted(match(squares, squares[::-1])) == [(place, 199 - place) for place in range(200)]
    assert len(measured) == 2 * 200  # to see that they are alike, and how much


@pytest.mark.parametrize("shape", _shapes)
@FEW
@given(st.data())
def test_the_order_of_shapes_makes_no_difference(shape: str, data: st.DataObject) -> None:
    predicted, said = data.draw(_shapes[shape]), data.draw(st.lists(_shapes[shape], max_size=3))

    def rows(predicted: list[Any], said: list[list[Any]]) -> list[Any]:
        return sorted(
            repr((None if index is None else predicted[index], drawn))
            for index, drawn in align(predicted, said)
        )

    shuffled = [data.draw(st.permutations(shapes)) for shapes in said]
    assert rows(predicted, said) == rows(data.draw(st.permutations(predicted)), shuffled)
    # Every shape is in one row, and in one only.
    for worker, shapes in enumerate(said):
        drawn = [row[worker] for _, row in align(predicted, said) if row[worker]]
        assert sorted(map(repr, drawn)) == sorted(map(repr, shapes))


MIRROR = {"added": "removed", "removed": "added", "kept": "kept", "changed": "changed"}


@pytest.mark.parametrize("element", [name for name in samples.ELEMENTS if name not in ("text", "other")])
@FEW
@given(st.data())
def test_comparing_the_other_way_round_mirrors_the_outcomes(element: str, data: st.DataObject) -> None:
    one, other = data.draw(samples.ELEMENTS[element]), data.draw(samples.ELEMENTS[element])
    there = fields_of(custom({"prediction": {"e": one}}, {"e": other}))
    back = fields_of(custom({"prediction": {"e": other}}, {"e": one}))
    assert sorted((str(f.predicted), str(f.reviewed), f.outcome) for f in there) == sorted(
        (str(f.reviewed), str(f.predicted), MIRROR[f.outcome]) for f in back
    )


@FEW
@given(samples.rekognition_outputs(), st.data())
def test_moderation_mirrors_too(document: dict[str, Any], data: st.DataObject) -> None:
    said = data.draw(
        st.lists(st.sampled_from([("Violence", ""), ("Gore", "Violence"), ("Suggestive", "")]), unique=True)
    )
    predicted = [
        (label["name"], label["parentName"])
        for label in document["inputContent"]["aiServiceResponse"]["moderationLabels"]
    ]
    there = told(fields_of(rekognition([(*label, 50.0) for label in predicted], said)))
    back = told(fields_of(rekognition([(*label, 50.0) for label in said], predicted)))
    assert {
        name: (after, before, MIRROR[outcome]) for name, (before, after, outcome) in there.items()
    } == back


@FEW
@given(st.data())
def test_forms_mirror_too(data: st.DataObject) -> None:
    sides = [
        data.draw(
            st.dictionaries(
                st.sampled_from("abcd"), st.tuples(st.sampled_from(["Name", "Date"]), samples.texts)
            )
        )
        for _ in range(2)
    ]

    def outcomes(predicted: dict[str, Any], said: dict[str, Any]) -> list[str]:
        document = textract(
            [pair(id_, *texts) for id_, texts in predicted.items()],
            [said_pair(id_, *texts) for id_, texts in said.items()],
        )
        return [field.outcome for field in fields_of(document)]

    assert sorted(outcomes(*sides)) == sorted(MIRROR[outcome] for outcome in outcomes(*sides[::-1]))


@FEW
@given(samples.any_output)
def test_every_review_accounts_for_every_worker_in_every_row(document: dict[str, Any]) -> None:
    rows = compare(samples.parsed(document))
    workers = len(document["humanAnswers"])
    assert all(len(row.said) == workers for row in rows)
    assert all(
        row.predicted is not None or any(value is not None for value in row.said) or row.kind != "box"
        for row in rows
    )
    assert not rows or workers


def test_shapes_of_the_same_label_belong_together_before_others() -> None:
    # Each predicted box lies exactly on the other animal's.
    predicted = [Box("dog", 0, 0, 10, 10), Box("cat", 2, 0, 10, 10)]
    said = [Box("cat", 0, 0, 10, 10), Box("dog", 2, 0, 10, 10)]
    assert sorted(match(predicted, said)) == [(0, 1), (1, 0)]


def test_round_outlines_are_measured_well() -> None:
    def circle(x: float) -> Outline:
        turns = [2 * math.pi * corner / 1000 for corner in range(1000)]
        return Outline("lake", tuple((x + 50 * math.cos(turn), 50 * math.sin(turn)) for turn in turns))

    lens = 2 * 50**2 * math.acos(10 / 100) - 5 * math.sqrt(4 * 50**2 - 10**2)
    assert circle(0).likeness(circle(10)) == pytest.approx(lens / (2 * math.pi * 50**2 - lens), abs=0.001)


def test_measures_of_shapes_are_those_of_geometry() -> None:
    assert Box("a", 0, 0, 10, 10).likeness(Box("b", 0, 0, 10, 6)) == 0.6
    assert Box("a", 0, 0, 10, 10).likeness(Box("b", 5, 5, 10, 10)) == 0.0  # 1/7: not the same thing
    assert Box("a", 0, 0, 0, 0).likeness(Box("b", 0, 0, 0, 0)) == 1.0
    assert Box("a", -1e308, 0, 1.7e308, 1e308).likeness(Box("a", 1, 0, 1e308, 1e308)) == 0.0  # overflows
    assert Span("a", 0, 10).likeness(Span("b", 5, 15)) == pytest.approx(1 / 3)
    assert Spot("a", 0, 0).likeness(Spot("b", 30, 40)) == 0.0
    square = Outline("a", ((0, 0), (10, 0), (10, 10), (0, 10)))
    lower = Outline("a", ((0, 0), (10, 0), (10, 6), (0, 6)))
    assert square.likeness(lower) == pytest.approx(0.6, abs=0.01)
    triangle = Outline("a", ((0, 0), (10, 0), (0, 10)))
    assert square.likeness(triangle) == pytest.approx(0.5, abs=0.01)
    for height in (0.0, 5e-324, 1e308):  # flat, nearly flat, and more than a float holds
        assert (
            Outline("a", ((0, height), (1, -height), (2, height))).likeness(Outline("a", ((0, 0), (1, 0))))
            == 0.0
        )
    assert Outline("a", ()).likeness(square) == 0.0
