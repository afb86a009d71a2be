from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.comparison.elements.boxes import Box
from lambdas.reviews.comparison.elements.keypoints import Keypoint
from lambdas.reviews.comparison.elements.polygons import Polygon
from lambdas.reviews.comparison.elements.spans import Span
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.consolidation import consolidate, overall_agreement
from tests import review_samples as samples
from tests.review_samples import (
    answered_pair,
    custom,
    fields_of,
    record_of,
    rekognition,
    textract,
    values_by_field,
)


def row(predicted: Any, *answered: Any, in_prediction: bool = True) -> Row:
    return Row("f", "text", None if predicted is None else Scored(predicted, 0.5), answered, in_prediction)


@pytest.mark.parametrize(
    ("predicted", "answered", "reviewed", "outcome", "agreement"),
    [
        ("a", ["a"], "a", "kept", None),
        ("a", ["b"], "b", "changed", None),
        ("a", [None], None, "removed", None),
        (None, ["b"], "b", "added", None),
        ("a", ["a", "a"], "a", "kept", 1.0),
        ("a", ["a", "b"], None, "unresolved", 0.5),
        ("a", ["a", None], None, "unresolved", 0.5),
        ("a", ["b", "a", "b"], "b", "changed", 2 / 3),
        ("a", [None, "a", None], None, "removed", 2 / 3),
        ("a", ["a", "b", "c"], None, "unresolved", 1 / 3),
        (
            None,
            [None, "b", None],
            None,
            "kept",
            2 / 3,
        ),  # one worker saw something; the others agree with the model
    ],
)
def test_majority_wins_and_tie_is_unresolved(
    predicted: Any, answered: list[Any], reviewed: Any, outcome: str, agreement: float | None
) -> None:
    field = consolidate(row(predicted, *answered))
    assert field.reviewed == (None if reviewed is None else json.dumps(reviewed))
    assert field.outcome == outcome
    assert field.agreement == agreement
    assert field.confidence == (None if predicted is None else 0.5)


def test_record_keeps_votes_and_answers() -> None:
    field = consolidate(row("a", "b", "a", "b"))
    assert [(vote.value, vote.count) for vote in field.votes] == [('"b"', 2), ('"a"', 1)]
    assert [(one.worker_index, one.value, one.outcome, one.vote_index) for one in field.per_worker] == [
        (0, '"b"', "changed", 0),
        (1, '"a"', "kept", 1),
        (2, '"b"', "changed", 0),
    ]


def test_field_without_prediction_overrules_nothing() -> None:
    field = consolidate(row(None, "b", in_prediction=False))
    assert (field.outcome, field.per_worker[0].outcome) == ("answered", "answered")


@pytest.mark.parametrize(
    ("drawn", "agreed"),
    [
        (
            [Box("dog", 0, 0, 10, 10), Box("dog", 1, 0, 12, 10), Box("dog", 2, 1, 11, 10)],
            {"label": "dog", "left": 1, "top": 0, "width": 11, "height": 10},
        ),
        (
            [Box("dog", 0, 0, 10, 10), Box("cat", 5, 5, 5, 5), Box("dog", 1, 0, 10, 11)],
            {"label": "dog", "left": 0.5, "top": 0, "width": 10, "height": 10.5},
        ),
        (
            [Keypoint("eye", 1, 1), Keypoint("eye", 2, 3), Keypoint("eye", 9, 2)],
            {"label": "eye", "x": 2, "y": 2},
        ),
        (
            [Span("name", 0, 3), Span("name", 0, 9), Span("name", 0, 9)],
            {"label": "name", "startOffset": 0, "endOffset": 9},
        ),
        (
            [
                Polygon("lake", ((0, 0), (9, 0), (9, 9))),
                Polygon("lake", ((0, 0), (9, 0), (9, 8))),
                Polygon("lake", ((0, 0), (9, 0), (9, 7))),
            ],
            {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 8}]},
        ),
    ],
    ids=[
        "box: the middle",
        "box: of the majority's label",
        "point",
        "span: exact",
        "outline: the most central",
    ],
)
def test_agreed_shape_is_in_the_middle(drawn: list[Any], agreed: dict[str, Any]) -> None:
    field = consolidate(Row("f", "box", None, drawn))
    assert json.loads(field.reviewed or "") == agreed
    assert field.votes[0].value == field.reviewed


