"""Tests of the cost of thresholds: by hand, and in worlds in which the cheapest one is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.workflow.operations.report.simulation import Reviews, reviewed
from workflow.operations.report.costs import EVERYTHING
from workflow.operations.report.figures import CostCurve, Costs


def curve_of(reviews: Reviews, costs: Costs) -> CostCurve:
    about = reviews.model(costs).confidence
    assert about is not None
    assert about.costs is not None
    return about.costs


def sampled(rng: np.random.Generator, documents: int, *, informative: bool) -> Reviews:
    """Reviews those below 0.6 and a tenth of the others. A confidence is right, or has nothing to do with errors."""
    confidence = rng.uniform(0.5, 1, (documents, 1))
    wrong = rng.random((documents, 1)) < (1 - confidence if informative else 0.25)
    return reviewed(rng, confidence, wrong, threshold=0.6, rate=0.1)


def test_costs_are_those_of_reviews_and_of_errors_that_pass() -> None:
    reviews = Reviews()
    reviews.add([True, False], [0.5, 0.9]).add([True, True], [0.7, 0.8]).add([False], [0.6]).add(
        [True], [1.0]
    )
    curve = curve_of(reviews, Costs(review=2, error=3))
    at = {round(point.threshold, 2): point.cost.value for point in curve.points}
    assert at[0] == pytest.approx(4 * 3 / 4)  # four errors pass
    assert at[0.55] == pytest.approx((1 * 2 + 3 * 3) / 4)
    assert at[0.65] == pytest.approx((2 * 2 + 3 * 3) / 4)
    assert at[0.75] == pytest.approx((3 * 2 + 2 * 3) / 4)
    assert at[0.85] == pytest.approx((3 * 2 + 1 * 3) / 4)
    assert at[1] == pytest.approx((3 * 2 + 1 * 3) / 4)
    assert at[EVERYTHING] == pytest.approx(4 * 2 / 4)
    assert curve.cheapest.threshold == EVERYTHING
    assert curve.verdict == "undecided"
    assert curve.points[0].threshold == 0
    assert curve.range[0] <= curve.cheapest.threshold <= curve.range[1]


def test_documents_of_a_sample_count_with_their_weight() -> None:
    reviews = Reviews()
    for place in range(40):
        reviews.add([place < 20], [0.5], conditions=["MissingImportantFormKey(Total)"])
        reviews.add([place < 10], [0.9], conditions=["Sampling(RandomSamplingPercentage=10)"])
    curve = curve_of(reviews, Costs(review=1, error=2))
    at = {round(point.threshold, 2): point.cost.value for point in curve.points}
    assert at[0.6] == pytest.approx((40 + 10 * 10 * 2) / 440)
    assert at[EVERYTHING] == pytest.approx(1)


def test_cheapest_threshold_is_within_its_range() -> None:
    # An error of 4 and a review of 1: a review pays if an error is more likely than 1 in 4.
    found = []
    for world in range(40):
        curve = curve_of(sampled(np.random.default_rng((1, world)), 1_500, informative=True), Costs(1, 4))
        low, high = curve.range
        found.append(low - 1e-9 <= 0.75 <= high + 1e-9)
        assert curve.verdict != "nothing"
    assert np.mean(found) >= 0.9


def test_confidence_without_information_has_no_cheapest_threshold() -> None:
    # Reviewing nothing, something or everything costs the same.
    verdicts = [
        curve_of(sampled(np.random.default_rng((2, world)), 1_000, informative=False), Costs(1, 4)).verdict
        for world in range(40)
    ]
    assert np.mean([verdict == "threshold" for verdict in verdicts]) <= 0.05


def test_useful_threshold_is_found() -> None:
    verdicts = [
        curve_of(sampled(np.random.default_rng((3, world)), 4_000, informative=True), Costs(1, 4)).verdict
        for world in range(8)
    ]
    assert np.mean([verdict == "threshold" for verdict in verdicts]) >= 0.8


@pytest.mark.parametrize(("error", "verdict"), [(0.1, "nothing"), (500, "everything")])
def test_extreme_prices_leave_no_threshold(error: float, verdict: str) -> None:
    curve = curve_of(sampled(np.random.default_rng(4), 2_000, informative=True), Costs(1, error))
    assert curve.verdict == verdict
