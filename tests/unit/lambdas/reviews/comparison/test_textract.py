from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import review_samples as samples
from tests.review_samples import answered_pair, fields_of, pair, textract, values_by_field


def test_compares_form_pair_by_pair() -> None:
    document = textract(
        [pair("a", "Name:", "Ana Silva"), pair("b", "Date:", "1 May"), pair("c", "Sex:", "F")],
        [
            answered_pair("a", "Name:", " Ana   Silva "),
            answered_pair("b", "Date:", "2 May"),
            answered_pair("x", "Phone:", "555"),
        ],
    )
    assert values_by_field(fields_of(document)) == {
        "Name:": ("Ana Silva", "Ana Silva", "kept"),
        "Date:": ("1 May", "2 May", "changed"),
        "Sex:": ("F", None, "removed"),
        "Phone:": (None, "555", "added"),
    }


def test_matches_pairs_by_block_id_before_key() -> None:
    # By their ids, the dates were swapped. By their texts alone, nothing was changed.
    document = textract(
        [pair("a", "Date", "1 May"), pair("b", "Date", "2 May"), pair("c", "Total:", "7")],
        [
            answered_pair("b", "Date", "1 May"),
            answered_pair("a", "Date", "2 May"),
            answered_pair("new", "total", "7"),
        ],
    )
    assert [
        (field.name, field.predicted, field.reviewed, field.outcome) for field in fields_of(document)
    ] == [
        ("Date", '"1 May"', '"2 May"', "changed"),
        ("Date", '"2 May"', '"1 May"', "changed"),
        ("Total:", '"7"', '"7"', "kept"),
    ]


def test_matches_pairs_with_same_key_by_value() -> None:
    document = textract(
        [pair("a", "Item", "Pen"), pair("b", "Item", "Ink"), pair("c", "Item", "Cap")],
        [
            answered_pair("x", "Item:", "Cap"),
            answered_pair("y", "Item", "Pen"),
            answered_pair("z", "Item", "Ink, red"),
        ],
    )
    assert [(field.predicted, field.reviewed) for field in fields_of(document)] == [
        ('"Pen"', '"Pen"'),
        ('"Ink"', '"Ink, red"'),
        ('"Cap"', '"Cap"'),
    ]


def test_corrected_key_is_a_change() -> None:
    document = textract([pair("a", "Narne:", "Ana")], [answered_pair("a", "Name:", "Ana")])
    assert values_by_field(fields_of(document)) == {
        "Narne:": ("Ana", {"key": "Name:", "value": "Ana"}, "changed")
    }


@pytest.mark.parametrize(
    "answered",
    [
        answered_pair("a", "Smoker", None, selectionStatus="NOT_SELECTED"),
        [
            *answered_pair("a", "Smoker", "", relationships=[{"type": "CHILD", "ids": ["box"]}]),
            samples.checkbox("box", "NOT_SELECTED"),
        ],
        answered_pair("a", "Smoker", "NOT_SELECTED"),
    ],
    ids=["on the value", "on the box", "as text"],
)
def test_reads_check_box_status_in_all_places(answered: list[dict[str, Any]]) -> None:
    predicted = samples.key_value(
        "a", [samples.word("k", "Smoker")], [samples.checkbox("box", "SELECTED", 61.0)]
    )
    (field,) = fields_of(textract([predicted], [answered]))
    assert (field.kind, field.predicted, field.reviewed, field.outcome) == (
        "selection",
        "true",
        "false",
        "changed",
    )
    assert field.confidence == pytest.approx(0.61)  # the lowest of key, value and box


YES_NO = ["SELECTED", "Yes", "NOT_SELECTED", "No"]


