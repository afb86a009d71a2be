"""Counts predictions by confidence, and makes from it what a model's confidence is worth.

All figures come from two sums over reviews: of u, which has the number of right and wrong predictions of a review in
each hundredth of confidence, and of the products u·uᵀ. The second one gives the variance, with the review as the unit,
of every figure that is a ratio of sums or a smooth function of sums (Taylor linearization: D. A. Binder, 1983,
International Statistical Review 51, 279-292). So one pass over the reviews is enough, and memory is bounded.
"""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow.operations.report.costs import cost_curve
from workflow.operations.report.estimation import ClusterSums, effective_interval, student_quantile
from workflow.operations.report.figures import (
    UNKNOWN,
    ConfidenceBand,
    ConfidenceFigures,
    Costs,
    Estimate,
    Share,
    ThresholdFigures,
)

__all__ = ["BAND_EDGES", "THRESHOLDS", "ConfidenceCounts", "confidence_figures"]

THRESHOLDS: tuple[float, ...] = tuple(step / 100 for step in range(0, 101))
"""The confidence thresholds in the report: each hundredth from 0 to 1."""

BAND_EDGES: tuple[float, ...] = tuple(step / 10 for step in range(1, 10))
"""The edges between the ten confidence bands. A confidence on an edge belongs to the band above."""

BINS = len(THRESHOLDS)
"""Each bin is from one threshold up to but not including the next one. The last one has only the confidence 1."""

Array = npt.NDArray[np.float64]

_BATCH = 512
_RIGHT, _WRONG, _LOWEST = (slice(part * BINS, (part + 1) * BINS) for part in range(3))


class ConfidenceCounts:
    """The predictions of the reviews of one model that were chosen in the same way.

    Memory is bounded: about 750 KB for the products, and a batch of reviews.
    """

    def __init__(self) -> None:
        self.reviews = 0
        self.gap = ClusterSums()
        self.brier = ClusterSums()
        self.confidence = [0.0] * (len(BAND_EDGES) + 1)
        self._totals = np.zeros(3 * BINS)
        self._products = np.zeros((3 * BINS, 3 * BINS))
        self._codes = array("i")
        self._batch = 0

    def add(self, predictions: Sequence[tuple[float, bool]]) -> None:
        """Counts the judged predictions of a review: the confidence of each, and whether it is wrong."""
        if not predictions:
            return
        base = self._batch * 3 * BINS
        lowest = BINS
        gap = brier = 0.0
        for confidence, wrong in predictions:
            place = bisect_right(THRESHOLDS, confidence) - 1
            lowest = min(lowest, place)
            self._codes.append(base + place + BINS * wrong)
            distance = confidence - (not wrong)
            gap += distance
            brier += distance * distance
            self.confidence[bisect_right(BAND_EDGES, confidence)] += confidence
        self._codes.append(base + 2 * BINS + lowest)
        self.gap.add(gap, len(predictions))
        self.brier.add(brier, len(predictions))
        self.reviews += 1
        self._batch += 1
        if self._batch == _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            codes = np.frombuffer(self._codes, dtype=np.intc)
            # The numbers are small and whole, so single precision is exact, and twice as fast.
            rows = np.bincount(codes, minlength=self._batch * 3 * BINS).reshape(self._batch, 3 * BINS)
            rows = rows.astype(np.float32)
            self._totals += rows.sum(axis=0)
            self._products += rows.T @ rows
            self._codes, self._batch = array("i"), 0

    @property
    def totals(self) -> Array:
        """The sum of u: right and wrong predictions by bin, and reviews by the bin of the lowest confidence."""
        self._flush()
        return self._totals

    @property
    def products(self) -> Array:
        """The sum of u·uᵀ."""
        self._flush()
        return self._products


