"""Custom tasks: which element a prediction belongs to, and the outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, record_of, values_by_field

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}
CAT = BOX | {"label": "cat"}
SPAN = {"label": "name", "startOffset": 0, "endOffset": 3}
NAMED = {"predictions": {"my-flow": "m"}}


# The place of a prediction, and its confidence


def test_field_without_prediction_is_answered() -> None:
    document = custom(
        {"text": "…", "prediction": {"label": "dog", "confidence": 70}},
        {"animal": {"label": "cat"}, "comment": "furry"},
    )
    fields = fields_of(document)
    assert values_by_field(fields) == {
        "animal": ("dog", "cat", "changed"),
        "comment": (None, "furry", "answered"),
    }
    assert [field.confidence for field in fields] == [0.7, None]


def test_ambiguous_prediction_is_not_used() -> None:
    document = custom({"prediction": "dog"}, {"a": {"label": "cat"}, "b": {"label": "cat"}})
    assert {field.outcome for field in fields_of(document)} == {"answered"}


def test_prediction_path_is_set_per_flow_definition() -> None:
    document = custom(
        {"model": [{"answer": {"label": "dog", "score": 0.25}}], "prediction": "bird"},
        {"animal": {"label": "dog"}},
    )
    (field,) = fields_of(document, predictions={"my-flow": "model[0].answer"})
    assert (field.predicted, field.confidence, field.outcome) == ('"dog"', 0.25, "kept")
    (field,) = fields_of(document, predictions={"other-flow": "model[0].answer"})
    assert field.predicted == '"bird"'


def test_prediction_path_can_rename_values() -> None:
    document = custom({"original_words": "use Lambda", "end": 9}, {"transcription": "use lambda"})
    path = "{transcription: original_words}"
    assert values_by_field(fields_of(document, predictions={"my-flow": path})) == {
        "transcription": ("use Lambda", "use lambda", "changed")
    }


@pytest.mark.parametrize("path", ["nothing.here", "max_by(model, &score)", "length(end)"])
def test_path_without_result_leaves_answers_uncompared(path: str) -> None:
    document = custom({"model": [{"score": "x"}, {"score": 1}], "end": 9}, {"animal": {"label": "dog"}})
    assert values_by_field(fields_of(document, predictions={"my-flow": path})) == {
        "animal": (None, "dog", "answered")
    }


def test_confidence_next_to_plain_prediction() -> None:
    (field,) = fields_of(custom({"prediction": "dog", "confidence": 0.4}, {"animal": {"label": "dog"}}))
    assert field.confidence == 0.4


@pytest.mark.parametrize("confidence", ["high", None, True, -1, 101, [0.5]])
def test_invalid_confidence_is_unknown(confidence: object) -> None:
    document = custom(
        {"prediction": {"label": "dog", "confidence": confidence}}, {"animal": {"label": "dog"}}
    )
    (field,) = fields_of(document)
    assert (field.predicted, field.confidence) == ('"dog"', None)


# A prediction without a name, on a page with other elements


@pytest.mark.parametrize("confidence", [0.8, 0.4])
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
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
            {"e": ("yes", "yes", "kept")},
        ),
    ],
    ids=["class", "text", "number", "boxes", "entities", "labels", "choice"],
)
@pytest.mark.parametrize("path", [None, "prediction"])
def test_check_box_does_not_take_prediction_of_other_element(
    path: str | None, prediction: Any, answered: Any, expected: dict[str, Any], confidence: float
) -> None:
    if isinstance(prediction, dict):
        prediction = prediction | {"confidence": confidence}
    else:
        prediction = [one | {"confidence": confidence} for one in prediction]
    document = custom({"prediction": prediction}, {"e": answered, "unsure": {"on": False}})
    fields = fields_of(document, predictions={"my-flow": path} if path else {})
    assert values_by_field(fields) == expected | {"unsure": (None, False, "answered")}
    assert {field.confidence for field in fields if field.predicted not in (None, "false")} == {confidence}


@pytest.mark.parametrize(
    ("prediction", "answered", "compared"),
    [
        ("x", {"mood": {"label": "x"}, "unsure": {"on": True}}, {"mood"}),
        ("on", {"state": {"label": "off"}, "unsure": {"on": True}}, {"state"}),
        ("on", {"words": "off", "unsure": {"on": True}}, {"words"}),
        (["a", "b"], {"tags": {"labels": ["a"]}, "done": {"on": True}}, {"tags/a", "tags/b"}),
        (["a", "b"], {"tags": {"labels": ["a"]}, "mood": {"label": "x"}}, {"tags/a", "tags/b"}),
        ([], {"tags": {"labels": ["a"]}, "done": {"on": True}}, {"tags/a"}),
        ([], {"words": "x", "done": {"on": True}}, set()),
        (["dim"], {"faults": {"dim": True, "blurry": False}, "words": "x"}, {"faults"}),
        (["dim"], {"faults": {"dim": True, "blurry": True}, "words": "x"}, {"faults/dim", "faults/blurry"}),
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
def test_prediction_without_name_goes_to_best_element(
    prediction: Any, answered: dict[str, Any], compared: set[str]
) -> None:
    outcomes = {
        field.name: field.outcome for field in fields_of(custom({"prediction": prediction}, answered))
    }
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
@settings(max_examples=15)  # for each kind
@given(st.data())
def test_added_check_box_does_not_change_comparison(kind: str, data: st.DataObject) -> None:
    content = {"prediction": data.draw(_bare[kind])}
    answers = data.draw(st.lists(_elements[kind], min_size=1, max_size=3))
    alone = fields_of(custom(content, *({"e": answered} for answered in answers)))
    together = fields_of(
        custom(content, *({"e": answered, "sure": data.draw(_check)} for answered in answers))
    )
    assert [field for field in together if field.name != "sure"] == alone
    (sure,) = [field for field in together if field.name == "sure"]
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
def test_result_does_not_depend_on_order_of_workers(
    document: dict[str, Any], named: bool, data: st.DataObject
) -> None:
    contents = [answer["answerContent"] for answer in document["humanAnswers"]]
    shuffled = document | {"humanAnswers": samples.answers(*data.draw(st.permutations(contents)))}
    options = NAMED if named else {}
    assert _without_order(fields_of(shuffled, **options)) == _without_order(fields_of(document, **options))


# Predicted values that all workers left blank


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("found", "answered", "removed"),
    [
        ({"comment": "hello"}, {}, {"comment": "hello"}),
        ({"comment": "hello", "note": None}, {"ok": {"on": True}}, {"comment": "hello"}),
        ({"name": "Ana", "total": 12}, {"illegible": {"on": True}}, {"name": "Ana", "total": "12"}),
        ({"comment": {"value": "hello", "confidence": 0.9}}, {"rating": 4}, {"comment": "hello"}),
        (
            {"mood": "good", "confidence": 0.9},
            {"mood": {"label": "good"}},
            {},
        ),  # the confidence is not a field
        ({"dog": 0.9, "cat": 0.1}, {}, {}),
        ({"label": "dog"}, {}, {}),  # it has no name
        ({"value": "1234", "confidence": 0.4}, {"ok": {"on": True}}, {}),
        ({"boundingBoxes": [BOX], "version": "v3"}, {"ok": {"on": True}}, {}),
        ({"dog": 90, "cat": 10}, {"one": {"label": "dog"}, "two": {"label": "dog"}}, {}),  # fits both
    ],
)
def test_blank_prediction_at_configured_path_is_removed(
    found: Any, answered: dict[str, Any], removed: dict[str, str], workers: int
) -> None:
    record = record_of(custom({"m": found}, *[answered] * workers), **NAMED)
    fields = [field for field in record.fields if field.outcome == "removed"]
    assert {field.name: json.loads(field.predicted or "") for field in fields} == removed
    assert all(len(field.per_worker) == workers for field in fields)
    assert record.overruled == bool(removed)


def test_without_path_only_values_with_confidence_are_fields() -> None:
    found = {"total": {"value": "12", "confidence": 0.9}, "version": "v1"}
    assert values_by_field(fields_of(custom({"prediction": found}, {}))) == {"total": ("12", None, "removed")}
    assert fields_of(custom({"prediction": {"total": "12"}}, {})) == []


def test_blank_predicted_input_is_removed() -> None:
    # A blank input is left out of the answer.
    found = {
        "total": {"value": "12", "confidence": 0.9},
        "tax": {"value": "3", "confidence": 0.8},
        "version": "v1",
    }
    document = custom({"prediction": found}, {"total": "12"})
    assert values_by_field(fields_of(document)) == {
        "total": ("12", "12", "kept"),
        "tax": ("3", None, "removed"),
    }
    assert fields_of(document)[1].confidence == 0.8
    # At a configured path, every key is a field.
    assert values_by_field(fields_of(document, predictions={"my-flow": "prediction"}))["version"] == (
        "v1",
        None,
        "removed",
    )


# Elements with the names of other keys


@pytest.mark.parametrize("path", [None, "prediction"])
@pytest.mark.parametrize(
    ("found", "answered", "expected"),
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
def test_element_can_have_name_of_predictions_key(
    path: str | None, found: Any, answered: dict[str, Any], expected: dict[str, Any]
) -> None:
    fields = fields_of(custom({"prediction": found}, answered), predictions={"my-flow": path} if path else {})
    assert values_by_field(fields) == expected
    assert [field.confidence for field in fields if field.predicted] == [0.8]


def test_fields_can_be_named_name_and_score() -> None:
    found = {"name": "Ana", "date": "1 May", "score": 12}
    fields = fields_of(custom({"m": found}, {"name": "Ana", "date": "2 May", "score": "12"}), **NAMED)
    assert {field.name: field.outcome for field in fields} == {
        "name": "kept",
        "date": "changed",
        "score": "kept",
    }


def test_plain_prediction_with_confidence_fits_element_named_value() -> None:
    (field,) = fields_of(custom({"prediction": "x", "confidence": 0.7}, {"value": {"label": "x"}}))
    assert (field.name, field.confidence, field.outcome) == ("value", 0.7, "kept")


def test_input_with_element_name_is_ignored_if_prediction_exists() -> None:
    content = {"comment": "customer's words", "prediction": {"label": "complaint"}}
    record = record_of(custom(content, {"sentiment": {"label": "complaint"}, "comment": "ok"}))
    assert values_by_field(list(record.fields)) == {
        "comment": (None, "ok", "answered"),
        "sentiment": ("complaint", "complaint", "kept"),
    }
    assert not record.overruled


# Symmetry


MIRRORED = [(name, None) for name in samples.ELEMENTS if name not in ("text", "other", "checks", "mask")]


@pytest.mark.parametrize(("element", "choice"), [*MIRRORED, ("checks", True), ("checks", False)])
@settings(max_examples=15)  # for each element
@given(st.data())
def test_swapping_sides_mirrors_outcomes(element: str, choice: bool | None, data: st.DataObject) -> None:
    one, other = data.draw(samples.ELEMENTS[element]), data.draw(samples.ELEMENTS[element])
    rules: dict[str, Any] = {"my-flow": {"fields": {"e": {"choice": choice}}}}
    there = fields_of(custom({"prediction": {"e": one}}, {"e": other}), flow_definitions=rules)
    back = fields_of(custom({"prediction": {"e": other}}, {"e": one}), flow_definitions=rules)
    assert sorted((str(f.predicted), str(f.reviewed), f.outcome) for f in there) == sorted(
        (str(f.reviewed), str(f.predicted), samples.MIRROR[f.outcome]) for f in back
    )


# Settings that say where predictions are


def test_search_for_predictions_can_be_switched_off() -> None:
    document = custom({"prediction": {"label": "dog"}, "words": "x"}, {"a": {"label": "cat"}, "words": "y"})
    record = record_of(document, predictions={"my-flow": False})
    assert {field.outcome for field in record.fields} == {"answered"}
    assert not record.overruled
    assert record_of(document).overruled


ROWS = {"document": {"rows": [{"total": "12", "sure": 0.9, "id": 7}, {"total": "13"}, {"id": 9}]}}


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("row-{index}-total", ("row-1-total", "row-2-total")),
        ("row{index0}", ("row0", "row1")),
        ("{id}-total-{index}", ("7-total-1", "x")),
        ("{to_string(id)}", ("7", "null")),
        ("total {index}", ("total 1", "total 2")),
    ],
)
def test_predictions_of_list_are_matched_by_templated_name(name: str, names: tuple[str, str]) -> None:
    table = {"each": "document.rows", "name": name, "value": "total", "confidence": "sure"}
    document = custom(ROWS, {names[0]: "12", names[1]: "14"})
    fields = {field.name: field for field in fields_of(document, predictions={"my-flow": table})}
    assert (fields[names[0]].outcome, fields[names[0]].confidence) == ("kept", 0.9)
    second = ("answered", None) if names[1] == "x" else ("changed", '"13"')
    assert (fields[names[1]].outcome, fields[names[1]].predicted) == second


def test_predictions_of_several_lists_are_matched_by_name() -> None:
    content = {"a": [{"v": "dog"}], "b": {"boxes": [{"shapes": [BOX]}]}, "c": "no list", "d": [1, "x", None]}
    tables = [
        {"each": "a", "name": "animal", "value": "v"},
        {"each": "b.boxes", "name": "boxes-{index}", "value": "shapes"},
        {"each": "c", "name": "c", "value": "v"},
        {"each": "d", "name": "{length(@)}", "value": "max(@)"},
    ]
    answered = {"animal": {"label": "cat"}, "boxes-1": {"boundingBoxes": [BOX]}, "c": "c"}
    fields = fields_of(custom(content, answered), predictions={"my-flow": tables})
    assert {field.name: field.outcome for field in fields} == {
        "animal": "changed",
        "boxes-1/dog": "kept",
        "c": "answered",
    }


def test_predicted_item_without_answer_was_removed() -> None:
    table = {"each": "document.rows", "name": "row-{index}-total", "value": "total"}
    document = custom(ROWS, {"row-1-total": "12"})
    assert values_by_field(fields_of(document, predictions={"my-flow": table})) == {
        "row-1-total": ("12", "12", "kept"),
        "row-2-total": ("13", None, "removed"),
    }


@pytest.mark.parametrize("settings", [{}, {"predictions": {"my-flow": "predictions"}}])
def test_list_of_named_values_is_matched_by_name(settings: dict[str, Any]) -> None:
    found = [
        {"name": "city", "value": "Bonn", "confidence": 0.8},
        {"Name": "kind", "Value": "letter"},
        {"name": "city", "value": "second of the name"},
    ]
    document = custom({"predictions": found}, {"city": "Bonn", "kind": {"label": "form"}, "note": "x"})
    fields = fields_of(document, **settings)
    assert values_by_field(fields) == {
        "city": ("Bonn", "Bonn", "kept"),
        "kind": ("letter", "form", "changed"),
        "note": (None, "x", "answered"),
    }
    assert [field.confidence for field in fields] == [0.8, None, None]


def test_named_values_that_name_no_element_are_labels() -> None:
    found = [{"name": "is it?", "value": "dog"}, {"name": "is it?", "value": "cat"}]
    fields = fields_of(custom({"prediction": found}, {"tags": {"labels": ["dog"]}}))
    assert {field.name: field.outcome for field in fields} == {"tags/cat": "removed", "tags/dog": "kept"}


ODD_SETTINGS = [
    {},
    {"predictions": {"my-flow": "prediction"}},
    {
        "predictions": {
            "my-flow": {"each": "@", "name": "{index0}{name}", "value": "value", "confidence": "@"}
        }
    },
    {"predictions": {"my-flow": {"each": "values(@)", "name": "{@}", "value": "@"}}},
]
odd_values = samples.any_json | st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("ab") | samples.any_json, "value": samples.any_json}),
    max_size=3,
)


@given(odd_values, odd_values, st.sampled_from(ODD_SETTINGS), st.sampled_from(["text", "number", "date"]))
def test_odd_values_never_cost_the_review(found: Any, answer: Any, where: dict[str, Any], same: str) -> None:
    rules = {"flow_definitions": {"my-flow": {"fields": {"*": {"same": same}}}}}
    for content in (found, {"prediction": found}, {"a": found}):
        record = record_of(custom(content, {"a": answer, "b": "x"}, {"a": found}), **where, **rules)
        assert record.to_line()
        assert "b" in {field.name for field in record.fields}


# What is no prediction overrules nobody

EMPTY = [
    None,
    "",
    " \n",
    "[]",
    "null",
    {},
    {"label": ""},
    {"value": None, "confidence": 0.9},
    {"text": " ", "score": 1},
    [""],
    [{}],
]
SHAPES = {"boundingBoxes": [], "inputImageProperties": {"width": 9, "height": 9}}
NOTHING_SEEN = [[], {"boundingBoxes": []}, SHAPES]
EVERY_KIND = ["x", {"label": "x"}, {"labels": ["x"]}, {"boundingBoxes": [BOX]}, {"x": True}, 5, {"rating": 4}]


def compared_by_place(found: Any, answered: Any, *places: str) -> dict[str, bool]:
    """Whether a prediction for the element "e" is compared, by place, with and without the element's name."""
    documents = {"the element's name": (custom({"e": found}, {"e": answered}), {})}
    for place in places:
        for name, value in (("", found), (" with names", {"e": found})):
            content = {"m": {"p": value}} if place == "a setting" else {place: value}
            path = {"predictions": {"my-flow": "m.p"}} if place == "a setting" else {}
            documents[place + name] = custom(content, {"e": answered}), path
    records = {place: record_of(document, **path) for place, (document, path) in documents.items()}
    return {place: any(field.compared for field in record.fields) for place, record in records.items()}


