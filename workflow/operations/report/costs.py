"""What a confidence threshold costs: reviews below it, and errors that pass above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from workflow.operations.report.estimation import student_quantile
from workflow.operations.report.figures import CostCurve, CostPoint, Costs, Estimate

if TYPE_CHECKING:
    from workflow.operations.report.confidence import Moments

__all__ = ["EVERYTHING", "cost_curve"]

EVERYTHING = 1.01
"""The threshold of a curve's last point: above every confidence, so that each document is reviewed."""


def cost_curve(moments: Moments, costs: Costs) -> CostCurve:
    """Returns what each threshold costs per document.

    A document is reviewed if one of its predictions has a confidence below the threshold. People then correct the
    predictions below it; errors at or above it pass.

    The differences between thresholds are taken within documents, so what all thresholds have in common cancels out.
    The cheapest of a hundred thresholds is cheap by chance, too. It rarely beats reviewing nothing and reviewing
    everything by chance, so 99% is enough for that.
    """
    bins = len(moments.lowest)
    # In row t: 1 for each bin below threshold t. The last row has all bins.
    below = np.tri(bins + 1, bins, k=-1)
    cost = np.hstack((np.zeros_like(below), costs.error * (1 - below), costs.review * below))
    document = np.zeros(3 * bins)
    document[2 * bins :] = 1
    documents = float(document @ moments.totals)
    means = cost @ moments.totals / documents
    best = int(np.argmin(means))
    # A sample without an error is no proof that there is none, so one more of the heaviest kind could have been drawn.
    unseen = (moments.heaviest * costs.error) ** 2
    errors = np.sqrt(moments.variance(cost - means[:, None] * document) + unseen) / documents
    # The difference from the cheapest, and its error.
    more = means - means[best]
    spread = np.sqrt(moments.variance(cost - cost[best] - more[:, None] * document) + unseen) / documents
    spread[best] = 0
    degrees = max(1, moments.reviews - 1)
    reach = student_quantile(0.975, degrees)
    thresholds = [step / 100 for step in range(bins)] + [EVERYTHING]
    points = [
        CostPoint(threshold, _within(mean, reach * error))
        for threshold, mean, error in zip(thresholds, means, errors, strict=True)
    ]
    possible = np.flatnonzero(more <= reach * spread)
    beaten, in_doubt = (
        [bool(more[place] > student_quantile(level, degrees) * spread[place]) for place in (0, bins)]
        for level in (0.995, 0.975)
    )
    end = 0 if means[0] <= means[-1] else bins
    return CostCurve(
        costs=costs,
        points=points,
        cheapest=points[best],
        range=(thresholds[possible[0]], thresholds[possible[-1]]),
        verdict=_verdict(beaten, in_doubt),
        saving=_within(more[end], reach * spread[end]),
    )


def _within(cost: float, reach: float) -> Estimate:
    return Estimate(float(cost), max(0.0, float(cost - reach)), float(cost + reach))


def _verdict(
    beaten: Sequence[bool], in_doubt: Sequence[bool]
) -> Literal["threshold", "nothing", "everything", "undecided"]:
    """Returns the verdict, given whether reviewing nothing and reviewing everything are beaten, or perhaps."""
    if all(beaten):
        return "threshold"
    if beaten[1] and not in_doubt[0]:
        return "nothing"
    if beaten[0] and not in_doubt[1]:
        return "everything"
    return "undecided"
