"""Activation conditions: which predictions workers review, and which parts of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox.activation import FormPrediction, ModerationPrediction, check_conditions, decide
from sandbox.samples import (
    INVOICE,
    JOB_APPLICATION,
    MODERATION,
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
    """Returns the text of the selected keys."""
    return {prediction.keys[item] for item in selected}


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
def test_conditions_select_moderation_labels(condition, selected):
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
        ),  # the form has a colon, the condition does not
        (key("Name:", KeyValueBlockConfidenceLessThan=60, WordBlockConfidenceLessThan=70), None),
        (key("*", WordBlockConfidenceLessThan=70), {"Pay date:"}),
        (key("*", KeyValueBlockConfidenceLessThan=60), {"Name:", "Married"}),
        (missing("Name:"), None),
        (missing("Salary:", "Pay:"), set()),
        (missing("Salary:", "Name:"), None),
        ({"Or": [missing("Salary:"), key("Name:", KeyValueBlockConfidenceLessThan=60)]}, {"Name:"}),
    ],
)
def test_conditions_select_form_keys(condition, selected):
    text = conditions(condition)
    check_conditions(text, TEXTRACT)
    decision = decide(text, FORM)
    assert decision.needed == (selected is not None)
    assert keys_of(FORM, decision.selected) == (selected or set())


def test_all_conditions_are_evaluated_and_their_items_combined():
    text = conditions(label("Alcohol"), label("Drugs"), label("Violence"))
    decision = decide(text, LABELS)
    assert [part["EvaluationResult"] for part in decision.conditions["Conditions"]] == [True, False, True]
    assert decision.selected == {"Alcohol", "Violence"}


@pytest.mark.parametrize("text", [None, conditions()])
def test_prediction_is_reviewed_without_conditions(text):
    decision = decide(text, LABELS)
    assert decision.needed
    assert decision.selected == {"Alcohol", "Violence"}


def test_select_returns_key_value_words_and_check_box():
    [married] = [item for item, text in FORM.keys.items() if text == "Married"]
    kinds = sorted(block["BlockType"] for block in FORM.select({married}))
    assert kinds == ["KEY_VALUE_SET", "KEY_VALUE_SET", "SELECTION_ELEMENT", "WORD"]


@given(percentage=st.floats(0.01, 100), fingerprint=st.text())
def test_sampling_is_repeatable_and_grows_with_percentage(percentage, fingerprint):
    prediction = ModerationPrediction(LABELS.labels, fingerprint)
    first = decide(conditions(sampling(percentage)), prediction)
    assert decide(conditions(sampling(percentage)), prediction).needed == first.needed
    if first.needed:
        assert decide(conditions(sampling(100)), prediction).needed


def test_sampling_takes_about_the_given_share():
    text = conditions(sampling(20))
    sampled = sum(decide(text, ModerationPrediction([], str(number))).needed for number in range(2000))
    assert 300 < sampled < 500


@pytest.mark.parametrize(
    ("text", "source", "problem"),
    [
        ("{", REKOGNITION, "invalid JSON"),
        ("[]", REKOGNITION, "the list 'Conditions' is missing"),
        (
            conditions(key("a")),
            REKOGNITION,
            "invalid Conditions[0].ConditionType: 'ImportantFormKeyConfidenceCheck'",
        ),
        (conditions({"Or": [label("a")]}), REKOGNITION, "Conditions[0].Or is not a list of two or more"),
        (conditions({"ConditionType": "Sampling"}), TEXTRACT, "has no RandomSamplingPercentage"),
        (conditions(sampling(0)), TEXTRACT, "is not a number from 0.01 to 100"),
        (
            conditions(label("a", ConfidenceBelow=3)),
            REKOGNITION,
            "unknown parameter Conditions[0].ConditionParameters.ConfidenceBelow",
        ),
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
        (conditions({"Or": [label("a")] * 2, "x": 1}), REKOGNITION, "other keys in addition to Or"),
    ],
)
def test_check_reports_error_and_its_place(text, source, problem):
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
def test_checked_document_can_be_evaluated(document):
    try:
        check_conditions(json.dumps(document), REKOGNITION)
    except ValueError:
        return
    assert decide(json.dumps(document), LABELS).conditions.keys() == {"Conditions"}


def test_samples_are_reviewed_by_their_own_conditions():
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