@pytest.mark.parametrize("answered", EVERY_KIND, ids=str)
def test_empty_value_is_no_prediction(answered: Any) -> None:
    for empty in EMPTY:
        compared = compared_by_place(empty, answered, "prediction", "initialValue", "a setting")
        assert set(compared.values()) == {False}, empty


@pytest.mark.parametrize("answered", EVERY_KIND, ids=str)
def test_empty_list_that_a_page_shows_at_first_is_no_prediction(answered: Any) -> None:
    for nothing in NOTHING_SEEN:
        compared = compared_by_place(nothing, answered, "initialValue", "initial_value")
        assert set(compared.values()) == {False}, nothing


@pytest.mark.parametrize("nothing", NOTHING_SEEN, ids=str)
def test_empty_list_of_shapes_in_a_prediction_means_none_were_seen(nothing: Any) -> None:
    compared = compared_by_place(nothing, {"boundingBoxes": [BOX]}, "prediction", "modelOutput", "a setting")
    assert not compared.pop("the element's name")
    assert set(compared.values()) == {True}
    document = custom({"initialValue": nothing}, {"e": {"boundingBoxes": [BOX]}, "note": "x"})
    fields = fields_of(document, predictions={"my-flow": "initialValue"})
    assert values_by_field(fields) == {"e/dog": (None, BOX, "added"), "note": (None, "x", "answered")}


