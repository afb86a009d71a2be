from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import review_samples as samples
from tests.review_samples import fields_of, pair, said_pair, textract, told


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

    assert sorted(outcomes(*sides)) == sorted(samples.MIRROR[outcome] for outcome in outcomes(*sides[::-1]))
