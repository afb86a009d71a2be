"""Tests of moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.operations.moments import InvalidMoment, parse_moment, past_moment

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        (" 2 h ", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(days=7)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T22:15", datetime(2026, 11, 1, 22, 15, tzinfo=UTC)),
        ("2026-11-01 22:15:30Z", datetime(2026, 11, 1, 22, 15, 30, tzinfo=UTC)),
        ("2026-11-01T22:15:30.5+02:00", datetime(2026, 11, 1, 20, 15, 30, 500_000, tzinfo=UTC)),
    ],
)
def test_ages_days_and_times_become_moments_in_utc(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment
    assert parse_moment(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2", "h", "2H30m", "-2h", "2.5h", "31.1.2026", "2026-13-01", "\N{ARABIC-INDIC DIGIT ONE}h"],
)
def test_other_texts_are_errors_with_the_forms(text: str) -> None:
    with pytest.raises(InvalidMoment) as error:
        parse_moment(text, NOW)
    assert str(error.value).startswith(f"invalid time {text!r}: use 30m, 2h, 3d or 1w")
    assert "2026-01-31T22:00" in str(error.value)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "99999w"])
def test_years_that_cannot_be_counted_with_are_errors(text: str) -> None:
    with pytest.raises(InvalidMoment, match="invalid time"):
        parse_moment(text, NOW)


def test_beginning_of_a_period_is_not_in_the_future() -> None:
    assert past_moment("2026-11-27T09:30", NOW) == NOW
    with pytest.raises(
        InvalidMoment, match=r"^2026-11-27T09:31 is in the future; it is 2026-11-27T09:30 UTC now$"
    ):
        past_moment("2026-11-27T09:31", NOW)


@given(st.text(alphabet="0123456789-:TZ+.mhdw ", max_size=30))
def test_any_text_is_a_moment_or_an_invalid_one(text: str) -> None:
    try:
        moment = parse_moment(text, NOW)
    except InvalidMoment:
        return
    assert moment.tzinfo is UTC
