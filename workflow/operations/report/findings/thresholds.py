"""Which confidence threshold is worth having."""

from __future__ import annotations

from collections.abc import Sequence

from workflow.operations.report import words
from workflow.operations.report.figures import (
    SMALL_SAMPLE,
    ConfidenceFigures,
    Figures,
    ModelFigures,
    ThresholdFigures,
)
from workflow.operations.report.findings.claims import (
    Claim,
    Finding,
    comparable,
    joined,
    names_of,
    with_names,
)

__all__ = ["MAX_MISSED", "sufficient_threshold", "thresholds"]

MAX_MISSED = 0.1
"""A threshold catches most errors if it misses at most this share of them, also at the upper bound."""

MIN_SAVED = 0.05
"""A threshold that saves a smaller share of the reviews is not worth a finding."""


def thresholds(figures: Figures) -> list[Finding]:
    """Returns the findings about thresholds, and about what nobody checked."""
    models = comparable(figures)
    enough = [
        (model, model.confidence, best)
        for model in models
        if model.confidence is not None and not model.overruled.small
        for best in [sufficient_threshold(model.confidence)]
        if best is not None and best.reviews.value <= 1 - MIN_SAVED
    ]
    return [
        *_rate_of_all([model for model in models if model.overruled_of_all.known], figures),
        *_for_all([(model, best) for model, about, best in enough if about.of_all], figures),
        *_to_lower([(model, best) for model, about, best in enough if not about.of_all], figures),
        *_unchecked([model for model in models if model.selection.kind == "conditions"], figures),
    ]


def sufficient_threshold(about: ConfidenceFigures) -> ThresholdFigures | None:
    """Returns the lowest threshold that misses at most MAX_MISSED of the errors; None for none."""
    # The first one: the share that is missed can only fall with the threshold.
    enough = (
        figure
        for figure in about.thresholds
        if figure.errors_missed.known and figure.errors_missed.high <= MAX_MISSED
    )
    return next(enough, None)


def _rate_of_all(models: Sequence[ModelFigures], figures: Figures) -> list[Finding]:
    if not models:
        return []
    rates = [f"about {words.percent(model.overruled_of_all.value)}" for model in models]
    because = [
        f"people checked a random sample of {words.percent(model.selection.rate)} of the documents that met no "
        f"condition, {words.count(model.selection.by_sampling)} of them; the share is between "
        f"{words.percent(model.overruled_of_all.low)} and {words.percent(model.overruled_of_all.high)} (95% interval)"
        for model in models
    ]
    return [
        Finding(
            Claim.RATE_OF_ALL,
            f"Of all predictions, also those that nobody checked, people would overrule "
            f"{with_names(rates, models, figures)}.",
            joined(because, models, figures),
        )
    ]


def _for_all(found: Sequence[tuple[ModelFigures, ThresholdFigures]], figures: Figures) -> list[Finding]:
    if not found:
        return []
    models = [model for model, _ in found]
    because = [
        f"it would send {words.percent(best.reviews.value, 0)} of all documents to people, and miss about "
        f"{words.percent(best.errors_missed.value)} of the errors ({words.percent(best.errors_missed.low)} to "
        f"{words.percent(best.errors_missed.high)})"
        for _, best in found
    ]
    return [
        Finding(
            Claim.THRESHOLD_FOR_ALL,
            f"A confidence threshold of {_thresholds(found, figures)} would catch at least 90% of all errors.",
            joined(because, models, figures),
        )
    ]


def _to_lower(found: Sequence[tuple[ModelFigures, ThresholdFigures]], figures: Figures) -> list[Finding]:
    if not found:
        return []
    models = [model for model, _ in found]
    because = [
        f"it would save {words.percent(1 - best.reviews.value, 0)} of them, and miss "
        f"{words.count(round(best.let_through), 'error')} of the {words.count(round(best.caught + best.let_through))} "
        f"that people corrected ({words.percent(best.errors_missed.value)})"
        for _, best in found
    ]
    return [
        Finding(
            Claim.THRESHOLD_TO_LOWER,
            f"A confidence threshold of {_thresholds(found, figures)} would save reviews and still catch at least 90% "
            "of the errors that people corrected.",
            joined(because, models, figures) + " Errors in predictions that nobody checked are not included.",
        )
    ]


def _thresholds(found: Sequence[tuple[ModelFigures, ThresholdFigures]], figures: Figures) -> str:
    numbers = [words.percent(best.threshold, 0) for _, best in found]
    return with_names(numbers, [model for model, _ in found], figures)


def _unchecked(models: Sequence[ModelFigures], figures: Figures) -> list[Finding]:
    models = [model for model in models if model.reviews >= SMALL_SAMPLE]
    if not models:
        return []
    sampled = [model for model in models if model.selection.by_sampling]
    advice = "To estimate the errors among the others, add a Sampling condition to the flow definition, such as 5%."
    if len(sampled) == len(models):
        advice = "The random samples have too few reviews so far to estimate the errors among the others."
    return [
        Finding(
            Claim.UNCHECKED,
            f"Errors in predictions{names_of(models, figures)} that nobody checked are unknown.",
            "Only predictions that met an activation condition went to people." + f" {advice}",
        )
    ]
