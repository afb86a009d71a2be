"""Tests of reading stored records: older ones, newer ones, and ones with odd values."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.errors import InvalidDocument
from tests.unit.workflow.operations.report.test_statistics import JANUARY, field, json_values, review
from workflow.operations.report.figures import Figures, Share
from workflow.operations.report.page import Origin, render_page
from workflow.operations.report.records import FieldPart, RecordPart, read_record
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import StoredReview

ORIGIN = Origin("s3://reviews/", None, datetime(2026, 2, 1, tzinfo=UTC))

NEW_KEYS = ("invented", "prediction_source", "model_version")
"""The keys that records did not always have."""


def document(**change: Any) -> dict[str, Any]:
    fields = [field("changed", confidence=0.5, agreement=0.5), field("kept", name="date", confidence=0.9)]
    record = review(*fields, answers=2, agreement=0.75, activation_conditions=["low", "sample"])
    return {**json.loads(record.to_line()), **change}


def read(stored: Any) -> tuple[RecordPart, int]:
    return read_record(json.dumps(stored).encode())


def figures_of(*stored: Any) -> Figures:
    counted = ReviewStatistics(JANUARY)
    for one in stored:
        counted.add(StoredReview("x", "invoices", json.dumps(one).encode()))
    return counted.figures()


def test_unknown_keys_are_ignored() -> None:
    newer = document(reviewer_mood="good", unreadable=["x"])
    newer["fields"][0]["difficulty"] = {"level": 3}
    newer["answers"][0]["device"] = None
    assert read(newer) == read(document())
    assert read(newer)[1] == 0


def test_older_record_without_new_keys_has_their_defaults() -> None:
    older = document()
    for key in NEW_KEYS:
        older.pop(key, None)
    for part in older["fields"]:
        part.pop("compared", None)
    record, unreadable = read(older)
    assert unreadable == 0
    assert (record["invented"], record["prediction_source"], record["model_version"]) == (False, None, None)
    assert [part["compared"] for part in record["fields"]] == [None, None]
    assert figures_of(older).overruled == Share(1, 2)


def test_new_keys_are_read() -> None:
    record, _ = read(document(invented=True, prediction_source="search", model_version="7"))
    assert (record["invented"], record["prediction_source"], record["model_version"]) == (True, "search", "7")
    assert figures_of(document(), document(invented=True)).invented == 1


@pytest.mark.parametrize("version", [2, 10])
def test_newer_schema_version_is_refused(version: int) -> None:
    with pytest.raises(
        InvalidDocument, match=rf"a newer version .* \(version {version}; .* up to 1\); update Afterloop"
    ):
        read(document(schema_version=version, fields="in another form"))


ODD_FIELD_VALUES = [
    {"confidence": 1.2},
    {"confidence": -0.01},
    {"confidence": math.nan},
    {"confidence": math.inf},
    {"confidence": "0.9"},
    {"confidence": True},
    {"agreement": "x"},
    {"agreement": 1.5, "confidence": 2},
    {"outcome": "improved"},
    {"outcome": None},
    {"name": 7},
    {"predicted": {"a": 1}},
    {"compared": "yes"},
]


@pytest.mark.parametrize("odd", ODD_FIELD_VALUES)
def test_field_with_an_odd_value_is_left_out_alone(odd: dict[str, Any]) -> None:
    stored = document()
    stored["fields"].append(field("removed", name="odd") | odd)
    record, unreadable = read(stored)
    assert unreadable == 1
    assert record == read(document())[0]
    figures = figures_of(stored)
    assert not figures.malformed
    assert (figures.reviews, figures.overruled, figures.unreadable) == (1, Share(1, 2), 1)
    assert figures.partly_read == ["x"]


@pytest.mark.parametrize("missing", [key for key in FieldPart.__annotations__ if key != "compared"])
def test_field_without_a_key_is_left_out_alone(missing: str) -> None:
    stored = document()
    stored["fields"].append({key: value for key, value in field("removed").items() if key != missing})
    assert read(stored) == (read(document())[0], 1)


@pytest.mark.parametrize(
    ("key", "odd", "instead"),
    [
        ("agreement", 1.5, None),
        ("agreement", math.nan, None),
        ("agreement", "high", None),
        ("status", "Lost", None),
        ("status", 7, None),
        ("overruled", "yes", True),
        ("overruled", None, True),
        ("invented", "no", False),
        ("prediction_source", "crystal ball", None),
        ("model_version", 3, None),
        ("fields", "none", []),
        ("fields", None, []),
        ("answers", {}, []),
        ("answers", [7, {"seconds_spent": 20}], [{"seconds_spent": None}, {"seconds_spent": 20}]),
        ("answers", [{"seconds_spent": "9"}, {}], [{"seconds_spent": None}] * 2),
        ("activation_conditions", "low", []),
        ("activation_conditions", ["low", 7], ["low"]),
    ],
)
def test_odd_value_of_a_review_has_its_default(key: str, odd: Any, instead: Any) -> None:
    record, unreadable = read(document(**{key: odd}))
    assert record[key] == instead  # type: ignore[literal-required]
    assert unreadable == (2 if odd == [{"seconds_spent": "9"}, {}] else 1)
    others = {name: value for name, value in record.items() if name != key}
    assert others == {name: value for name, value in read(document())[0].items() if name != key}


def test_half_of_a_surrogate_pair_costs_nothing() -> None:
    odd = document(output_location="s3://\ud800")
    odd["answers"][0]["content"] = "\udfff"
    assert read(odd) == read(document())
    odd["fields"][0]["name"] = "total \ud800"
    figures = figures_of(odd)
    assert (figures.overruled, figures.unreadable) == (Share(1, 2), 0)
    assert "total \N{REPLACEMENT CHARACTER}" in render_page(figures, None, ORIGIN)


def test_huge_integer_beside_an_odd_value_costs_nothing_else() -> None:
    stored = json.dumps(document(agreement=2, seconds_spent="HUGE")).replace('"HUGE"', "9" * 5000)
    assert read_record(stored.encode()) == (read(document(agreement=None))[0], 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "expected an object, found a list"),
        (b'{"schema_version":1}', r"\$.flow_definition: missing"),
    ],
)
def test_content_without_identity_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidDocument, match=problem):
        read_record(content)


@given(st.data())
def test_one_odd_value_costs_at_most_one_value(data: st.DataObject) -> None:
    stored = document()
    key = data.draw(st.sampled_from(sorted(set(RecordPart.__annotations__) - {"schema_version"})))
    if isinstance(stored.get(key), list) and data.draw(st.booleans()):
        index = data.draw(st.integers(0, 1))
        stored[key][index] = data.draw(json_values)
    elif key not in ("flow_definition", "created_at"):
        stored[key] = data.draw(json_values)
    figures = figures_of(stored, document())
    assert figures.reviews == 2
    assert not figures.malformed
    assert figures.unreadable <= 1 or isinstance(stored[key], list)
