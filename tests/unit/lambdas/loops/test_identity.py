"""Which loop a row is about."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.loops.identity import is_about, is_same_time, name_of, own_key, own_keys
from lambdas.loops.loop import Claim, Loop
from tests.unit.rows_of_loops import CREATED, ROWS


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (CREATED, "2026-03-04T05:06:07Z", True),
        (CREATED, "2026-03-04T05:06:08.889Z", True),
        (CREATED, "2026-03-04T05:06:08.890Z", False),
        ("2026-03-04T05:06:08.000Z", "2026-03-04T05:06:07.999Z", True),
        (CREATED, "2026-03-04T06:06:07.890+01:00", True),
        ("this morning", "this morning", True),
        ("this morning", CREATED, False),
        ("2026-02-31T05:06:07.890Z", "2026-02-31T05:06:07.891Z", False),
    ],
)
def test_times_within_a_second_are_of_one_loop(one: str, other: str, same: bool) -> None:
    assert is_same_time(one, other) == is_same_time(other, one) == same


@pytest.mark.parametrize(("row", "created", "about"), ROWS)
def test_row_is_about_the_loop_created_at_that_time(row: dict[str, Any], created: str, about: bool) -> None:
    claims = {claim: Claim(state="done", execution="arn:e") for claim in row.get("claims", {})}
    assert is_about(Loop(human_loop_name="loop", **{**row, "claims": claims}), created) == about


def test_key_of_another_loop_of_the_name_has_its_time_to_the_second() -> None:
    key = own_key("loop", CREATED)
    assert key == own_key("loop", "2026-03-04T05:06:07Z") == "loop@2026-03-04T05:06:07Z"
    assert (name_of(key), name_of("loop")) == ("loop", "loop")
    assert own_key("loop", "this morning") == "loop@this-morning"
    assert own_keys("loop", "2026-12-31T23:59:59.9Z") == [
        "loop@2026-12-31T23:59:59Z",
        "loop@2026-12-31T23:59:58Z",
        "loop@2027-01-01T00:00:00Z",
    ]
    assert own_keys("loop", "this morning") == ["loop@this-morning"]
    assert own_keys("loop", "x" * 2048) == ["loop@" + "x" * 100]
