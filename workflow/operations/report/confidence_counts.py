"""Counts predictions by confidence.

All figures about confidence come from two sums over reviews: of u, which has the number of right and wrong predictions
of a review in each hundredth of confidence, and of the products u·uᵀ. So one pass over the reviews is enough, and
memory is bounded.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow.operations.report.estimation import ClusterSums

__all__ = [
    "BAND_BINS",
    "BAND_EDGES",
    "BINS",
    "LOWEST",
    "RIGHT",
    "THRESHOLDS",
    "WIDTH",
    "WRONG",
    "Array",
    "ConfidenceCounts",
    "ConfidenceSums",
]

THRESHOLDS: tuple[float, ...] = tuple(step / 100 for step in range(0, 101))
"""The confidence thresholds in the report: each hundredth from 0 to 1."""

BAND_EDGES: tuple[float, ...] = tuple(step / 10 for step in range(1, 10))
"""The edges between the ten confidence bands. A confidence on an edge belongs to the band above."""

BINS = len(THRESHOLDS)
"""Each bin is from one threshold up to but not including the next one. The last one has only the confidence 1."""

Array = npt.NDArray[np.float64]

WIDTH = 3 * BINS
_MANY = 64
"""A review with more predictions is counted at once: it has too many pairs."""
_BATCH = 200_000
"""Other reviews are counted when they have so many pairs together."""
BAND_BINS = (0, *(bisect_right(THRESHOLDS, edge) - 1 for edge in BAND_EDGES), BINS)
RIGHT, WRONG, LOWEST = (slice(part * BINS, (part + 1) * BINS) for part in range(3))


@dataclass(frozen=True)
class ConfidenceSums:
    """The sums over reviews that were chosen in the same way.

    Attributes:
        reviews: The reviews with a confidence.
        gap: The sums of confidence minus 1 (kept) or 0.
        brier: The sums of the squares of that.
        confidence: The sum of the confidences, by band.
        totals: The sum of u: right and wrong predictions by bin, and reviews by the bin of the lowest confidence.
        products: The sum of u·uᵀ.
    """

    reviews: int
    gap: ClusterSums
    brier: ClusterSums
    confidence: Sequence[float]
    totals: Array
    products: Array


class ConfidenceCounts:
    """Counts the predictions of the reviews of one model that were chosen in the same way.

    Memory is bounded: a batch of reviews, and 750 KB for the products after the first batch.
    """

    def __init__(self) -> None:
        self.reviews = 0
        self._gap = ClusterSums()
        self._brier = ClusterSums()
        self._confidence = [0.0] * (len(BAND_EDGES) + 1)
        self._sums: tuple[Array, Array] | None = None
        # The places in u that are not zero, by their number in a review.
        self._places: dict[int, array[int]] = {}
        self._pairs = 0

    def add(self, predictions: Sequence[tuple[float, bool]]) -> None:
        """Counts the judged predictions of a review: the confidence of each, and whether it is wrong."""
        if not predictions:
            return
        places = array("i")
        lowest = BINS
        gap = brier = 0.0
        for confidence, wrong in predictions:
            place = bisect_right(THRESHOLDS, confidence) - 1
            if place < lowest:
                lowest = place
            places.append(place + BINS * wrong)
            distance = confidence - (not wrong)
            gap += distance
            brier += distance * distance
            self._confidence[bisect_right(BAND_EDGES, confidence)] += confidence
        places.append(2 * BINS + lowest)
        self._gap.add(gap, len(predictions))
        self._brier.add(brier, len(predictions))
        self.reviews += 1
        if len(places) > _MANY:
            self._add_at_once(places)
            return
        self._places.setdefault(len(places), array("i")).extend(places)
        self._pairs += len(places) ** 2
        if self._pairs > _BATCH:
            self._sums = self._summed()
            self._places, self._pairs = {}, 0

    def _add_at_once(self, places: array[int]) -> None:
        found, numbers = np.unique(np.frombuffer(places, dtype=np.intc), return_counts=True)
        totals, products = self._sums or (np.zeros(WIDTH), np.zeros((WIDTH, WIDTH)))
        totals[found] += numbers
        products[np.ix_(found, found)] += np.outer(numbers, numbers)
        self._sums = totals, products

    def _summed(self) -> tuple[Array, Array]:
        """Returns the totals and the products, with those of the batch."""
        totals, products = np.zeros(WIDTH), np.zeros((WIDTH, WIDTH))
        if self._sums is not None:
            totals, products = (part.copy() for part in self._sums)
        if self._pairs:
            pairs = []
            for number, places in self._places.items():
                rows = np.frombuffer(places, dtype=np.intc).reshape(-1, number)
                totals += np.bincount(rows.ravel(), minlength=WIDTH)
                pairs.append((rows[:, :, None] * WIDTH + rows[:, None, :]).ravel())
            counted = np.bincount(np.concatenate(pairs), minlength=WIDTH**2)
            products += counted.reshape(WIDTH, WIDTH)
        return totals, products

    def sums(self) -> ConfidenceSums:
        """Returns the sums of the reviews so far. They are not kept, since a report can have many models."""
        return ConfidenceSums(self.reviews, self._gap, self._brier, self._confidence, *self._summed())
