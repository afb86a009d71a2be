"""Which confidence threshold costs least, if the prices of a review and of an error are known."""

from __future__ import annotations

from collections.abc import Sequence

from workflow.operations.report import words
from workflow.operations.report.costs import EVERYTHING
from workflow.operations.report.figures import ConfidenceFigures, CostCurve, Figures, ModelFigures
from workflow.operations.report.findings.claims import (
    Claim,
    Finding,
    comparable,
    joined,
    names_of,
    with_names,
)

__all__ = ["costs"]


_Priced = tuple[ModelFigures, ConfidenceFigures, CostCurve]

_CLAIMS: dict[str, Claim] = {
    "threshold": Claim.CHEAPEST_THRESHOLD,
    "nothing": Claim.REVIEW_NOTHING,
    "everything": Claim.REVIEW_EVERYTHING,
    "undecided": Claim.COST_UNDECIDED,
}


def costs(figures: Figures) -> list[Finding]:
    """Returns the cheapest threshold of each model, or that none is shown to be worth it."""
    priced: list[_Priced] = [
        (model, model.confidence, model.confidence.costs)
        for model in comparable(figures)
        if model.confidence is not None and model.confidence.costs is not None and not model.overruled.small
    ]
    found = []
    for verdict, claim in _CLAIMS.items():
        chosen = [one for one in priced if one[2].verdict == verdict]
        if chosen:
            found.append(_finding(claim, chosen, figures))
    return found


def _finding(claim: Claim, priced: Sequence[_Priced], figures: Figures) -> Finding:
    models = [model for model, _, _ in priced]
    of = names_of(models, figures, " for ")
    if claim is Claim.CHEAPEST_THRESHOLD:
        numbers = [_threshold(curve.cheapest.threshold) for _, _, curve in priced]
        point = f"A confidence threshold of {with_names(numbers, models, figures)} costs least."
    elif claim is Claim.COST_UNDECIDED:
        point = f"These reviews do not show which threshold costs least{of}."
    else:
        what = "nothing" if claim is Claim.REVIEW_NOTHING else "everything"
        point = f"No threshold is shown to cost less than reviewing {what}{of}."
    because = joined([_prices(about, curve) for _, about, curve in priced], models, figures)
    if not all(about.of_all for _, about, _ in priced):
        because += " What documents cost that nobody checked is unknown."
    return Finding(claim, point, because)


def _prices(about: ConfidenceFigures, curve: CostCurve) -> str:
    nothing, everything = curve.points[0].cost.value, curve.points[-1].cost.value
    text = (
        f"per document{'' if about.of_all else ' that people checked'}, {_amount(curve.cheapest.cost.value)} at "
        f"{_threshold(curve.cheapest.threshold)}, {_amount(everything)} if all are reviewed, and {_amount(nothing)} if "
        "none is"
    )
    if curve.verdict in ("nothing", "everything"):
        most = min(curve.saving.high, nothing, everything)
        return f"{text}; another threshold would save at most {_amount(most)}"
    low, high = curve.range
    if curve.verdict == "threshold" and low < high:
        return f"{text}; thresholds from {_threshold(low)} to {_threshold(high)} can be as cheap"
    return text


def _threshold(threshold: float) -> str:
    return "more than 100%" if threshold >= EVERYTHING else words.percent(threshold, 0)


def _amount(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.1 or amount == 0 else f"{amount:.2g}"
