"""Properties of all rules, and votes for values that are the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.consolidation import consolidate
from lambdas.reviews.rules import FieldSettings
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, textract, values_by_field
from tests.sameness import is_same

RULES = [
    {"same": "exact"},
    {"same": "text"},
    {"same": "number"},
    {"same": "number", "tolerance": 1.0, "decimal": ","},
    {"same": "date", "day_first": True},
    {"same": "distance", "max_distance": 2},
]
_texts = st.one_of(
    st.sampled_from(
        ["12.40", "12,4", "12.4 €", "n/a", "Ana", "ANA.", "1 May 2026", "1.5.26", "2026-05-01", ""]
    ),
    st.text(max_size=6),
    st.text("0123456789.,-/: ()€'eE", max_size=10),
    st.dates().map(str),
)
values = _texts | samples.any_json
rules = st.sampled_from(RULES)


@given(values, values, rules)
def test_sameness_is_symmetric_and_includes_equal_values(one: Any, other: Any, rule: dict[str, Any]) -> None:
    # In lists, because null alone is an empty answer.
    assert is_same([one], [one], **rule)
    assert is_same([one], [other], **rule) == is_same([other], [one], **rule)


@given(samples.any_output)
def test_exact_is_the_comparison_without_a_setting(document: dict[str, Any]) -> None:
    exact = {"my-flow": {"fields": {"*": {"same": "exact"}}}}
    assert fields_of(document, flow_definitions=exact) == fields_of(document)


answers = st.lists(st.none() | _texts | st.integers(0, 30), min_size=1, max_size=5)


@given(answers, _texts, rules, st.data())
def test_votes_do_not_depend_on_order_of_workers(
    given_values: list[Any], predicted: str, rule: dict[str, Any], data: st.DataObject
) -> None:
    settings = FieldSettings(**rule)

    def field(answers: list[Any]) -> Any:
        made = consolidate(Row("f", "other", Scored(predicted), answers), settings)
        return made.model_dump(exclude={"per_worker"})

    made = field(given_values)
    assert made == field(data.draw(st.permutations(given_values)))
    assert sum(vote["count"] for vote in made["votes"]) == len(given_values)
    exact = consolidate(Row("f", "other", Scored(predicted), given_values))
    assert {vote["value"] for vote in made["votes"]} <= {vote.value for vote in exact.votes}


@pytest.mark.parametrize(
    ("rule", "answered", "votes"),
    [
        ({"same": "number"}, ["12.40", "12.4", "13"], [("12.4", 2), ("13", 1)]),
        ({"same": "number"}, ["12.40", "12.4", "12.40"], [("12.40", 3)]),
        ({"same": "number", "tolerance": 0.1}, ["1.0", "1.1", "1.2"], [("1.1", 3)]),
        ({"same": "number", "tolerance": 0.1}, ["1.0", "1.2", "1.3"], [("1.2", 2), ("1.0", 1)]),
        ({"same": "number", "tolerance": 0.1}, ["1.0", "1.0", "1.1", "1.2"], [("1.0", 4)]),
        ({"same": "number", "tolerance": 5.0}, ["1", "2", "6"], [("2", 3)]),
        ({"same": "number"}, ["12.4", None, None], [(None, 2), ("12.4", 1)]),
        ({"same": "text"}, ["ANA", "Ana.", "Eva"], [("ANA", 2), ("Eva", 1)]),
        ({"same": "date"}, ["1 May 2026", "2026-05-01", "May 2026"], [("1 May 2026", 2), ("May 2026", 1)]),
        ({"same": "distance", "max_distance": 1}, ["Amazn", "Amazon", "Amazonn"], [("Amazon", 3)]),
        ({"same": "exact"}, ["12.40", "12.4"], [("12.4", 1), ("12.40", 1)]),
    ],
)
def test_answers_that_are_the_same_are_one_vote(
    rule: dict[str, Any], answered: list[Any], votes: list[tuple[Any, int]]
) -> None:
    field = consolidate(Row("f", "text", None, answered), FieldSettings(**rule))
    assert [(json.loads(vote.value or "null"), vote.count) for vote in field.votes] == votes
    tied = len(votes) > 1 and votes[0][1] == votes[1][1]
    assert field.reviewed == (None if tied else field.votes[0].value)
    assert field.agreement == votes[0][1] / len(answered)
    assert [json.loads(one.value or "null") for one in field.per_worker] == answered
    voted = [one.vote_index for one in field.per_worker]
    assert [voted.count(index) for index in range(len(votes))] == [count for _, count in votes]


def settings_of(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"flow_definitions": {"my-flow": {"fields": fields}}}


def test_prediction_is_kept_if_answer_is_the_same() -> None:
    found = {
        "row-1-total": "12.40",
        "row-2-total": "12.40",
        "name": "ANA",
        "born": 5,
        "kind": "A form",
        "note": "x",
    }
    answered = {
        "row-1-total": "12.4",
        "row-2-total": "12.5",
        "name": "Ana",
        "born": "5.0",
        "kind": {"label": "a-form"},
    }
    settings = settings_of(
        **{"row-*-total": {"same": "number"}, "born": {"same": "number"}, "*": {"same": "text"}}
    )
    fields = fields_of(custom({"prediction": found}, answered | {"note": "y"}), **settings)
    assert values_by_field(fields) == {
        "born": (5, "5.0", "kept"),
        "kind": ("A form", "a-form", "kept"),
        "name": ("ANA", "Ana", "kept"),
        "note": ("x", "y", "changed"),
        "row-1-total": ("12.40", "12.4", "kept"),
        "row-2-total": ("12.40", "12.5", "changed"),
    }


def test_sameness_applies_to_values_of_textract_forms() -> None:
    predicted = [samples.pair("a", "Total", "12.40"), samples.pair("b", "Name", "ANA")]
    answered = [
        [samples.answered_pair("a", "Total", "12.4"), samples.answered_pair("b", "Name", "Ana")],
        [samples.answered_pair("a", "Total", "12,40 €"), samples.answered_pair("b", "Full name", "ana")],
    ]
    fields = fields_of(
        textract(predicted, *answered), **settings_of(Total={"same": "number"}, Name={"same": "text"})
    )
    total, name = fields
    assert (total.outcome, total.agreement) == ("kept", 1.0)
    assert (name.outcome, [one.outcome for one in name.per_worker]) == ("unresolved", ["kept", "changed"])


def test_sameness_of_an_object_is_the_sameness_of_its_parts() -> None:
    assert is_same({"a": ["1.0", {"b": "2"}]}, {"a": [1, {"b": "2.00"}]}, same="number")
    assert not is_same({"a": ["1.0"]}, {"a": [1, 2]}, same="number")
    assert not is_same({"a": 1}, {"b": 1}, same="number")
    assert not is_same({"a": 1, "b": "x"}, {"a": 1.0, "b": "y"}, same="number")


@given(samples.any_output, rules, st.data())
def test_record_with_settings_does_not_depend_on_order_of_workers(
    document: dict[str, Any], rule: dict[str, Any], data: st.DataObject
) -> None:
    contents = [answer["answerContent"] for answer in document["humanAnswers"]]
    shuffled = document | {"humanAnswers": samples.answers(*data.draw(st.permutations(contents)))}

    def fields(document: dict[str, Any]) -> list[Any]:
        made = fields_of(document, **settings_of(**{"*": rule}))
        return [field.model_dump(exclude={"per_worker"}) for field in made]

    assert fields(shuffled) == fields(document)


@given(samples.any_output, rules)
def test_sameness_has_no_effect_on_shapes_and_boxes(document: dict[str, Any], rule: dict[str, Any]) -> None:
    unaffected = ("box", "span", "keypoint", "polygon", "selection", "labels")
    with_rule = fields_of(document, **settings_of(**{"*": rule}))
    for field, exact in zip(with_rule, fields_of(document), strict=True):
        assert field == exact or field.kind not in unaffected


@pytest.mark.parametrize(
    ("predicted", "answered", "expected"),
    [
        # Two lines of an invoice with the same key, found by two workers who write numbers in different ways.
        ([], [["1,234.5", "7"], ["0.5", "1234.50"]], {("1,234.5", 2), (None, 1)}),
        ([], [["1,234.5", "7"], ["7.0", "1234.50"]], {("1,234.5", 2), ("7", 2)}),
        # Added lines come first, so only their values match them with the prediction.
        (["1234.50", "7"], [["8", "7.00", "1,234.5"]], {("1,234.5", 1), ("7.00", 1), ("8", 1)}),
    ],
)
def test_pairs_with_the_same_key_are_matched_by_what_is_the_same(
    predicted: list[str], answered: list[list[str]], expected: set[tuple[Any, int]]
) -> None:
    pairs = [samples.pair(f"p{at}", "Item", value) for at, value in enumerate(predicted)]
    found = [
        [samples.answered_pair(f"w{worker}-{at}", "Item", value) for at, value in enumerate(values)]
        for worker, values in enumerate(answered)
    ]
    fields = fields_of(textract(pairs, *found), **settings_of(**{"Item*": {"same": "number"}}))
    made = [(json.loads(field.reviewed or "null"), field.votes[0].count) for field in fields]
    assert set(made) == expected
    assert [field.outcome for field in fields if field.predicted] == ["kept"] * len(predicted)
