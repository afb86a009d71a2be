"""Makes from counted predictions what a model's confidence is worth.

The products u·uᵀ (see `confidence_counts`) give the variance, with the review as the unit, of every figure that is a
ratio of sums or a smooth function of sums (Taylor linearization: D. A. Binder, 1983, International Statistical Review
51, 279-292).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workflow.operations.report.confidence_counts import (
    BAND_BINS,
    BAND_EDGES,
    BINS,
    LOWEST,
    RIGHT,
    THRESHOLDS,
    WIDTH,
    WRONG,
    Array,
    ConfidenceCounts,
    ConfidenceSums,
)
from workflow.operations.report.costs import cost_curve
from workflow.operations.report.estimation import (
    UNKNOWN,
    ClusterSums,
    Estimate,
    estimate,
    mean,
    satterthwaite,
    student_quantile,
    wilson_interval,
)
from workflow.operations.report.figures import (
    ConfidenceBand,
    ConfidenceFigures,
    Costs,
    Share,
    ThresholdFigures,
)

__all__ = ["Moments", "confidence_figures"]


@dataclass(frozen=True)
class Moments:
    """The sums of the strata of a model, weighted.

    Attributes:
        totals: See `ConfidenceSums.totals`; each review counts with its weight.
        products: See `ConfidenceSums.products`; each review counts with the square of its weight.
        reviews: The number of reviews, not weighted.
        heaviest: The largest weight.
    """

    totals: Array
    products: Array
    reviews: int
    heaviest: float

    @property
    def right(self) -> Array:
        """The right predictions by bin."""
        return self.totals[RIGHT]

    @property
    def wrong(self) -> Array:
        """The wrong predictions by bin."""
        return self.totals[WRONG]

    @property
    def lowest(self) -> Array:
        """The documents by the bin of their lowest confidence."""
        return self.totals[LOWEST]

    def variance(self, functions: Array) -> Array:
        """Returns the variance of the sums of linear functions of u, one function a row, if their mean is 0."""
        correction = self.reviews / (self.reviews - 1) if self.reviews > 1 else 1.0
        spread: Array = np.einsum("ij,ij->i", functions @ self.products, functions)
        return np.maximum(spread * correction, 0.0)


def confidence_figures(
    strata: Mapping[str, ConfidenceCounts], weights: Mapping[str, float] | None, costs: Costs | None
) -> ConfidenceFigures | None:
    """Returns the figures of a model; None if no prediction has a confidence.

    Args:
        strata: The counts, by why the reviews took place.
        weights: The number of documents that a review of each stratum stands for. Strata without a weight are left
            out. None if the reviews speak only for themselves.
        costs: The prices, for the cost curve.
    """
    summed = {stratum: counts.sums() for stratum, counts in strata.items() if counts.reviews}
    if not summed:
        return None
    counted = list(summed.values())
    weighted = [
        (1.0 if weights is None else weights[stratum], counts)
        for stratum, counts in summed.items()
        if weights is None or stratum in weights
    ]
    moments = Moments(
        totals=sum((weight * counts.totals for weight, counts in weighted), np.zeros(WIDTH)),
        products=sum((weight**2 * counts.products for weight, counts in weighted), np.zeros((WIDTH, WIDTH))),
        reviews=sum(counts.reviews for _, counts in weighted),
        heaviest=max((weight for weight, _ in weighted), default=1.0),
    )
    bands = _bands(counted, weighted)
    mean_confidence = _mean_confidence(weighted, range(len(bands)))
    # Few errors say little about how much errors vary.
    degrees = [_all_kept(counts).degrees for _, counts in weighted]
    return ConfidenceFigures(
        of_all=weights is not None,
        predictions=sum(band.checked.n for band in bands),
        bands=bands,
        calibration_error=_calibration_error(bands, moments),
        mean_confidence=mean_confidence,
        overconfidence=_overconfidence(weighted, degrees, mean_confidence),
        brier=mean([(weight, counts.brier) for weight, counts in weighted], 0.0, 1.0, degrees),
        auroc=_auroc(weighted, moments),
        thresholds=_thresholds(weighted, moments),
        costs=None if costs is None else cost_curve(moments, costs),
    )


_Weighted = Sequence[tuple[float, ConfidenceSums]]


def _bands(counted: Sequence[ConfidenceSums], weighted: _Weighted) -> list[ConfidenceBand]:
    found = []
    for band, (first, until) in enumerate(itertools.pairwise(BAND_BINS)):
        sums = {id(counts): _kept_between(counts, first, until) for counts in counted}
        checked = sum(sums.values(), ClusterSums())
        found.append(
            ConfidenceBand(
                low=(0.0, *BAND_EDGES)[band],
                high=(*BAND_EDGES, 1.0)[band],
                mean_confidence=_mean_confidence(weighted, [band]),
                checked=Share(round(checked.y), round(checked.x), checked.effective_n),
                kept=estimate([(weight, sums[id(counts)]) for weight, counts in weighted]),
            )
        )
    return found


def _kept_between(counts: ConfidenceSums, first: int, until: int) -> ClusterSums:
    """Returns the predictions in a range of bins by review; y is those that were kept."""
    right, wrong = slice(first, until), slice(BINS + first, BINS + until)
    products = counts.products
    both, mixed, none = (
        products[right, right].sum(),
        products[right, wrong].sum(),
        products[wrong, wrong].sum(),
    )
    kept, changed = counts.totals[right].sum(), counts.totals[wrong].sum()
    return ClusterSums(
        clusters=counts.reviews if kept + changed else 0,
        y=float(kept),
        x=float(kept + changed),
        yy=float(both),
        xy=float(both + mixed),
        xx=float(both + 2 * mixed + none),
    )


def _mean_confidence(weighted: _Weighted, bands: Iterable[int]) -> float:
    bands = list(bands)
    total = size = 0.0
    for weight, counts in weighted:
        total += weight * sum(counts.confidence[band] for band in bands)
        both = counts.totals[RIGHT] + counts.totals[WRONG]
        size += weight * sum(float(both[BAND_BINS[band] : BAND_BINS[band + 1]].sum()) for band in bands)
    return total / size if size else math.nan


def _calibration_error(bands: Sequence[ConfidenceBand], moments: Moments) -> float:
    both = moments.right + moments.wrong
    known = [
        (abs(band.mean_confidence - band.kept.value), float(both[first:until].sum()))
        for band, (first, until) in zip(bands, itertools.pairwise(BAND_BINS), strict=True)
        if band.kept.known
    ]
    total = sum(size for _, size in known)
    return sum(error * size for error, size in known) / total if total else math.nan


def _auroc(weighted: _Weighted, moments: Moments) -> Estimate:
    """Returns the area under the ROC curve. Predictions of the same hundredth count as equal, which counts half.

    The variance is that of the placements of the predictions, summed within reviews (N. A. Obuchowski, 1997,
    Biometrics 53, 567-578). The interval is symmetric on the logit scale, so that it stays within 0 to 1.
    """
    right, wrong = moments.right, moments.wrong
    all_right, all_wrong = float(right.sum()), float(wrong.sum())
    if all_right <= 0 or all_wrong <= 0:
        return UNKNOWN
    wrong_below = (np.cumsum(wrong) - wrong / 2) / all_wrong
    right_above = (all_right - np.cumsum(right) + right / 2) / all_right
    area = float(right @ wrong_below) / all_right
    influence = np.zeros((1, WIDTH))
    influence[0, RIGHT] = (wrong_below - area) / all_right
    influence[0, WRONG] = (right_above - area) / all_wrong
    error = math.sqrt(float(moments.variance(influence)[0]))
    if not 0 < area < 1 or error == 0:
        smaller = min(all_right, all_wrong) / moments.heaviest
        return Estimate(area, *wilson_interval(area * smaller, smaller))
    logit = math.log(area / (1 - area))
    degrees = satterthwaite(
        [
            (weight**2 * float(influence[0] @ counts.products @ influence[0]), _all_kept(counts).degrees)
            for weight, counts in weighted
        ]
    )
    reach = student_quantile(0.975, degrees) * error / (area * (1 - area))
    return Estimate(area, *(1 / (1 + math.exp(-(logit + side * reach))) for side in (-1, 1)))


def _all_kept(counts: ConfidenceSums) -> ClusterSums:
    return _kept_between(counts, 0, BINS)


def _overconfidence(weighted: _Weighted, degrees: Sequence[float], mean_confidence: float) -> Estimate:
    """Returns the mean confidence minus the share kept.

    The interval is that of the differences, and at least that of the share kept, which leaves room for errors of which
    a sample has none.
    """
    gap = mean([(weight, counts.gap) for weight, counts in weighted], -1.0, 1.0, degrees)
    kept = estimate([(weight, _all_kept(counts)) for weight, counts in weighted])
    return Estimate(
        gap.value, min(gap.low, mean_confidence - kept.high), max(gap.high, mean_confidence - kept.low)
    )


def _thresholds(weighted: _Weighted, moments: Moments) -> list[ThresholdFigures]:
    sums = [(weight, _ThresholdSums(counts)) for weight, counts in weighted]
    needed = _before(moments.lowest)
    caught, right_below = _before(moments.wrong), _before(moments.right)
    all_wrong, all_right = moments.wrong.sum(), moments.right.sum()
    missed = _falling(
        [estimate([(weight, one.errors_missed(place)) for weight, one in sums]) for place in range(BINS)]
    )
    return [
        ThresholdFigures(
            threshold=threshold,
            reviews=estimate([(weight, one.reviews(place)) for weight, one in sums]),
            errors_missed=missed[place],
            error_rate_of_passed=estimate([(weight, one.errors_of_passed(place)) for weight, one in sums]),
            reviews_needed=float(needed[place]),
            checked=float(caught[place] + right_below[place]),
            caught=float(caught[place]),
            passed=float(all_wrong + all_right - caught[place] - right_below[place]),
            let_through=float(all_wrong - caught[place]),
        )
        for place, threshold in enumerate(THRESHOLDS)
    ]


def _falling(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Returns estimates of shares that can only fall, so that a bound of one holds for those after or before it."""
    highs = itertools.accumulate((one.high for one in estimates), min)
    lows = [*itertools.accumulate((one.low for one in reversed(estimates)), max)][::-1]
    return [
        Estimate(estimate.value, min(low, estimate.value), max(high, estimate.value))
        for estimate, low, high in zip(estimates, lows, highs, strict=True)
    ]


