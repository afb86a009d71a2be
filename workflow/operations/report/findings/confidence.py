"""What a model's confidence is worth."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.figures import ConfidenceBand, ConfidenceFigures, Figures, ModelFigures
from workflow.operations.report.findings.claims import (
    MAX_FALSE,
    Claim,
    Finding,
    comparable,
    joined,
    names_of,
)

__all__ = ["confidence"]

NOTICEABLE = 0.02
"""A smaller distance between confidence and reality is not worth a finding."""

RELIABLE_WITHIN = 0.03
"""The confidence is reliable if the whole interval of the mean distance is at most so large."""

MAX_ERROR = 0.05
"""The confidence is not reliable if the mean distance over the bands is larger."""

BAD_RANKING = 0.6
"""A confidence that ranks a kept prediction above an overruled one less often than this hardly separates them."""

_Known = tuple[ModelFigures, ConfidenceFigures]


def confidence(figures: Figures) -> list[Finding]:
    """Returns which models are overconfident, underconfident or reliable, and which confidence does not rank."""
    known: list[_Known] = [
        (model, model.confidence)
        for model in comparable(figures)
        if model.confidence is not None and not model.overruled.small
    ]
    if not known:
        return []
    alpha = MAX_FALSE / len(known)
    by_claim: dict[Claim, list[_Known]] = {}
    for model, about in known:
        claim = _calibration(about, alpha)
        if claim is not None:
            by_claim.setdefault(claim, []).append((model, about))
        if about.auroc.known and about.auroc.bounds(alpha)[1] < BAD_RANKING:
            by_claim.setdefault(Claim.RANKS_BADLY, []).append((model, about))
    return [
        _finding(claim, by_claim[claim], figures)
        for claim in (
            Claim.OVERCONFIDENT,
            Claim.UNDERCONFIDENT,
            Claim.UNEVEN,
            Claim.RELIABLE,
            Claim.RANKS_BADLY,
        )
        if claim in by_claim
    ]


def _calibration(about: ConfidenceFigures, alpha: float) -> Claim | None:
    gap = about.overconfidence
    low, high = gap.bounds(alpha)
    if low > 0 and gap.value >= NOTICEABLE:
        return Claim.OVERCONFIDENT
    if high < 0 and gap.value <= -NOTICEABLE:
        return Claim.UNDERCONFIDENT
    too_high, too_low = _uneven(about, alpha)
    if too_high and too_low:
        return Claim.UNEVEN
    within = low > -RELIABLE_WITHIN and high < RELIABLE_WITHIN
    if within and about.calibration_error < MAX_ERROR and not too_high and not too_low:
        return Claim.RELIABLE
    return None


def _uneven(about: ConfidenceFigures, alpha: float) -> tuple[list[ConfidenceBand], list[ConfidenceBand]]:
    """Returns the bands whose confidence is too high, and those where it is too low."""
    known = [band for band in about.bands if band.checked.n and not band.checked.small]
    too_high = []
    too_low = []
    for band in known:
        low, high = band.kept.bounds(alpha / len(known))
        if high < band.mean_confidence - NOTICEABLE:
            too_high.append(band)
        elif low > band.mean_confidence + NOTICEABLE:
            too_low.append(band)
    return too_high, too_low


def _finding(claim: Claim, known: list[_Known], figures: Figures) -> Finding:
    models = [model for model, _ in known]
    several = len(models) > 1
    of = names_of(models, figures)
    are = "are" if several else "is"
    numbers = [_agreement(about) for _, about in known]
    more = ""
    if claim is Claim.OVERCONFIDENT:
        point = f"The {'models' if several else 'model'}{of} {are} overconfident."
        more = " Choose thresholds higher than the confidence suggests."
    elif claim is Claim.UNDERCONFIDENT:
        point = f"The {'models' if several else 'model'}{of} {are} underconfident."
        more = " Thresholds can be lower than the confidence suggests."
    elif claim is Claim.RELIABLE:
        point = f"The confidence{of} is reliable." if of else "The model's confidence is reliable."
    elif claim is Claim.UNEVEN:
        point = (
            f"The confidence{of or ' of the model'} is too high for some predictions and too low for others."
        )
        numbers = [_extremes(about) for _, about in known]
    else:
        point = f"The confidence{of} hardly separates right from wrong predictions."
        numbers = [
            "of a kept and an overruled prediction, the kept one has the higher confidence in "
            f"{words.percent(about.auroc.value, 0)} of cases"
            for _, about in known
        ]
        more = " Chance alone gives 50%, so a threshold on this confidence helps little."
    return Finding(claim, point, joined(numbers, models, figures) + more)


def _agreement(about: ConfidenceFigures) -> str:
    kept = about.mean_confidence - about.overconfidence.value
    return (
        f"the mean confidence is {words.percent(about.mean_confidence, 0)}, and people agree "
        f"{words.percent(kept, 0)} of the time"
    )


def _extremes(about: ConfidenceFigures) -> str:
    known = [band for band in about.bands if band.checked.n and not band.checked.small]
    ends = (
        max(known, key=lambda band: band.mean_confidence - band.kept.value),
        min(known, key=lambda band: band.mean_confidence - band.kept.value),
    )
    return " and ".join(
        f"at {words.percent(band.mean_confidence, 0)} confidence, people agree {words.percent(band.kept.value, 0)} "
        "of the time"
        for band in ends
    )
