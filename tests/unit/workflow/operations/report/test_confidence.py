"""Tests of the figures about confidence, against published examples and against sums over single reviews."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from workflow.operations.report import confidence_counts
from workflow.operations.report.confidence import confidence_figures
from workflow.operations.report.confidence_counts import ConfidenceCounts
from workflow.operations.report.estimation import ClusterSums, Estimate, estimate, student_quantile
from workflow.operations.report.figures import ConfidenceFigures

Review = Sequence[tuple[float, bool]]


def counts_of(reviews: Sequence[Review]) -> ConfidenceCounts:
    counts = ConfidenceCounts()
    for review in reviews:
        counts.add(review)
    return counts


def figures_of(reviews: Sequence[Review]) -> ConfidenceFigures:
    found = confidence_figures({"": counts_of(reviews)}, None, None)
    assert found is not None
    return found


# G. W. Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather Review 78, 1-3,
# table 1: ten forecasts of rain. His score of 0.19 adds both classes, rain and no rain.
FORECASTS = [
    (0.7, False), (0.9, True), (0.8, True), (0.4, True), (0.2, False),
    (0, False), (0, False), (0, False), (0, False), (0.1, False),
]  # fmt: skip


def test_brier_score_matches_a_published_example() -> None:
    found = figures_of([[(forecast, not rain)] for forecast, rain in FORECASTS])
    assert found.brier.value == pytest.approx(0.19 / 2)


# J. A. Hanley and B. J. McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve,
# Radiology 143, 29-36: ratings of 58 normal and 51 abnormal images. The area is 0.893. The Stata Base Reference Manual
# (roctab) has 0.8932 with a standard error of 0.0307, by the method of DeLong, DeLong and Clarke-Pearson (1988).
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def test_area_under_the_curve_matches_a_published_example() -> None:
    reviews = [
        [(0.1 + 0.2 * rating, wrong)]
        for wrong, ratings in ((True, NORMAL), (False, ABNORMAL))
        for rating, number in enumerate(ratings)
        for _ in range(number)
    ]
    found = figures_of(reviews).auroc
    assert found.value == pytest.approx(0.8932, abs=5e-5)

    def logit(share: float) -> float:
        return math.log(share / (1 - share))

    reach = (logit(found.high) - logit(found.low)) / 2
    error = reach / student_quantile(0.975, 51) * found.value * (1 - found.value)
    assert error == pytest.approx(0.0307, abs=2e-4)


@pytest.mark.parametrize("area", [0.0, 1.0])
def test_perfect_separation_has_an_interval(area: float) -> None:
    found = figures_of([[(0.9, area == 0)], [(0.8, area == 1)]] * 10).auroc
    assert found.value == area
    assert abs(found.high - found.low) == pytest.approx(0.278, abs=5e-3)


def test_area_is_unknown_without_both_kinds() -> None:
    assert not figures_of([[(0.9, False)]] * 5).auroc.known


@pytest.fixture(scope="module")
def strata() -> dict[str, list[list[tuple[float, bool]]]]:
    rng = np.random.default_rng(8)

    def reviews(number: int, low: float) -> list[list[tuple[float, bool]]]:
        return [
            [(float(c), bool(rng.random() < 1 - c)) for c in rng.uniform(low, 1, rng.integers(1, 7))]
            for _ in range(number)
        ]

    return {"condition": reviews(80, 0.4), "sample": reviews(30, 0.8)}


def expected(
    strata: dict[str, list[list[tuple[float, bool]]]],
    weights: dict[str, float],
    hits: Callable[[float, bool], bool],
    cases: Callable[[float, bool], bool],
) -> Estimate:
    """Returns the estimate of a share from sums over single reviews."""
    found = []
    for name, reviews in strata.items():
        sums = ClusterSums()
        for review in reviews:
            sums.add(sum(hits(c, wrong) for c, wrong in review), sum(cases(c, wrong) for c, wrong in review))
        sums.clusters = len(reviews)
        found.append((weights[name], sums))
    return estimate(found)


@pytest.mark.parametrize("place", [45, 80, 90, 97])
@pytest.mark.parametrize("weights", [{"condition": 1.0, "sample": 20.0}, None])
def test_threshold_matches_sums_over_single_reviews(
    strata: dict[str, list[list[tuple[float, bool]]]], weights: dict[str, float] | None, place: int
) -> None:
    found = confidence_figures({name: counts_of(reviews) for name, reviews in strata.items()}, weights, None)
    assert found is not None
    assert found.of_all == (weights is not None)
    used = weights or {"condition": 1.0, "sample": 1.0}
    threshold, one = place / 100, found.thresholds[place]
    passed = expected(strata, used, lambda c, w: w and c >= threshold, lambda c, w: c >= threshold)
    assert one.error_rate_of_passed == pytest.approx(passed)
    missed = expected(strata, used, lambda c, w: w and c >= threshold, lambda c, w: w)
    assert one.errors_missed.value == pytest.approx(missed.value)
    # A lower threshold can have a lower upper bound, which then holds for this one, too.
    assert one.errors_missed.high <= missed.high + 1e-9
    needed = sum(
        used[name] for name, reviews in strata.items() for review in reviews if min(review)[0] < threshold
    )
    assert one.reviews_needed == pytest.approx(needed)


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("weights", [{"condition": 1.0, "sample": 20.0}, None])
def test_band_matches_sums_over_single_reviews(
    strata: dict[str, list[list[tuple[float, bool]]]], weights: dict[str, float] | None, number: int
) -> None:
    found = confidence_figures({name: counts_of(reviews) for name, reviews in strata.items()}, weights, None)
    assert found is not None
    band = found.bands[number]
    kept = expected(
        strata,
        weights or {"condition": 1.0, "sample": 1.0},
        lambda c, w: not w and band.low <= c < band.high,
        lambda c, w: band.low <= c < band.high,
    )
    assert band.kept.known == kept.known
    if kept.known:
        assert band.kept.value == pytest.approx(kept.value)
        assert band.low <= band.mean_confidence <= band.high


def test_share_that_is_missed_falls_with_the_threshold(
    strata: dict[str, list[list[tuple[float, bool]]]],
) -> None:
    found = confidence_figures(
        {name: counts_of(reviews) for name, reviews in strata.items()},
        {"condition": 1.0, "sample": 20.0},
        None,
    )
    assert found is not None
    for bound in range(3):
        bounds = [one.errors_missed[bound] for one in found.thresholds]
        assert bounds == sorted(bounds, reverse=True)


def test_batches_and_large_reviews_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    reviews = [
        [(float(c), bool(rng.random() < 0.3)) for c in rng.uniform(0, 1, size)]
        for size in rng.integers(1, 90, 60)
    ]
    reviews.append([(1.0, False), (0.0, True)])
    whole = counts_of(reviews).sums()
    monkeypatch.setattr(confidence_counts, "_BATCH", 100)
    monkeypatch.setattr(confidence_counts, "_MANY", 10)
    parts = counts_of(reviews).sums()
    assert np.array_equal(parts.totals, whole.totals)
    assert np.array_equal(parts.products, whole.products)
    assert parts.totals[: 2 * confidence_counts.BINS].sum() == sum(len(review) for review in reviews)


def test_nothing_is_said_without_confidences() -> None:
    assert confidence_figures({}, None, None) is None
    assert confidence_figures({"": counts_of([[]])}, None, None) is None
