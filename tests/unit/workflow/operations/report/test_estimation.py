"""Tests of the estimators against published examples and tables made by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.operations.report.estimation import (
    ClusterSums,
    Estimate,
    estimate,
    mean,
    normal_quantile,
    student_quantile,
    wilson_interval,
)
from workflow.operations.report.figures import Share
from workflow.operations.report.findings.fields import lowest_difference


def sums_of(reviews: Iterable[tuple[float, float]]) -> ClusterSums:
    sums = ClusterSums()
    for y, x in reviews:
        sums.add(y, x)
    return sums


# R. G. Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine 17, table I.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_matches_published_examples(hits: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_contains_the_share_and_stays_within_0_and_1(sample: tuple[int, int]) -> None:
    hits, n = sample
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low - 1e-12 <= hits / n <= high + 1e-12


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (1e9, 1.960)],
)
def test_student_quantile_is_that_of_the_tables(degrees: float, quantile: float) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(quantile, rel=0.005)


def test_student_quantile_falls_with_the_degrees_of_freedom() -> None:
    quantiles = [student_quantile(0.975, step / 10) for step in range(10, 100)]
    assert quantiles == sorted(quantiles, reverse=True)


# C. S. Weil (1970): pups that survive, of the pups of each litter. J. N. K. Rao and A. J. Scott (1992), A simple method
# for the analysis of clustered binary data, Biometrics 48, 577-585, table 1. The design effects are those that the
# documentation of the R package PF has for this table.
CONTROL = [
    (13, 13), (12, 12), (9, 9), (9, 9), (8, 8), (8, 8), (12, 13), (11, 12),
    (9, 10), (9, 10), (8, 9), (11, 13), (4, 5), (5, 7), (7, 10), (7, 10),
]  # fmt: skip
TREATED = [
    (12, 12), (11, 11), (10, 10), (9, 9), (10, 11), (9, 10), (9, 10), (8, 9),
    (8, 9), (4, 5), (7, 9), (4, 7), (5, 10), (3, 6), (3, 10), (0, 7),
]  # fmt: skip


@pytest.mark.parametrize(("litters", "design_effect"), [(CONTROL, 1.232495), (TREATED, 3.952861)])
def test_effective_n_matches_published_design_effects(
    litters: list[tuple[int, int]], design_effect: float
) -> None:
    sums = sums_of(litters)
    few = normal_quantile(0.975) / student_quantile(0.975, sums.degrees)
    assert sums.effective_n == pytest.approx(sums.x / design_effect * few**2, rel=1e-6)
    # The litters that lost a pup are fewer than all.
    assert 1 < sums.degrees < 15


# S. L. Lohr, Sampling: Design and Analysis, 2nd edition 2010, example 5.2: the grades of the four students of each of
# five suites. She has a standard error of 0.164 with the correction for 5 of 100 suites, which does not apply here.
SUITES = [
    (3.08, 2.60, 3.44, 3.04),
    (2.36, 3.04, 3.28, 2.68),
    (2.00, 2.56, 2.52, 1.88),
    (3.00, 2.88, 3.44, 3.64),
    (2.68, 1.92, 3.28, 3.20),
]


def test_mean_of_clusters_matches_a_published_example() -> None:
    found = mean([(20.0, sums_of((sum(suite), 4) for suite in SUITES))], 0, 4)
    assert found.value == pytest.approx(2.826, abs=5e-4)
    error = (found.high - found.value) / student_quantile(0.975, 4)
    assert error * math.sqrt(1 - 5 / 100) == pytest.approx(0.164, abs=5e-4)


# R. G. Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine
# 17, 873-890, table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low"),
    [(Share(56, 70), Share(48, 80), 0.0524), (Share(9, 10), Share(3, 10), 0.1705)],
)
def test_difference_matches_published_examples(one: Share, other: Share, low: float) -> None:
    assert lowest_difference(one, other, 0.05) == pytest.approx(low, abs=5e-5)


def test_single_cases_are_independent() -> None:
    assert sums_of([(1, 1)] * 3 + [(0, 1)] * 7 + [(0, 0)]).effective_n == 10


def test_fields_that_are_all_alike_count_once_a_review() -> None:
    assert sums_of([(0, 20)] * 8).effective_n == pytest.approx(8)
    assert sums_of([(20, 20)] * 8).effective_n == pytest.approx(8)
    # Half of the reviews are all wrong, the other half all right: nearly the same.
    alike = sums_of([(0, 20), (20, 20)] * 50).effective_n
    assert 90 < alike < 100


def test_review_stands_for_its_weight() -> None:
    # 2 of 10 reviews that were certain, and 1 of 5 that stand for 20 each: (2 + 20) / (10 + 100).
    certain, sampled = sums_of([(1, 1)] * 2 + [(0, 1)] * 8), sums_of([(1, 1)] + [(0, 1)] * 4)
    found = estimate([(1.0, certain), (20.0, sampled)])
    assert found.value == pytest.approx(0.2)
    # Five reviews decide, so the interval is about that of 1 of 5.
    low, high = wilson_interval(1, 5)
    assert found.low == pytest.approx(low, abs=0.05)
    assert found.high == pytest.approx(high, abs=0.2)


def test_weight_of_all_reviews_changes_nothing() -> None:
    sums = sums_of(TREATED)
    assert estimate([(20.0, sums)]) == pytest.approx(estimate([(1.0, sums)]))


def test_sample_without_hits_leaves_room_for_some() -> None:
    certain, sampled = sums_of([(1, 2)] * 300), sums_of([(0, 1)] * 10)
    found = estimate([(1.0, certain), (20.0, sampled)])
    assert found.value == pytest.approx(300 / 800)
    # Up to 3.84 hits can have been missed by chance, and each stands for 20.
    assert found.high >= (300 + 76.8) / (800 + 76.8)
    # Also if the sample has no case at all, such as no error of which the share above a threshold is asked.
    assert estimate([(1.0, certain), (20.0, ClusterSums())]).high >= (300 + 76.8) / (600 + 76.8)
    all_wrong = estimate([(1.0, certain), (20.0, sums_of([(1, 1)] * 10))])
    assert all_wrong.low <= 500 / (800 + 76.8)


def test_nothing_is_known_without_cases() -> None:
    assert not estimate([(1.0, ClusterSums())]).known
    assert not mean([], 0, 1).known
    assert mean([(1.0, sums_of([(0.3, 1)]))], 0, 1) == Estimate(0.3, 0, 1)
    assert ClusterSums().effective_n == 0
    assert math.isnan(ClusterSums().ratio)


@given(
    st.lists(
        st.integers(1, 30).flatmap(lambda x: st.tuples(st.integers(0, x), st.just(x))),
        min_size=1,
        max_size=20,
    ),
    st.lists(st.tuples(st.integers(0, 1), st.just(1)), max_size=5),
    st.floats(1, 1000),
)
def test_estimate_stays_within_its_interval(
    certain: list[tuple[int, int]], sampled: list[tuple[int, int]], weight: float
) -> None:
    found = estimate([(1.0, sums_of(certain)), (weight, sums_of(sampled))])
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    wider = found.bounds(0.01)
    assert wider[0] <= found.low + 1e-9
    assert wider[1] >= found.high - 1e-9


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 9)), max_size=9), st.integers(0, 9))
def test_sums_of_parts_are_the_sums_of_all(reviews: list[tuple[int, int]], place: int) -> None:
    assert sums_of(reviews[:place]) + sums_of(reviews[place:]) == sums_of(reviews)
