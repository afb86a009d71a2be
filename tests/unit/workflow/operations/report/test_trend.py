"""Tests of the comparison of the first and the last third of a period."""

from __future__ import annotations

import random

import numpy as np
import pytest

from workflow.operations.report import trend
from workflow.operations.report.estimation import student_quantile
from workflow.operations.report.figures import SMALL_SAMPLE
from workflow.operations.report.trend import MIN_ERRORS, TrendCounts


def singles(*thirds: dict[str, tuple[int, int]]) -> TrendCounts:
    """Counts reviews of one field each: how many of the fields with a name are wrong, in each third."""
    counts = TrendCounts()
    for third, fields in enumerate(thirds):
        for name, (wrong, all_) in fields.items():
            for place in range(all_):
                counts.add(0 if third == 0 else 1, [(name, place < wrong)])
    return counts


# The deaths in the two arms of the University Group Diabetes Program, by age. K. J. Rothman, Epidemiology: An
# Introduction (2002), has a pooled risk difference of 0.035 for this table.
PLACEBO = {"under 55": (5, 120), "55 and older": (16, 85)}
TOLBUTAMIDE = {"under 55": (8, 106), "55 and older": (22, 98)}


def test_difference_matches_a_published_example() -> None:
    found = singles(PLACEBO, TOLBUTAMIDE).trend()
    assert found is not None
    assert found.difference.value == pytest.approx(0.035, abs=5e-4)
    # By hand: the weights are 120·106/226 and 85·98/183; the variances are those of shares.
    weights = np.array([120 * 106 / 226, 85 * 98 / 183])
    variances = [
        sum(
            p * (1 - p) / n
            for p, n in ((wrong / all_, all_) for wrong, all_ in (PLACEBO[age], TOLBUTAMIDE[age]))
        )
        for age in PLACEBO
    ]
    error = np.sqrt((weights**2 * variances).sum()) / weights.sum()
    assert found.difference.high - found.difference.value == pytest.approx(
        student_quantile(0.975, 203) * error, rel=0.01
    )
    assert found.late - found.early == pytest.approx(found.difference.value)
    assert (found.fields, found.covered) == (2, 1)


def test_field_of_one_third_is_not_compared() -> None:
    found = singles({"a": (10, 50), "old": (40, 50)}, {"a": (10, 50), "new": (0, 100)}).trend()
    assert found is not None
    assert found.difference.value == 0
    assert (found.fields, found.covered) == (1, pytest.approx(0.4))


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ((9, SMALL_SAMPLE - 1), (9, 90)),
        ((9, 90), (9, SMALL_SAMPLE - 1)),
        ((0, 90), (MIN_ERRORS - 1, 90)),
    ],
)
def test_few_reviews_or_errors_have_no_trend(early: tuple[int, int], late: tuple[int, int]) -> None:
    assert singles({"a": early}, {"a": late}).trend() is None


def test_fields_without_a_third_in_common_have_no_trend() -> None:
    assert singles({"a": (20, 40)}, {"b": (20, 40)}).trend() is None
    assert TrendCounts().trend() is None


def test_batches_and_new_fields_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    reviews = [
        (
            int(rng.integers(0, 2)),
            [(str(rng.integers(0, 1 + place // 5)), bool(rng.random() < 0.3)) for _ in range(4)],
        )
        for place in range(120)
    ]

    def trend_of() -> object:
        counts = TrendCounts()
        for third, predictions in reviews:
            counts.add(0 if third == 0 else 1, predictions)
        return counts.trend()

    whole = trend_of()
    monkeypatch.setattr(trend, "_BATCH", 7)
    assert trend_of() == whole


def test_number_of_fields_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend, "MAX_FIELDS", 1)
    found = singles({"a": (10, 50), "b": (0, 50)}, {"a": (10, 50), "b": (50, 50)}).trend()
    assert found is not None
    assert (found.fields, found.covered, found.difference.value) == (1, 0.5, 0)


def test_fields_that_are_all_wrong_do_not_change() -> None:
    chance = random.Random(1)
    for number in range(2, 40):
        counts = TrendCounts()
        for third in (0, 1):
            for _ in range(40):
                counts.add(0 if third == 0 else 1, [(chance.choice("xyz"), True) for _ in range(number)])
        found = counts.trend()
        assert found is not None
        # Rounding must not make the variance negative.
        assert found.difference == pytest.approx((0, 0, 0), abs=1e-6)