def test_search_goes_on_after_an_empty_place() -> None:
    content = {"prediction": "", "inference": {"label": " "}, "initialValue": "dog"}
    fields = fields_of(custom(content, {"e": {"label": "dog"}}))
    assert values_by_field(fields) == {"e": ("dog", "dog", "kept")}


def test_empty_value_costs_only_its_own_field() -> None:
    content = {"name": "Ana", "date": "", "kind": {"label": None, "confidence": 0.4}, "score": 3}
    answered = {"name": "Ana", "date": "1 May", "kind": {"label": "form"}, "score": "4"}
    assert values_by_field(fields_of(custom({"prediction": content}, answered))) == {
        "date": (None, "1 May", "answered"),
        "kind": (None, "form", "answered"),
        "name": ("Ana", "Ana", "kept"),
        "score": ("3", "4", "changed"),
    }


INDEXES = [
    *(3, 0, 2.0, "3", True, [3], [3, 5], [0.1, 0.9], {"0": 0.3, "1": 0.7}),
    *({"label": 3}, {"label": "1", "confidence": 0.9}, {"class": 3, "score": 0.5}),
    [{"label": 0, "confidence": 0.3}, {"label": 1, "confidence": 0.7}],
    *("LABEL_1", {"label": "LABEL_1", "score": 0.9}, {"LABEL_0": 0.3, "LABEL_1": 0.7}, "class 3"),
    *("s3://bucket/prediction.json", ["https://example.com/dog"]),
]