@dataclass(frozen=True)
class Moments:
    """The sums of the strata of a model, weighted.

    Attributes:
        totals: See `ConfidenceCounts.totals`; each review counts with its weight.
        products: See `ConfidenceCounts.products`; each review counts with the square of its weight.
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
        return self.totals[_RIGHT]

    @property
    def wrong(self) -> Array:
        """The wrong predictions by bin."""
        return self.totals[_WRONG]

    @property
    def lowest(self) -> Array:
        """The documents by the bin of their lowest confidence."""
        return self.totals[_LOWEST]

    def variance(self, functions: Array) -> Array:
        """Returns the variance of the sums of linear functions of u, one function a row, if their mean is 0."""
        correction = self.reviews / (self.reviews - 1) if self.reviews > 1 else 1.0
        spread: Array = np.einsum("ij,ij->i", functions @ self.products, functions)
        return np.maximum(spread * correction, 0.0)

    def shares(self, hits: Array, cases: Array) -> list[Estimate]:
        """Returns the estimates of shares. `hits` and `cases` have a linear function of u in each row."""
        y, x = hits @ self.totals, cases @ self.totals
        known = x > 1e-9
        ratio = np.divide(y, x, out=np.full_like(y, np.nan), where=known)
        residuals = hits - np.nan_to_num(ratio)[:, None] * cases
        variances = self.variance(residuals)
        counts = np.einsum("ij,ij->i", cases @ self.products, cases)
        return [
            UNKNOWN
            if not known[row]
            else Estimate(
                float(ratio[row]),
                *effective_interval(
                    float(ratio[row]),
                    variance=float(variances[row] / x[row] ** 2),
                    cases=float(x[row]),
                    squares=float(counts[row]),
                    clusters=self.reviews,
                    heaviest=self.heaviest,
                ),
            )
            for row in range(len(y))
        ]


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
    counted = [counts for counts in strata.values() if counts.reviews]
    if not counted:
        return None
    weighted = [
        (counts, 1.0 if weights is None else weights[stratum])
        for stratum, counts in strata.items()
        if counts.reviews and (weights is None or stratum in weights)
    ]
    moments = Moments(
        totals=sum((weight * counts.totals for counts, weight in weighted), np.zeros(3 * BINS)),
        products=sum(
            (weight * weight * counts.products for counts, weight in weighted), np.zeros((3 * BINS, 3 * BINS))
        ),
        reviews=sum(counts.reviews for counts, _ in weighted),
        heaviest=max((weight for _, weight in weighted), default=1.0),
    )
    bands = _bands(counted, weighted, moments)
    gap = sum((counts.gap.weighted(weight) for counts, weight in weighted), ClusterSums())
    brier = sum((counts.brier.weighted(weight) for counts, weight in weighted), ClusterSums())
    return ConfidenceFigures(
        of_all=weights is not None,
        predictions=sum(band.checked.n for band in bands),
        bands=bands,
        calibration_error=_calibration_error(bands, moments),
        mean_confidence=sum(weight * sum(counts.confidence) for counts, weight in weighted) / gap.x
        if gap.x
        else math.nan,
        overconfidence=_mean(gap, -1, 1),
        brier=_mean(brier, 0, 1),
        auroc=_auroc(moments),
        thresholds=_thresholds(moments),
        highest_checked=math.nan,
        costs=None if costs is None else cost_curve(moments, costs),
    )


def _bands(
    counted: Sequence[ConfidenceCounts], weighted: Sequence[tuple[ConfidenceCounts, float]], moments: Moments
) -> list[ConfidenceBand]:
    edges = [0, *(bisect_right(THRESHOLDS, edge) - 1 for edge in BAND_EDGES), BINS]
    right, all_ = np.zeros((len(edges) - 1, 3 * BINS)), np.zeros((len(edges) - 1, 3 * BINS))
    for band, (first, until) in enumerate(itertools.pairwise(edges)):
        right[band, first:until] = all_[band, first:until] = 1
        all_[band, BINS + first : BINS + until] = 1
    checked = sum(counts.totals for counts in counted)
    products = sum(counts.products for counts in counted)
    kept = moments.shares(right, all_)
    found = []
    for band in range(len(right)):
        sums = ClusterSums(
            clusters=sum(counts.reviews for counts in counted),
            y=float(right[band] @ checked),
            x=float(all_[band] @ checked),
            yy=float(right[band] @ products @ right[band]),
            xy=float(right[band] @ products @ all_[band]),
            xx=float(all_[band] @ products @ all_[band]),
        )
        confidence = sum(weight * counts.confidence[band] for counts, weight in weighted)
        size = float(all_[band] @ moments.totals)
        found.append(
            ConfidenceBand(
                low=(0.0, *BAND_EDGES)[band],
                high=(*BAND_EDGES, 1.0)[band],
                mean_confidence=confidence / size if size else math.nan,
                checked=Share(round(sums.y), round(sums.x), sums.effective_n if sums.x else 0.0),
                kept=kept[band],
            )
        )
    return found


def _calibration_error(bands: Sequence[ConfidenceBand], moments: Moments) -> float:
    both = moments.right + moments.wrong
    total = float(both.sum())
    edges = [0, *(bisect_right(THRESHOLDS, edge) - 1 for edge in BAND_EDGES), BINS]
    error = 0.0
    for band, first, until in zip(bands, edges, edges[1:], strict=False):
        if band.kept.known:
            error += abs(band.mean_confidence - band.kept.value) * float(both[first:until].sum()) / total
    return error


def _mean(sums: ClusterSums, low: float, high: float) -> Estimate:
    """Returns a mean with a t interval."""
    if sums.clusters < 2:
        return Estimate(sums.ratio, low, high) if sums.x else UNKNOWN
    reach = student_quantile(0.975, sums.clusters - 1) * sums.standard_error
    return Estimate(sums.ratio, max(low, sums.ratio - reach), min(high, sums.ratio + reach))


def _auroc(moments: Moments) -> Estimate:
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
    influence = np.zeros((1, 3 * BINS))
    influence[0, _RIGHT] = (wrong_below - area) / all_right
    influence[0, _WRONG] = (right_above - area) / all_wrong
    error = math.sqrt(float(moments.variance(influence)[0]))
    if not 0 < area < 1 or error == 0:
        smaller = min(all_right, all_wrong) / moments.heaviest
        return Estimate(
            area, *effective_interval(area, variance=0, cases=smaller, squares=smaller, clusters=2)
        )
    logit = math.log(area / (1 - area))
    reach = student_quantile(0.975, max(1, moments.reviews - 1)) * error / (area * (1 - area))
    return Estimate(area, *(1 / (1 + math.exp(-(logit + side * reach))) for side in (-1, 1)))


def _thresholds(moments: Moments) -> list[ThresholdFigures]:
    # In row t: 1 for each bin below threshold t.
    below = np.tri(BINS, k=-1)
    none = np.zeros_like(below)
    everything = np.ones_like(below)
    reviews = moments.shares(np.hstack((none, none, below)), np.hstack((none, none, everything)))
    missed = moments.shares(np.hstack((none, 1 - below, none)), np.hstack((none, everything, none)))
    of_passed = moments.shares(np.hstack((none, 1 - below, none)), np.hstack((1 - below, 1 - below, none)))
    needed = below @ moments.lowest
    caught, right_below = below @ moments.wrong, below @ moments.right
    all_wrong, all_right = moments.wrong.sum(), moments.right.sum()
    return [
        ThresholdFigures(
            threshold=threshold,
            reviews=reviews[row],
            errors_missed=missed[row],
            error_rate_of_passed=of_passed[row],
            reviews_needed=float(needed[row]),
            checked=float(caught[row] + right_below[row]),
            caught=float(caught[row]),
            passed=float(all_wrong + all_right - caught[row] - right_below[row]),
            let_through=float(all_wrong - caught[row]),
        )
        for row, threshold in enumerate(THRESHOLDS)
    ]
