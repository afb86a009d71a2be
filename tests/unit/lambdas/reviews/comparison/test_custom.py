"""Which element of a custom task a prediction is for, and what became of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, record_of, told

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}
CAT = BOX | {"label": "cat"}
SPAN = {"label": "name", "startOffset": 0, "endOffset": 3}
NAMED = {"predictions": {"my-flow": "m"}}


# Where a prediction lies, and its confidence


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


# A prediction without a name, beside other elements


@pytest.mark.parametrize("confidence", [0.8, 0.4])
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        ({"label": "x"}, {"label": "y"}, {"e": ("x", "y", "changed")}),
        ({"text": "1234"}, "1235", {"e": ("1234", "1235", "changed")}),
        ({"value": 4}, 5, {"e": (4, 5, "changed")}),
        ([BOX], {"boundingBoxes": [CAT]}, {"e/dog": (BOX, CAT, "changed")}),
        (
            [SPAN],
            {"entities": [SPAN | {"endOffset": 4}]},
            {"e/name": (SPAN, SPAN | {"endOffset": 4}, "changed")},
        ),
        ({"label": "a"}, {"labels": ["a"]}, {"e/a": ("a", "a", "kept")}),
        (
            {"label": "yes"},
            {"yes": True, "no": False},
            {"e/no": (False, False, "kept"), "e/yes": (True, True, "kept")},
        ),
    ],
    ids=["class", "text", "number", "boxes", "entities", "labels", "choice"],
)
@pytest.mark.parametrize("path", [None, "prediction"])
def test_a_check_box_beside_it_takes_nothing_of_a_prediction(
    path: str | None, prediction: Any, said: Any, expected: dict[str, Any], confidence: float
) -> None:
    if isinstance(prediction, dict):
        prediction = prediction | {"confidence": confidence}
    else:
        prediction = [one | {"confidence": confidence} for one in prediction]
    document = custom({"prediction": prediction}, {"e": said, "unsure": {"on": False}})
    fields = fields_of(document, predictions={"my-flow": path} if path else {})
    assert told(fields) == expected | {"unsure": (None, False, "answered")}
    assert {field.confidence for field in fields if field.predicted not in (None, "false")} == {confidence}


@pytest.mark.parametrize(
    ("prediction", "said", "compared"),
    [
        ("x", {"mood": {"label": "x"}, "unsure": {"on": True}}, {"mood"}),
        ("on", {"state": {"label": "off"}, "unsure": {"on": True}}, {"state"}),
        ("on", {"words": "off", "unsure": {"on": True}}, {"words"}),
        (["a", "b"], {"tags": {"labels": ["a"]}, "done": {"on": True}}, {"tags/a", "tags/b"}),
        (["a", "b"], {"tags": {"labels": ["a"]}, "mood": {"label": "x"}}, {"tags/a", "tags/b"}),
        ([], {"tags": {"labels": ["a"]}, "done": {"on": True}}, {"tags/a"}),
        ([], {"words": "x", "done": {"on": True}}, set()),
        (["dim"], {"faults": {"dim": True, "blurry": False}, "words": "x"}, {"faults/dim", "faults/blurry"}),
        (True, {"mood": {"label": "x"}, "done": {"on": True}}, {"done"}),
        (True, {"mood": {"label": "true"}}, {"mood"}),
        (True, {"faults": {"dim": True, "blurry": False}}, set()),
        ([BOX], {"mood": {"label": "dog"}}, set()),
        ([BOX], {"tags": {"labels": ["dog"]}, "boxes": {"boundingBoxes": [BOX]}}, {"boxes/dog"}),
        ({"boundingBoxes": [BOX]}, {"mood": {"label": "dog"}, "boxes": {"boundingBoxes": [BOX]}}, {"boxes/dog"}),
        ({"label": "x", "confidence": 0.4}, {"unsure": {"on": True}}, set()),
        ({"label": "x", "confidence": 0.4}, {"unsure": {"on": True}, "note": "dunno"}, set()),
        ("x", {"one": "x", "two": "y"}, set()),
        ({"a": 1}, {"rating": 4}, set()),
    ],
)  # fmt: skip
def test_a_prediction_without_a_name_is_for_the_element_that_it_fits_best(
    prediction: Any, said: dict[str, Any], compared: set[str]
) -> None:
    outcomes = {field.name: field.outcome for field in fields_of(custom({"prediction": prediction}, said))}
    assert {name for name, outcome in outcomes.items() if outcome != "answered"} == compared


_bare: dict[str, st.SearchStrategy[Any]] = {
    "text": samples.texts,
    "class": st.sampled_from(["cat", "dog"]).map(lambda label: {"label": label, "score": 0.4}),
    "classes": st.lists(st.sampled_from(["cat", "dog"]), unique=True),
    "boxes": samples.boxes,
    "entities": samples.entities,
    "points": samples.keypoints,
    "polygons": samples.polygons,
}
_size = st.fixed_dictionaries({"width": st.integers(0, 900), "height": st.integers(0, 900)})
_elements = samples.ELEMENTS | {
    "points": st.fixed_dictionaries(
        {"keypoints": samples.keypoints}, optional={"inputImageProperties": _size}
    )
}
_check = st.fixed_dictionaries({"on": st.booleans()})


@pytest.mark.parametrize("kind", _bare)
@given(st.data())
def test_what_is_compared_is_the_same_beside_a_check_box(kind: str, data: st.DataObject) -> None:
    content = {"prediction": data.draw(_bare[kind])}
    answers = data.draw(st.lists(_elements[kind], min_size=1, max_size=3))
    alone = fields_of(custom(content, *({"e": said} for said in answers)))
    beside = fields_of(custom(content, *({"e": said, "sure": data.draw(_check)} for said in answers)))
    assert [field for field in beside if field.name != "sure"] == alone
    (sure,) = [field for field in beside if field.name == "sure"]
    assert (sure.predicted, sure.outcome in ("answered", "unresolved")) == (None, True)


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from([*_bare, "checks"]), unique=True, max_size=3))
    one = st.fixed_dictionaries({}, optional={kind: _elements[kind] for kind in kinds} | {"sure": _check})
    predicted = st.one_of(
        *_bare.values(),
        st.fixed_dictionaries({}, optional=_bare),
        st.fixed_dictionaries({"label": samples.texts, "confidence": st.floats(0, 1)}),
        st.dictionaries(st.sampled_from(["text", "name", "sure"]), samples.texts),
    )
    place = draw(st.sampled_from(["prediction", "m"]))
    return custom({place: draw(predicted)}, *draw(st.lists(one, min_size=1, max_size=3)))


def _without_order(fields: list[Any]) -> Any:
    return [
        field.model_dump(exclude={"per_worker"})
        | {"per_worker": sorted((str(one.value), one.outcome) for one in field.per_worker)}
        for field in fields
    ]


@given(_documents(), st.booleans(), st.data())
def test_neither_comparison_nor_consolidation_depends_on_the_order_of_workers(
    document: dict[str, Any], named: bool, data: st.DataObject
) -> None:
    contents = [answer["answerContent"] for answer in document["humanAnswers"]]
    shuffled = document | {"humanAnswers": samples.answers(*data.draw(st.permutations(contents)))}
    options = NAMED if named else {}
    assert _without_order(fields_of(shuffled, **options)) == _without_order(fields_of(document, **options))


# What the model predicted, and everybody left blank


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("found", "said", "removed"),
    [
        ({"comment": "hello"}, {}, {"comment": "hello"}),
        ({"comment": "hello", "note": None}, {"ok": {"on": True}}, {"comment": "hello"}),
        ({"name": "Ana", "total": 12}, {"illegible": {"on": True}}, {"name": "Ana", "total": "12"}),
        ({"comment": {"value": "hello", "confidence": 0.9}}, {"rating": 4}, {"comment": "hello"}),
        ({"mood": "good", "confidence": 0.9}, {"mood": {"label": "good"}}, {}),  # the confidence is no field
        ({"dog": 0.9, "cat": 0.1}, {}, {}),
        ({"label": "dog"}, {}, {}),  # it has no name
        ({"value": "1234", "confidence": 0.4}, {"ok": {"on": True}}, {}),
        ({"boundingBoxes": [BOX], "version": "v3"}, {"ok": {"on": True}}, {}),
        ({"dog": 90, "cat": 10}, {"one": {"label": "dog"}, "two": {"label": "dog"}}, {}),  # fits both
    ],
)
def test_a_prediction_in_a_named_place_that_all_left_blank_is_removed(
    found: Any, said: dict[str, Any], removed: dict[str, str], workers: int
) -> None:
    record = record_of(custom({"m": found}, *[said] * workers), **NAMED)
    fields = [field for field in record.fields if field.outcome == "removed"]
    assert {field.name: json.loads(field.predicted or "") for field in fields} == removed
    assert all(len(field.per_worker) == workers for field in fields)
    assert record.overruled == bool(removed)


def test_elsewhere_only_what_has_a_confidence_is_taken_for_a_field() -> None:
    found = {"total": {"value": "12", "confidence": 0.9}, "version": "v1"}
    assert told(fields_of(custom({"prediction": found}, {}))) == {"total": ("12", None, "removed")}
    assert fields_of(custom({"prediction": {"total": "12"}}, {})) == []


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


# Elements that are called like something else


@pytest.mark.parametrize("path", [None, "prediction"])
@pytest.mark.parametrize(
    ("found", "said", "expected"),
    [
        ({"label": "x", "confidence": 0.8}, {"label": {"label": "x"}}, {"label": ("x", "x", "kept")}),
        (
            {"text": "x", "confidence": 0.8, "model": "v3"},
            {"text": "y", "mood": {"label": "x"}},
            {"mood": (None, "x", "answered"), "text": ("x", "y", "changed")},
        ),
        (
            {"label": "x", "confidence": 0.8},
            {"label": {"label": "x"}, "confidence": "high"},
            {"confidence": (None, "high", "answered"), "label": ("x", "x", "kept")},
        ),
        ({"Value": 4, "Score": 0.8}, {"Value": 5}, {"Value": (4, 5, "changed")}),
    ],
)
def test_an_element_can_be_called_like_the_predictions_own_key(
    path: str | None, found: Any, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    fields = fields_of(custom({"prediction": found}, said), predictions={"my-flow": path} if path else {})
    assert told(fields) == expected
    assert [field.confidence for field in fields if field.predicted] == [0.8]


def test_fields_may_be_called_name_and_score() -> None:
    found = {"name": "Ana", "date": "1 May", "score": 12}
    fields = fields_of(custom({"m": found}, {"name": "Ana", "date": "2 May", "score": "12"}), **NAMED)
    assert {field.name: field.outcome for field in fields} == {
        "name": "kept",
        "date": "changed",
        "score": "kept",
    }


def test_a_confidence_beside_a_bare_prediction_is_for_an_element_called_value() -> None:
    (field,) = fields_of(custom({"prediction": "x", "confidence": 0.7}, {"value": {"label": "x"}}))
    assert (field.name, field.confidence, field.outcome) == ("value", 0.7, "kept")


def test_what_is_called_like_an_element_is_context_where_there_is_a_prediction() -> None:
    content = {"comment": "customer's words", "prediction": {"label": "complaint"}}
    record = record_of(custom(content, {"sentiment": {"label": "complaint"}, "comment": "ok"}))
    assert told(list(record.fields)) == {
        "comment": (None, "ok", "answered"),
        "sentiment": ("complaint", "complaint", "kept"),
    }
    assert not record.overruled


# What should be symmetric


@pytest.mark.parametrize("element", [name for name in samples.ELEMENTS if name not in ("text", "other")])
@given(st.data())
def test_comparing_the_other_way_round_mirrors_the_outcomes(element: str, data: st.DataObject) -> None:
    one, other = data.draw(samples.ELEMENTS[element]), data.draw(samples.ELEMENTS[element])
    there = fields_of(custom({"prediction": {"e": one}}, {"e": other}))
    back = fields_of(custom({"prediction": {"e": other}}, {"e": one}))
    assert sorted((str(f.predicted), str(f.reviewed), f.outcome) for f in there) == sorted(
        (str(f.reviewed), str(f.predicted), samples.MIRROR[f.outcome]) for f in back
    )