@pytest.mark.parametrize("answered", [{"label": "dog"}, {"labels": ["dog"]}, {"labels": []}], ids=str)
def test_class_index_is_no_prediction_of_a_label(answered: Any) -> None:
    for index in INDEXES:
        compared = compared_by_place(index, answered, "prediction", "initialValue", "a setting")
        assert set(compared.values()) == {False}, index


@pytest.mark.parametrize(
    ("found", "answered", "expected"),
    [
        (3, {"label": "3"}, ("3", "3", "kept")),
        ({"label": 3, "confidence": 0.9}, {"label": "5"}, ("3", "5", "changed")),
        ({"0": 0.3, "1": 0.7}, {"label": "0"}, ("1", "0", "changed")),
        (True, {"label": "false"}, ("true", "false", "changed")),
        ("Class 3", {"label": "class 4"}, ("Class 3", "class 4", "changed")),
        ("Class 3", {"label": "dog"}, (None, "dog", "answered")),
        ("s3://b/k", "a text", (None, "a text", "answered")),
        ("https://a.b", "https://a.c", ("https://a.b", "https://a.c", "changed")),
        (3, "3", ("3", "3", "kept")),
        (12.5, "12,40 €", ("12.5", "12,40 €", "changed")),
        (3, "dog", (None, "dog", "answered")),
        (True, "yes", (None, "yes", "answered")),
        (True, "false", ("true", "false", "changed")),
        ("3", "dog", ("3", "dog", "changed")),
    ],
)
def test_number_is_compared_only_with_numbers(found: Any, answered: Any, expected: Any) -> None:
    for content in ({"prediction": found}, {"prediction": {"e": found}}):
        assert values_by_field(fields_of(custom(content, {"e": answered}))) == {"e": expected}