class _ThresholdSums:
    """The sums over reviews for each threshold, which is given by the bin that starts with it."""

    def __init__(self, counts: ConfidenceSums) -> None:
        self._n = counts.reviews
        products = counts.products
        wrong, mixed = products[WRONG, WRONG], products[WRONG, RIGHT]
        all_ = wrong + mixed + mixed.T + products[RIGHT, RIGHT]
        self._reviews = _before(counts.totals[LOWEST])
        self._wrong = _from(counts.totals[WRONG])
        self._passed = _from(counts.totals[WRONG] + counts.totals[RIGHT])
        self._wrong_wrong = _from_both(wrong)
        self._wrong_any = _from(wrong.sum(axis=1))
        self._wrong_passed = _from_both(wrong + mixed)
        self._passed_passed = _from_both(all_)

    def reviews(self, place: int) -> ClusterSums:
        """The reviews; hits are those with a prediction below the threshold."""
        y, x = float(self._reviews[place]), self._n
        return ClusterSums(self._n, y, x, y, y, x)

    def errors_missed(self, place: int) -> ClusterSums:
        """The errors; hits are those at or above the threshold."""
        return self._sums(
            self._wrong[place],
            self._wrong[0],
            self._wrong_wrong[place],
            self._wrong_any[place],
            self._wrong_any[0],
        )

    def errors_of_passed(self, place: int) -> ClusterSums:
        """The predictions at or above the threshold; hits are the errors."""
        return self._sums(
            self._wrong[place],
            self._passed[place],
            self._wrong_wrong[place],
            self._wrong_passed[place],
            self._passed_passed[place],
        )

    def _sums(self, *sums: float) -> ClusterSums:
        return ClusterSums(self._n, *map(float, sums))


def _before(values: Array) -> Array:
    """Returns for each bin the sum of the values of the bins before it."""
    return np.cumsum(values) - values


def _from(values: Array) -> Array:
    """Returns for each bin the sum of its value and those of the bins after it."""
    return np.cumsum(values[::-1])[::-1]


def _from_both(values: Array) -> Array:
    """Returns for each bin the sum of the values for which both indices are this bin or one after it."""
    sums: Array = np.diagonal(values[::-1, ::-1].cumsum(axis=0).cumsum(axis=1))[::-1]
    return sums
