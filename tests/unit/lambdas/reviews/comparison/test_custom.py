"""Which element of a custom task a prediction is for, and what became of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.reviews.comparison.alignment import Spot
from lambdas.reviews.comparison.elements import BoundingBoxes, Classification, LabelSet, parse_element
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, record_of, told

FEW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}
CAT = BOX | {"label": "cat"}
SPAN = {"label": "name", "startOffset": 0, "endOffset": 3}
NAMED = {"predictions": {"my-flow": "m"}}


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
@FEW
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


@FEW
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


# Check boxes and labels


@pytest.mark.parametrize(
    ("predicted", "said", "expected"),
    [
        ({"value": True, "confidence": 0.4}, {"on": True}, {"e": (True, True, "kept")}),
        ({"value": True}, {"on": False}, {"e": (True, False, "changed")}),
        ({"label": "x", "confidence": 0.4}, {"on": False}, {"e": (None, False, "answered")}),
        ([{"label": "dim", "score": 0.4}], {"dim": False}, {"e/dim": (False, False, "kept")}),
        ({"label": "dog", "confidence": 0.4}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
    ],
)
def test_only_of_several_labels_the_unlikely_are_left_out(
    predicted: Any, said: Any, expected: dict[str, Any]
) -> None:
    assert told(fields_of(custom({"prediction": {"e": predicted}}, {"e": said}))) == expected


# Elements and shapes


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ({"label": "a", "labels": ["a", "b"]}, LabelSet),
        ({"label": "a", "labels": [1]}, Classification),
        ({"label": "a", "boundingBoxes": [BOX], "labels": ["a"]}, BoundingBoxes),
    ],
)
def test_a_value_with_keys_of_several_elements_is_always_the_same_one(value: Any, model: type) -> None:
    assert type(parse_element(value)) is model
    assert type(parse_element(dict(reversed(value.items())))) is model
    code = (
        "from lambdas.reviews.comparison.elements import parse_element; "
        f"print(type(parse_element({value!r})).__name__)"
    )
    for seed in "012":
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert run.stdout.strip() == model.__name__, run.stderr


def test_points_are_measured_by_the_largest_image_that_an_answer_tells() -> None:
    def point(x: int, width: int) -> dict[str, Any]:
        return {
            "k": {
                "keypoints": [{"label": "eye", "x": x, "y": 0}],
                "inputImageProperties": {"width": width, "height": 10},
            }
        }

    found = {"prediction": {"k": {"keypoints": [{"label": "eye", "x": 0, "y": 0}]}}}
    there, back = point(4, 500), point(12, 1000)
    outcomes = [fields_of(custom(found, *says))[0].outcome for says in ([there, back], [back, there])]
    assert outcomes == ["kept", "kept"]


def test_an_assumed_size_does_not_take_the_place_of_a_known_one() -> None:
    small = Spot("eye", 10, 0, diagonal=100)
    assert not Spot("eye", 13, 0).unmoved(small)  # 3 % of the image
    assert Spot("eye", 13, 0).unmoved(Spot("eye", 10, 0))