@pytest.mark.parametrize(
    "answered", [{"labels": ["cat"]}, {"label": "cat"}, {"cat": True, "dog": False}, "cat"]
)
def test_options_that_a_page_gets_are_no_prediction(answered: Any) -> None:
    record = record_of(custom({"taskObject": "…", "options": ["cat", "dog"]}, {"options": answered}))
    assert not any(field.compared for field in record.fields)
    document = custom({"prediction": {"options": ["cat", "dog"]}}, {"options": {"labels": ["cat"]}})
    assert values_by_field(fields_of(document))["options/dog"] == ("dog", None, "removed")


@pytest.mark.parametrize(
    "found",
    [
        {"class": 16, "name": "dog", "confidence": 0.9},
        {"label": 3, "class": "dog"},
        {"label": "LABEL_3", "name": "dog"},
        [{"class": 16, "name": "dog", "confidence": 0.9}, {"class": 15, "name": "cat", "confidence": 0.1}],
    ],
)
def test_name_of_a_class_is_compared_and_not_its_index(found: Any) -> None:
    for answered in ({"label": "dog"}, {"labels": ["dog"]}):
        (field,) = fields_of(custom({"prediction": found}, {"e": answered}))
        assert (field.predicted, field.outcome) == ('"dog"', "kept")


