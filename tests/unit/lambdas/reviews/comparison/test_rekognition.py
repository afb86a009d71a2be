from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import review_samples as samples
from tests.review_samples import fields_of, rekognition, values_by_field


def test_compares_labels_with_their_parents() -> None:
    document = rekognition(
        [("Violence", "", 90.0), ("Gore", "Violence", 80.0), ("Suggestive", "", 55.5)],
        [("Weapons", "Violence"), ("Suggestive", "")],
    )
    fields = fields_of(document)
    assert values_by_field(fields) == {
        "Violence": ("Violence", "Violence", "kept"),  # because it is the parent of Weapons
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


def test_predicted_label_that_was_not_selected_is_kept() -> None:
    selected = {"moderationLabels": [{"name": "Suggestive", "parentName": "", "confidence": 60}]}
    document = rekognition(
        [("Suggestive", "", 60.0), ("Gore", "", 99.0), ("Weapons", "", 98.0)],
        [("Suggestive", ""), ("Gore", "")],
        selectedAiServiceResponse=selected,
    )
    assert {name: outcome for name, (*_, outcome) in values_by_field(fields_of(document)).items()} == {
        "Suggestive": "kept",
        "Gore": "kept",
    }


def test_page_without_labels_overrules_nothing() -> None:
    document = rekognition([("Suggestive", "", 60.0)]) | {
        "humanAnswers": samples.answers({"verdict": {"label": "ok"}})
    }
    assert values_by_field(fields_of(document)) == {"verdict": (None, "ok", "answered")}


def test_extra_question_makes_answered_field() -> None:
    document = rekognition([("Suggestive", "", 60.0)], [("Suggestive", "")])
    document["humanAnswers"][0]["answerContent"]["comment"] = "sure"
    assert values_by_field(fields_of(document)) == {
        "Suggestive": ("Suggestive", "Suggestive", "kept"),
        "comment": (None, "sure", "answered"),
    }


def test_circular_parents_end() -> None:
    document = rekognition([("a", "b", 1.0), ("b", "a", 2.0)], [("a", "b")])
    assert {name: outcome for name, (*_, outcome) in values_by_field(fields_of(document)).items()} == {
        "b/a": "kept",
        "a/b": "kept",
    }


@given(samples.rekognition_outputs(), st.data())
def test_swapping_sides_mirrors_outcomes_of_labels(document: dict[str, Any], data: st.DataObject) -> None:
    answered = data.draw(
        st.lists(st.sampled_from([("Violence", ""), ("Gore", "Violence"), ("Suggestive", "")]), unique=True)
    )
    predicted = [
        (label["name"], label["parentName"])
        for label in document["inputContent"]["aiServiceResponse"]["moderationLabels"]
    ]
    there = values_by_field(fields_of(rekognition([(*label, 50.0) for label in predicted], answered)))
    back = values_by_field(fields_of(rekognition([(*label, 50.0) for label in answered], predicted)))
    assert {
        name: (after, before, samples.MIRROR[outcome]) for name, (before, after, outcome) in there.items()
    } == back
