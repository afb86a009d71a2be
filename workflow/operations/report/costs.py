"""What a confidence threshold costs: reviews below it, and errors that pass above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from workflow.operations.report.estimation import normal_quantile, student_quantile
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
    A threshold counts as cheaper than reviewing nothing or everything only if it holds for the lowest of all
    thresholds together (Bonferroni): the lowest of a hundred costs is low by chance, too.
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
    reach = student_quantile(0.975, max(1, moments.reviews - 1))
    thresholds = [step / 100 for step in range(bins)] + [EVERYTHING]
    points = [
        CostPoint(threshold, _within(mean, reach * error))
        for threshold, mean, error in zip(thresholds, means, errors, strict=True)
    ]
    possible = np.flatnonzero(more <= reach * spread)
    strict = normal_quantile(1 - 0.025 / bins)
    end = 0 if means[0] <= means[-1] else bins
    return CostCurve(
        costs=costs,
        points=points,
        cheapest=points[best],
        range=(thresholds[possible[0]], thresholds[possible[-1]]),
        verdict=_verdict(*(bool(more[place] > strict * spread[place]) for place in (0, bins))),
        saving=_within(more[end], reach * spread[end]),
    )


def _within(cost: float, reach: float) -> Estimate:
    return Estimate(float(cost), max(0.0, float(cost - reach)), float(cost + reach))


def _verdict(
    beats_nothing: bool, beats_everything: bool
) -> Literal["threshold", "nothing", "everything", "undecided"]:
    if beats_nothing and beats_everything:
        return "threshold"
    if beats_everything:
        return "nothing"
    return "everything" if beats_nothing else "undecided"