def test_boxes_of_same_object_make_one_field() -> None:
    def boxes(*lefts: int) -> dict[str, Any]:
        return {
            "b": {
                "boundingBoxes": [
                    {"label": "dog", "left": left, "top": 0, "width": 100, "height": 100} for left in lefts
                ]
            }
        }

    document = custom({"prediction": []}, boxes(0, 500), boxes(504), boxes(496, 4))
    fields = fields_of(document)
    assert [(json.loads(field.reviewed or "")["left"], field.outcome) for field in fields] == [
        (2, "added"),
        (500, "added"),
    ]
    assert [field.agreement for field in fields] == [pytest.approx(2 / 3), 1.0]


def test_workers_vote_on_each_label() -> None:
    document = rekognition(
        [("Suggestive", "", 90.0), ("Gore", "", 50.0)],
        [("Suggestive", "")],
        [("Suggestive", ""), ("Gore", "")],
        [("Weapons", "Violence")],
    )
    assert values_by_field(fields_of(document)) == {
        "Gore": ("Gore", None, "removed"),
        "Suggestive": ("Suggestive", "Suggestive", "kept"),
        "Violence": (None, None, "kept"),
        "Violence/Weapons": (None, None, "kept"),
    }


@pytest.mark.parametrize(
    ("found", "agreed"),
    [
        (["AB", "BA"], [("A", 2), ("B", 2)]),
        (["BA", "AB"], [("A", 2), ("B", 2)]),
        (["AAB", "BA", "ABA"], [("A", 3), ("B", 3), ("A", 2)]),
        (["AB", "BC"], [(None, 1), ("B", 2)]),  # one of them misread the other pair
        (["A", "B"], [(None, 1)]),
        (["ABC", "C", "C"], [(None, 2), (None, 2), ("C", 3)]),  # most found no more than one
    ],
)
def test_added_pairs_with_same_key_are_grouped_by_value(
    found: list[str], agreed: list[tuple[str | None, int]]
) -> None:
    document = textract(
        [],
        *[
            [answered_pair(f"{worker}{place}", "Item", value) for place, value in enumerate(values)]
            for worker, values in enumerate(found)
        ],
    )
    fields = fields_of(document)
    assert {field.name for field in fields} == {"Item"}
    values = [(json.loads(field.reviewed or "null"), field.votes[0].count) for field in fields]
    assert sorted(values, key=str) == sorted(agreed, key=str)


@given(st.lists(st.tuples(st.sampled_from(["Item", "Item:", "Sum"]), st.sampled_from("ABC"))), st.data())
def test_workers_with_same_pairs_agree_in_any_order(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    orders = [pairs, *(data.draw(st.permutations(pairs)) for _ in range(2))]
    document = textract(
        [], *[[answered_pair(f"{at}", *pair) for at, pair in enumerate(order)] for order in orders]
    )
    fields = fields_of(document)
    assert len(fields) == len(pairs)
    assert {field.agreement for field in fields} <= {1.0}


def test_agreement_of_review_is_mean_of_fields() -> None:
    record = record_of(custom({}, {"a": "x", "b": "y"}, {"a": "x", "b": "z"}))
    assert record.agreement == overall_agreement(record.fields) == 0.75
    assert record_of(custom({}, {"a": "x"})).agreement is None
    assert record_of(custom({})).agreement is None


def _without_order(fields: list[Any]) -> Any:
    return [
        field.model_dump(exclude={"per_worker"})
        | {"per_worker": sorted((str(one.value), one.outcome) for one in field.per_worker)}
        for field in fields
    ]


@given(samples.any_output, st.data())
def test_consolidation_does_not_depend_on_order_of_workers(
    document: dict[str, Any], data: st.DataObject
) -> None:
    # This also shuffles workers and times: only the content of the answers must count.
    contents = [answer["answerContent"] for answer in document["humanAnswers"]]
    shuffled = document | {"humanAnswers": samples.answers(*data.draw(st.permutations(contents)))}
    assert _without_order(fields_of(shuffled)) == _without_order(fields_of(document))


@given(samples.any_output, st.data())
def test_record_does_not_depend_on_order_in_document(document: dict[str, Any], data: st.DataObject) -> None:
    shuffled = document | {"humanAnswers": data.draw(st.permutations(document["humanAnswers"]))}
    assert record_of(shuffled).to_line() == record_of(document).to_line()


@given(samples.any_output)
def test_identical_answers_agree(document: dict[str, Any]) -> None:
    contents = [answer["answerContent"] for answer in document["humanAnswers"][:1]]
    alone = record_of(document | {"humanAnswers": samples.answers(*contents)})
    together = record_of(document | {"humanAnswers": samples.answers(*contents * 3)})
    assert {field.agreement for field in together.fields} <= {1.0}
    assert [(f.name, f.reviewed, f.outcome) for f in together.fields] == [
        (f.name, f.reviewed, f.outcome) for f in alone.fields
    ]
    assert together.overruled == alone.overruled
