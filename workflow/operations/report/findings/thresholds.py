"""Which confidence threshold is worth having."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.figures import (
    SMALL_SAMPLE,
    ConfidenceFigures,
    Figures,
    ModelFigures,
    ThresholdFigures,
)
from workflow.operations.report.findings.claims import Claim, Finding, comparable, names_of

__all__ = ["MAX_MISSED", "sufficient_threshold", "thresholds"]

MAX_MISSED = 0.1
"""A threshold catches most errors if it misses at most this share of them, also at the upper bound."""

MIN_SAVED = 0.05
"""A threshold that saves a smaller share of the reviews is not worth a finding."""


def thresholds(figures: Figures) -> list[Finding]:
    """Returns the findings about thresholds, and about what nobody checked."""
    found: list[Finding] = []
    for model in comparable(figures):
        found += _of_all(model, figures)
        found += _threshold(model, figures)
    unchecked = [
        model
        for model in comparable(figures)
        if model.selection.kind == "conditions" and model.reviews >= SMALL_SAMPLE
    ]
    if unchecked:
        found.append(
            Finding(
                Claim.UNCHECKED,
                f"Errors in predictions{names_of(unchecked, figures)} that nobody checked are unknown.",
                "Only predictions that met an activation condition went to people. To estimate the errors among the "
                "others, add a Sampling condition to the flow definition, for example of 5%.",
            )
        )
    return found


def sufficient_threshold(about: ConfidenceFigures) -> ThresholdFigures | None:
    """Returns the lowest threshold that misses at most MAX_MISSED of the errors; None for none."""
    # The first one: the share that is missed can only fall with the threshold.
    enough = (
        figure
        for figure in about.thresholds
        if figure.errors_missed.known and figure.errors_missed.high <= MAX_MISSED
    )
    return next(enough, None)


def _of_all(model: ModelFigures, figures: Figures) -> list[Finding]:
    rate = model.overruled_of_all
    if not rate.known or model.selection.by_sampling < SMALL_SAMPLE:
        return []
    return [
        Finding(
            Claim.RATE_OF_ALL,
            f"Of all predictions{names_of([model], figures)}, people would overrule about {words.percent(rate.value)}.",
            f"People checked a random sample of {words.percent(model.selection.rate)} of the documents that met no "
            f"condition, {words.count(model.selection.by_sampling)} of them. The share is between "
            f"{words.percent(rate.low)} and {words.percent(rate.high)} (95% interval).",
        )
    ]


def _threshold(model: ModelFigures, figures: Figures) -> list[Finding]:
    about = model.confidence
    if about is None or model.overruled.small:
        return []
    best = sufficient_threshold(about)
    if best is None or best.reviews.value > 1 - MIN_SAVED:
        return []
    at = f"A confidence threshold of {words.percent(best.threshold, 0)}{names_of([model], figures, ' for ')}"
    missed = words.percent(best.errors_missed.value)
    if about.of_all:
        return [
            Finding(
                Claim.THRESHOLD_FOR_ALL,
                f"{at} would catch at least 90% of all errors.",
                f"It would send {words.percent(best.reviews.value, 0)} of all documents to people, and miss about "
                f"{missed} of the errors ({words.percent(best.errors_missed.low)} to "
                f"{words.percent(best.errors_missed.high)}).",
            )
        ]
    saved = about.thresholds[-1]
    return [
        Finding(
            Claim.THRESHOLD_TO_LOWER,
            f"{at} would save {words.percent(1 - best.reviews.value, 0)} of these reviews.",
            f"It would miss {words.count(round(best.let_through), 'error')} of the "
            f"{words.count(round(saved.caught + saved.let_through))} that people corrected ({missed}). Errors in "
            "predictions that nobody checked are not included.",
        )
    ]
