from __future__ import annotations

from typing import Any

import pytest

from tests.review_samples import custom, fields_of, values_by_field

JUDGED = {"helpfulness": 4, "tone": "polite", "harmful": False}


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    ("found", "compared"),
    [
        ({}, False),
        ({"prediction": {"evaluation": {"helpfulness": 4, "tone": "rude", "harmful": True}}}, True),
        ({"prediction": {"helpfulness": 4, "tone": "rude", "harmful": True}}, True),
        ({"evaluation": {"helpfulness": 4, "tone": "rude", "harmful": True}}, True),
        (
            {"prediction": {"evaluation": {"helpfulness": {"value": 4, "score": 1}, "tone": "rude", "harmful": True}}},
            True,
        ),
        ({"prediction": "polite"}, False),
        ({"prediction": {"evaluation": "polite"}}, False),
    ],
)  # fmt: skip
def test_each_judgement_is_a_field(found: dict[str, Any], compared: bool, workers: int) -> None:
    document = custom(found, *[{"evaluation": JUDGED, "note": "ok"}] * workers)
    fields = fields_of(document)
    values = values_by_field(fields)
    assert values.pop("note") == (None, "ok", "answered")
    assert values == (
        {
            "evaluation/helpfulness": (4, 4, "kept"),
            "evaluation/tone": ("rude", "polite", "changed"),
            "evaluation/harmful": (True, False, "changed"),
        }
        if compared
        else {f"evaluation/{key}": (None, value, "answered") for key, value in JUDGED.items()}
    )
    assert {field.name: field.kind for field in fields} == {
        "evaluation/helpfulness": "other",
        "evaluation/tone": "text",
        "evaluation/harmful": "other",
        "note": "text",
    }


def test_workers_agree_on_each_judgement() -> None:
    given = [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2}]
    values = {
        field.name: (field.reviewed, field.outcome)
        for field in fields_of(custom({}, *({"e": one} for one in given)))
    }
    assert values == {"e/a": ("1", "answered"), "e/b": (None, "unresolved")}


def test_prediction_of_some_judgements_compares_these() -> None:
    document = custom({"prediction": {"e": {"a": 1}, "note": "x"}}, {"e": {"a": 1, "b": 2}, "note": "x"})
    assert {name: value[2] for name, value in values_by_field(fields_of(document)).items()} == {
        "e/a": "kept",
        "e/b": "answered",
        "note": "kept",
    }


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"label": "ok", "score": 3}, {"e/label", "e/score"}),
        ({"label": "ok", "workerComment": "sure"}, {"e"}),
        ({"rating": 3}, {"e/rating"}),
        ({"rating": None, "tone": "x"}, {"e/rating", "e/tone"}),
        ({"rating": {"stars": 3}}, {"e"}),
        ({"rating": [3]}, {"e"}),
        ({}, {"e"}),
    ],
)
def test_only_objects_of_single_values_are_judgements(answer: dict[str, Any], names: set[str]) -> None:
    assert {field.name for field in fields_of(custom({}, {"e": answer}))} == names


def test_answers_of_different_forms_are_one_field() -> None:
    fields = fields_of(custom({}, {"e": {"a": 1}}, {"e": {"a": [1]}}, {"e": {"a": True}}))
    assert [(field.name, field.kind) for field in fields] == [("e", "other")]
    fields = fields_of(custom({}, {"e": {"a": 1}}, {"e": {"a": True}}))
    assert [(field.name, field.kind) for field in fields] == [("e/a", "other")]


def test_element_with_the_name_of_a_judgement_stays_apart() -> None:
    fields = fields_of(custom({}, {"e": {"a": 1}, "e/a": "x"}))
    assert {field.name for field in fields} == {"e", "e/a"}
    assert len(fields) == 2


def test_settings_are_those_of_the_judgement() -> None:
    settings = {"my-flow": {"fields": {"e/*": {"same": "number", "tolerance": 0.5}}}}
    document = custom({"prediction": {"e": {"a": "1.2"}}}, {"e": {"a": "1", "b": "x"}})
    assert values_by_field(fields_of(document, flow_definitions=settings))["e/a"][2] in ("kept", "changed")


def test_judgements_can_be_buttons_and_other_elements() -> None:
    answer = {"color": {"red": True, "blue": False}, "kind": {"label": "car"}, "sure": 3}
    document = custom({"prediction": {"q": {"color": "red", "kind": "bus", "sure": 3}}}, {"q": answer})
    fields = fields_of(document)
    assert values_by_field(fields) == {
        "q/color": ("red", "red", "kept"),
        "q/kind": ("bus", "car", "changed"),
        "q/sure": (3, 3, "kept"),
    }
    assert [field.kind for field in fields] == ["choice", "label", "other"]