@pytest.mark.parametrize(
    ("parts", "answered", "predicted", "reviewed"),
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
def test_changed_check_box_changes_value(
    parts: list[str], answered: dict[str, Any], predicted: bool | None, reviewed: str | bool
) -> None:
    (field,) = fields_of(
        textract([samples.boxed_pair("a", "Sex", parts)], [samples.answered_boxes("a", "Sex", **answered)])
    )
    assert values_by_field([field]) == {
        "Sex": (" ".join(parts) if predicted is None else predicted, reviewed, "changed")
    }
    assert field.kind == ("text" if isinstance(reviewed, str) else "selection")


def _words(parts: list[str]) -> str:
    return " ".join(part for part in parts if part not in samples.STATUSES)


@settings(max_examples=25)  # each compares eight reviews
@given(samples.parts, st.data())
def test_value_changes_only_if_a_check_box_changes(parts: list[str], data: st.DataObject) -> None:
    words = _words(parts)
    untouched = [
        samples.answered_boxes("a", "Sex", parts),
        samples.answered_boxes("a", "Sex", parts, text=words),
        samples.answered_boxes("a", "Sex", parts)[:2],
        *([samples.answered_pair("a", "Sex", words)] if words else []),
    ]
    for answered in untouched:
        (field,) = fields_of(textract([samples.boxed_pair("a", "Sex", parts)], [answered]))
        assert (field.outcome, field.reviewed) == ("kept", field.predicted)

    boxes = [index for index, part in enumerate(parts) if part in samples.STATUSES]
    for index in data.draw(st.sets(st.sampled_from(boxes), min_size=1)) if boxes else ():
        flipped = [*parts]
        flipped[index] = "SELECTED" if parts[index] == "NOT_SELECTED" else "NOT_SELECTED"
        for text in (None, words):
            answered = samples.answered_boxes("a", "Sex", flipped, text=text)
            (field,) = fields_of(textract([samples.boxed_pair("a", "Sex", parts)], [answered]))
            assert field.outcome == "changed"


def test_value_missing_in_answer_is_kept() -> None:
    document = textract([pair("a", "Name", "Ana")], [answered_pair("a", "Name", None)[:1]])
    assert values_by_field(fields_of(document)) == {"Name": ("Ana", "Ana", "kept")}


def test_pairs_not_selected_for_review_make_no_fields() -> None:
    document = textract([pair("a", "Name", "Ana"), pair("b", "Date", "1 May"), pair("c", "Sum", "7")], [])
    content = document["inputContent"]
    content["selectedAiServiceResponse"] = {
        "blocks": pair("a", "Name", "Ana")[:2]
    }  # its words are in the response
    document["humanAnswers"] = samples.answers(
        {samples.TEXTRACT: {"blocks": answered_pair("a", "Name", "Ana") + answered_pair("c", "Sum", "8")}}
    )
    assert values_by_field(fields_of(document)) == {
        "Name": ("Ana", "Ana", "kept"),
        "Sum": ("7", "8", "changed"),  # not selected either, but a worker answered it
    }


def test_pair_found_by_worker_is_added() -> None:
    document = textract(
        [pair("a", "Name", "Ana")],
        [answered_pair("x", "Mail", "a@b.c")],
        selectedAiServiceResponse={"blocks": []},
    )
    assert values_by_field(fields_of(document)) == {"Mail": (None, "a@b.c", "added")}


def test_confidence_of_pair_is_lowest_of_its_parts() -> None:
    predicted = samples.key_value(
        "a",
        [samples.word("k", "Name", 50.0)],
        [samples.word("v1", "Ana", 88.0), samples.word("v2", "Silva", 70.5)],
        95.0,
    )
    (field,) = fields_of(textract([predicted], [answered_pair("a", "Name", "Ana Silva")]))
    assert field.confidence == pytest.approx(0.705)


@given(st.data())
def test_swapping_sides_mirrors_outcomes_of_forms(data: st.DataObject) -> None:
    sides = [
        data.draw(
            st.dictionaries(
                st.sampled_from("abcd"), st.tuples(st.sampled_from(["Name", "Date"]), samples.texts)
            )
        )
        for _ in range(2)
    ]

    def outcomes(predicted: dict[str, Any], answered: dict[str, Any]) -> list[str]:
        document = textract(
            [pair(id_, *texts) for id_, texts in predicted.items()],
            [answered_pair(id_, *texts) for id_, texts in answered.items()],
        )
        return [field.outcome for field in fields_of(document)]

    assert sorted(outcomes(*sides)) == sorted(samples.MIRROR[outcome] for outcome in outcomes(*sides[::-1]))


def _aliases(key: str, *aliases: str, met: bool = True) -> dict[str, Any]:
    parameters = {"ImportantFormKey": key, "ImportantFormKeyAliases": list(aliases)}
    condition = {"ConditionType": "MissingImportantFormKey", "ConditionParameters": parameters}
    return condition | {"EvaluationResult": met}


@pytest.mark.parametrize("met", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    ("predicted", "answered"),
    [
        ("Mail Address:", "Mailing Add:"),
        ("Mailing Add:", "mail address"),
        ("MAILING  ADD", "Postal address"),
        ("Postal address:", "Postal address:"),
    ],
)
def test_alias_of_key_counts_as_the_key(
    predicted: str, answered: str, workers: int, nested: bool, met: bool
) -> None:
    condition = _aliases("Mail address", "Mail Address:", "Mailing Add:", "Postal address", met=met)
    conditions = [{"Or": [condition], "EvaluationResult": met}] if nested else [condition]
    document = textract(
        [pair("a", predicted, "1 Main St")],
        *[[answered_pair("new", answered, "1 Main St")]] * workers,
        humanTaskActivationConditionResults={"Conditions": conditions},
    )
    assert values_by_field(fields_of(document)) == {"Mail address": ("1 Main St", "1 Main St", "kept")}


def test_workers_add_one_pair_under_two_aliases() -> None:
    document = textract(
        [],
        [answered_pair("x", "Surname", "Silva")],
        [answered_pair("y", "Family name", "Silva")],
        humanLoopContext={
            "importantFormKeys": [
                {"importantFormKey": "Last name", "importantFormKeyAliases": ["Surname", "Family name:"]}
            ]
        },
    )
    assert values_by_field(fields_of(document)) == {"Last name": (None, "Silva", "added")}


@pytest.mark.parametrize(
    "parameters",
    [
        {"ImportantFormKey": "*", "ImportantFormKeyAliases": ["Name", "Date"]},
        {"ImportantFormKey": "Name", "ImportantFormKeyAliases": "Date"},
        {"ImportantFormKey": "Name", "ImportantFormKeyAliases": [None, 7, ""]},
        {"ImportantFormKey": ["Name"], "ImportantFormKeyAliases": ["Date"]},
        {"ImportantFormKeyAliases": ["Name", "Date"]},
    ],
)
def test_odd_alias_counts_as_no_key(parameters: dict[str, Any]) -> None:
    conditions = [{"ConditionType": "ImportantFormKeyConfidenceCheck", "ConditionParameters": parameters}]
    document = textract(
        [pair("a", "Name", "Ana"), pair("b", "Date", "1 May")],
        [answered_pair("x", "Name", "Ana"), answered_pair("y", "Date", "1 May")],
        humanTaskActivationConditionResults={"Conditions": conditions},
    )
    assert {name: outcome for name, (*_, outcome) in values_by_field(fields_of(document)).items()} == {
        "Name": "kept",
        "Date": "kept",
    }


def test_alias_that_is_a_key_itself_stays_that_key() -> None:
    conditions = [_aliases("Total", "Sum", "Amount"), _aliases("Sum"), _aliases("Amount", "Value")]
    document = textract(
        [pair("a", "Total", "7"), pair("b", "Sum:", "8"), pair("c", "Value", "9")],
        [answered_pair("x", "Total", "7"), answered_pair("y", "Sum", "8"), answered_pair("z", "Amount", "9")],
        humanTaskActivationConditionResults={"Conditions": conditions},
    )
    assert {field.name: field.outcome for field in fields_of(document)} == {
        "Total": "kept",
        "Sum:": "kept",
        "Amount": "kept",
    }