def test_number_and_text_are_compared_if_settings_say_when_they_are_the_same() -> None:
    document = custom({"prediction": {"rating": 3}}, {"rating": 3.0}, {"rating": "3"}, {"rating": "x"})
    rules = {"flow_definitions": {"my-flow": {"fields": {"rating": {"same": "number"}}}}}
    (field,) = fields_of(document, **rules)
    assert (field.outcome, field.agreement) == ("kept", pytest.approx(2 / 3))
    (field,) = fields_of(document)
    assert (field.outcome, field.compared) == ("unresolved", False)


def test_number_of_a_field_of_numbers_is_compared_with_any_text() -> None:
    document = custom({"prediction": {"total": 12.5}}, {"total": "illegible"})
    rules = {"flow_definitions": {"my-flow": {"fields": {"total": {"same": "number"}}}}}
    assert values_by_field(fields_of(document)) == {"total": (None, "illegible", "answered")}
    assert values_by_field(fields_of(document, **rules)) == {"total": (12.5, "illegible", "changed")}


def test_predicted_number_without_answer_was_removed() -> None:
    document = custom({"m": {"total": 12.5, "name": "Ana"}}, {"name": "Ana"})
    assert values_by_field(fields_of(document, **NAMED))["total"] == ("12.5", None, "removed")
