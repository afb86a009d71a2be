"""Shared JSONata expressions give the same results as their Python equivalents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonata import Jsonata  # type: ignore[import-untyped]
from pydantic import ValidationError

from lambdas.loops.bounded import bounded
from lambdas.loops.claims import claim_id
from lambdas.loops.identity import normalized, own_key
from lambdas.loops.visible import ASTRAL, INVISIBLE, quoted, visible
from lambdas.reviews.event import Detail
from workflow.asl import expressions
from workflow.asl.expressions import (
    CLAIM_ID,
    LOOP_TIME,
    OWN_KEY,
    QUOTED,
    VISIBLE,
    is_loop_name,
    name_in,
)

moments = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))
times = (
    st.text(min_size=1)
    | st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{0,9})?Z?\Z")
    | moments.map(lambda moment: moment.isoformat() + "Z")
)


def evaluated(expression: str, value: Any) -> Any:
    program = Jsonata(expression)
    program.assign("states", {"input": value})
    return program.evaluate({})


@given(time=times)
def test_claim_id_equals_the_python_function(time: str) -> None:
    detail = {"creationTime": time, "humanLoopStatus": "Failed"}
    assert evaluated(CLAIM_ID, {"detail": detail}) == claim_id(time, "Failed")
    assert evaluated(LOOP_TIME, {"detail": detail}) == normalized(time)
    assert evaluated(OWN_KEY, {"detail": {**detail, "humanLoopName": "loop"}}) == own_key("loop", time)


@given(moment=moments, places=st.integers(3, 9))
def test_claim_id_has_milliseconds(moment: datetime, places: int) -> None:
    milliseconds = f"{moment.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}".rjust(
        23, "0"
    )
    longer = milliseconds + "0" * (places - 3)
    assert claim_id(f"{longer}Z", "Failed") == f"{milliseconds}Z Failed"


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/triage", "triage"),
        ("triage", "triage"),
        ("", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
    ],
)
def test_name_in_arn(arn: Any, name: str) -> None:
    assert evaluated(name_in("$states.input.arn"), {"arn": arn}) == name
    assert evaluated(name_in("$states.input.arn"), {}) == "unknown"


@given(name=st.text() | st.text("aZ9-\n ", max_size=8) | st.integers(60, 66).map(lambda size: "x" * size))
def test_loop_names_are_those_of_the_event(name: str) -> None:
    try:
        Detail.model_validate(
            {"humanLoopName": name, "creationTime": datetime(2026, 1, 1), "humanLoopStatus": "Failed"}
        )
        allowed = True
    except ValidationError:
        allowed = False
    assert evaluated(is_loop_name("$states.input"), name) == allowed


TEXTS = st.text(
    st.sampled_from(
        "a ~\\'\"é漢ن❤\ufe0f👩\U000e0041\U000e0141\u200c\u200d\u200b\u202e\x1b\x9b\x00\n\t\ud800\udc00"
    )
    | st.characters(exclude_categories=()),
    max_size=20,
    # Two halves beside each other are one character, in what a service reads from JSON.
).map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"))


@given(text=TEXTS, limit=st.integers(1, 25))
def test_visible_equals_the_python_function(text: str, limit: int) -> None:
    expression = f"({VISIBLE} $visible($states.input.text, {limit}))"
    assert evaluated(expression, {"text": text}) == visible(text, limit)


def test_visible_has_the_same_range_as_the_python_function() -> None:
    last_and_next = "".join(
        chr(code)
        for first, last in (*INVISIBLE, *ASTRAL)
        for code in (max(first - 1, 0), first, last, last + 1)
    )
    expression = f"({VISIBLE} $visible($states.input.text, 1000))"
    assert evaluated(expression, {"text": last_and_next}) == visible(last_and_next, 1000)


@given(text=TEXTS)
def test_quoted_equals_the_python_function(text: str) -> None:
    assert evaluated(f"({VISIBLE}{QUOTED} $quoted($states.input.text))", {"text": text}) == quoted(text)


def test_visible_value_that_is_no_text_is_written_as_json() -> None:
    assert evaluated(f"({VISIBLE} $visible($states.input, 99))", {"a": ["\x1b"]}) == '{"a":["\\u001b"]}'
    assert evaluated(f"({VISIBLE} $visible($states.input.none, 99))", {}) == ""


@given(text=TEXTS, limit=st.integers(1, 25))
def test_bounded_equals_the_python_function(text: str, limit: int) -> None:
    assert evaluated(expressions.bounded("$states.input.text", limit), {"text": text}) == bounded(text, limit)
