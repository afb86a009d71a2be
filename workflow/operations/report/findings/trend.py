"""Whether a model is overruled more, or less, than before."""

from __future__ import annotations

from collections.abc import Sequence

from workflow.operations.report import words
from workflow.operations.report.figures import Figures, ModelFigures, Trend
from workflow.operations.report.findings.claims import (
    MAX_FALSE,
    Claim,
    Finding,
    comparable,
    joined,
    names_of,
)

__all__ = ["trend"]

STABLE_WITHIN = 0.02
"""A rate is stable if the whole interval of its change is at most so large, or a fifth of the rate if that is more."""

MIN_COVERED = 0.5
"""The fields that are compared must have at least this share of the predictions."""


def trend(figures: Figures) -> list[Finding]:
    """Returns which models are overruled more than before, less than before, or as often."""
    compared = [
        (model, model.trend)
        for model in comparable(figures)
        if model.trend is not None and model.trend.covered >= MIN_COVERED
    ]
    rising: list[tuple[ModelFigures, Trend]] = []
    falling: list[tuple[ModelFigures, Trend]] = []
    stable: list[tuple[ModelFigures, Trend]] = []
    for model, change in compared:
        low, high = change.difference.bounds(MAX_FALSE / len(compared))
        limit = max(STABLE_WITHIN, change.early / 5)
        if low > 0:
            rising.append((model, change))
        elif high < 0:
            falling.append((model, change))
        elif -limit < change.difference.low and change.difference.high < limit:
            stable.append((model, change))
    return [
        _finding(claim, word, changes, figures)
        for claim, word, changes in (
            (Claim.RISING, "rising", rising),
            (Claim.FALLING, "falling", falling),
            (Claim.STABLE, "stable", stable),
        )
        if changes
    ]


def _finding(
    claim: Claim, word: str, changes: Sequence[tuple[ModelFigures, Trend]], figures: Figures
) -> Finding:
    models = [model for model, _ in changes]
    numbers = [
        f"{words.percent(change.early)} in the first third of the period, {words.percent(change.late)} in the last"
        for _, change in changes
    ]
    return Finding(
        claim,
        f"The overrule rate{names_of(models, figures)} is {word}.",
        joined(numbers, models, figures)
        + " Each field is compared with itself."
        + (" Look for what changed: documents, model or instructions." if claim is Claim.RISING else ""),
    )
