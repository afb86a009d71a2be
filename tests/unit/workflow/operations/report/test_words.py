"""Tests of how the report writes amounts, thresholds, differences and estimates."""

from __future__ import annotations

import math

import pytest

from workflow.operations.report.figures import UNKNOWN, Estimate
from workflow.operations.report.words import amount, estimate, points, threshold


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (0, "0.00"), (12, "12.00"), (0.456, "0.46"), (999.994, "999.99"), (1234.5, "1,234"), (1e9, "1,000,000,000"),
        (0.0312, "0.031"), (0.000_042, "0.000042"), (1e-300, "<0.000001"), (-0.5, "-0.50"), (math.nan, "n/a"),
    ],
)  # fmt: skip
def test_amount_has_two_digits_that_matter(money: float, text: str) -> None:
    assert amount(money) == text


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0321, "+3.2"), (-0.004, "\N{MINUS SIGN}0.4"), (0.0, "0.0"), (-0.0001, "0.0"), (math.nan, "n/a")],
)
def test_difference_is_in_points_with_its_sign(difference: float, text: str) -> None:
    assert points(difference) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "review nothing"), (0.85, "85%"), (1.0, "100%"), (1.01, "review everything")],
)
def test_threshold_says_what_its_ends_do(value: float, text: str) -> None:
    assert threshold(value) == text


def test_estimate_has_its_interval() -> None:
    assert estimate(Estimate(0.172, 0.15, 0.196)) == "17.2% (15.0% to 19.6%)"
    assert estimate(UNKNOWN) == "n/a"
