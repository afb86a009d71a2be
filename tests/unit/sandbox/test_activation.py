"""Activation conditions: which predictions people review, and what of them they are shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.activation import FormPrediction, ModerationPrediction, check_conditions, decide
from sandbox.samples import (
    INVOICE,
    JOB_APPLICATION,
    MODERATION,
    REKOGNITION,
    TEXTRACT,
    Field,
    form,
)

LABELS = ModerationPrediction(
    [
        {"Name": "Alcohol", "Confidence": 95.0, "ParentName": ""},
        {"Name": "Violence", "Confidence": 55.0, "ParentName": ""},
    ]
)
FORM = FormPrediction(
    form(
        [
            Field("Name:", "Jane Doe", confidence=50, word_confidence=80),
            Field("Pay date:", "1 May", confidence=90, word_confidence=60),
            Field("Married", True, confidence=40),
        ]
    )["Blocks"]
)


def conditions(*listed: dict) -> str:
    return json.dumps({"Conditions": list(listed)})


def label(name: str, **comparison: float) -> dict:
    parameters = {"ModerationLabelName": name, **comparison}
    return {"ConditionType": "ModerationLabelConfidenceCheck", "ConditionParameters": parameters}


def key(name: str, *aliases: str, **comparison: float) -> dict:
    parameters = {"ImportantFormKey": name, "ImportantFormKeyAliases": list(aliases), **comparison}
    return {"ConditionType": "ImportantFormKeyConfidenceCheck", "ConditionParameters": parameters}


def missing(name: str, *aliases: str) -> dict:
    parameters = {"ImportantFormKey": name, "ImportantFormKeyAliases": list(aliases)}
    return {"ConditionType": "MissingImportantFormKey", "ConditionParameters": parameters}


def sampling(percentage: float) -> dict:
    return {"ConditionType": "Sampling", "ConditionParameters": {"RandomSamplingPercentage": percentage}}


def keys_of(prediction: FormPrediction, selected: set[str]) -> set[str]:
    """The form keys among selected items, as text."""
    return {prediction._text(item) for item in selected}


@pytest.mark.parametrize(
    ("condition", "selected"),
    [
        (label("Alcohol", ConfidenceGreaterThan=90), {"Alcohol"}),
        (label("Alcohol", ConfidenceLessThan=90), None),
        (label("alcohol"), None),  # names are case-sensitive
        (label("*", ConfidenceLessThan=90), {"Violence"}),
        (label("*", ConfidenceLessThan=96, ConfidenceGreaterThanEquals=95), {"Alcohol"}),
        (label("Violence", ConfidenceEquals=55), {"Violence"}),
        (label("Violence"), {"Violence"}),
        ({"Or": [label("Alcohol"), label("Drugs")]}, {"Alcohol"}),
        ({"And": [label("Alcohol"), label("Drugs")]}, None),
        (
            {"And": [label("*", ConfidenceLessThan=99), label("*", ConfidenceGreaterThan=60)]},
            {"Alcohol"},
        ),
        ({"And": [sampling(100), label("Violence")]}, {"Violence"}),
        ({"Or": [sampling(100), label("Violence")]}, {"Alcohol", "Violence"}),
        (sampling(100), {"Alcohol", "Violence"}),
    ],
)
def test_moderation_labels(condition, selected):
    text = conditions(condition)
    check_conditions(text, REKOGNITION)
    decision = decide(text, LABELS)
    assert decision.needed == (selected is not None)
    assert decision.selected == (selected or set())
    assert decision.conditions["Conditions"][0]["EvaluationResult"] == decision.needed


@pytest.mark.parametrize(
    ("condition", "selected"),
    [
        (key("Name:", KeyValueBlockConfidenceLessThan=60), {"Name:"}),
        (key("Name", "Name:", KeyValueBlockConfidenceLessThan=60), {"Name:"}),
        (
            key("Name", KeyValueBlockConfidenceLessThan=60),
            None,
        ),  # the form has a colon, the condition has none
        (key("Name:", KeyValueBlockConfidenceLessThan=60, WordBlockConfidenceLessThan=70), None),
        (key("*", WordBlockConfidenceLessThan=70), {"Pay date:"}),
        (key("*", KeyValueBlockConfidenceLessThan=60), {"Name:", "Married"}),
        (missing("Name:"), None),
        (missing("Salary:", "Pay:"), set()),
        (missing("Salary:", "Name:"), None),
        ({"Or": [missing("Salary:"), key("Name:", KeyValueBlockConfidenceLessThan=60)]}, {"Name:"}),
    ],
)
def test_form_keys(condition, selected):
    text = conditions(condition)
    check_conditions(text, TEXTRACT)
    decision = decide(text, FORM)
    assert decision.needed == (selected is not None)
    assert keys_of(FORM, decision.selected) == (selected or set())


def test_every_condition_is_evaluated_and_what_all_true_ones_match_is_shown():
    text = conditions(label("Alcohol"), label("Drugs"), label("Violence"))
    decision = decide(text, LABELS)
    assert [part["EvaluationResult"] for part in decision.conditions["Conditions"]] == [True, False, True]
    assert decision.selected == {"Alcohol", "Violence"}


@pytest.mark.parametrize("text", [None, conditions()])
def test_without_conditions_everything_is_reviewed(text):
    decision = decide(text, LABELS)
    assert decision.needed
    assert decision.selected == {"Alcohol", "Violence"}


def test_selected_blocks_are_keys_values_words_and_boxes_and_nothing_else():
    [married] = [item for item in FORM.everything if FORM._text(item) == "Married"]
    kinds = sorted(block["BlockType"] for block in FORM.select({married}))
    assert kinds == ["KEY_VALUE_SET", "KEY_VALUE_SET", "SELECTION_ELEMENT", "WORD"]


@given(percentage=st.floats(0.01, 100), fingerprint=st.text())
def test_the_same_request_is_always_sampled_alike_and_more_with_a_higher_percentage(percentage, fingerprint):
    prediction = ModerationPrediction(LABELS.labels, fingerprint)
    first = decide(conditions(sampling(percentage)), prediction)
    assert decide(conditions(sampling(percentage)), prediction).needed == first.needed
    if first.needed:
        assert decide(conditions(sampling(100)), prediction).needed


def test_about_the_wanted_share_is_sampled():
    text = conditions(sampling(20))
    sampled = sum(decide(text, ModerationPrediction([], str(number))).needed for number in range(2000))
    assert 300 < sampled < 500


@pytest.mark.parametrize(
    ("text", "source", "problem"),
    [
        ("{", REKOGNITION, "is not JSON"),
        ("[]", REKOGNITION, "has no list 'Conditions'"),
        (
            conditions(key("a")),
            REKOGNITION,
            "Conditions[0].ConditionType is 'ImportantFormKeyConfidenceCheck'",
        ),
        (conditions({"Or": [label("a")]}), REKOGNITION, "Conditions[0].Or is not a list of two or more"),
        (conditions({"ConditionType": "Sampling"}), TEXTRACT, "lacks RandomSamplingPercentage"),
        (conditions(sampling(0)), TEXTRACT, "is not a number from 0.01 to 100"),
        (conditions(label("a", ConfidenceBelow=3)), REKOGNITION, "ConfidenceBelow is unknown here"),
        (
            conditions(key("a", KeyValueBlockConfidenceLessThan="90")),
            TEXTRACT,
            "is not a number from 0 to 100",
        ),
        (
            conditions({"Or": [{"And": [{"Or": [label("a")] * 2}] * 2}] * 2}),
            REKOGNITION,
            "in at most 2 levels",
        ),
    ],
)
def test_a_wrong_document_is_refused_with_the_place(text, source, problem):
    with pytest.raises(ValueError, match=r".") as caught:
        check_conditions(text, source)
    assert problem in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["Conditions", "And", "Or", "ConditionType", "ConditionParameters", "x"]),
                inner | st.sampled_from(["Sampling", "ModerationLabelConfidenceCheck"]),
                max_size=3,
            )
        ),
    )
)
def test_a_document_that_is_accepted_can_be_evaluated(document):
    try:
        check_conditions(json.dumps(document), REKOGNITION)
    except ValueError:
        return
    assert decide(json.dumps(document), LABELS).conditions.keys() == {"Conditions"}


def test_the_samples_activate_by_their_own_conditions_and_a_sure_invoice_does_not_by_others():
    application = FormPrediction(JOB_APPLICATION.prediction["Blocks"])
    decision = decide(JOB_APPLICATION.conditions, application)
    assert keys_of(application, decision.selected) == {
        "Date available:",
        "Desired salary:",
        "May we contact your employer?",
    }
    assert decide(
        MODERATION.conditions, ModerationPrediction(MODERATION.prediction["ModerationLabels"])
    ).needed
    invoice = FormPrediction(INVOICE.prediction["Blocks"])
    assert decide(INVOICE.conditions, invoice).needed
    assert not decide(JOB_APPLICATION.conditions, invoice).needed
