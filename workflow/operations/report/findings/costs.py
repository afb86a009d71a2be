"""Which confidence threshold costs least, if the prices of a review and of an error are known."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.costs import EVERYTHING
from workflow.operations.report.figures import ConfidenceFigures, CostCurve, Figures, ModelFigures
from workflow.operations.report.findings.claims import Claim, Finding, comparable, names_of

__all__ = ["costs"]


def costs(figures: Figures) -> list[Finding]:
    """Returns the cheapest threshold of each model, or that none is shown to be worth it."""
    return [
        _finding(model, model.confidence, model.confidence.costs, figures)
        for model in comparable(figures)
        if model.confidence is not None and model.confidence.costs is not None and not model.overruled.small
    ]


def _finding(model: ModelFigures, about: ConfidenceFigures, curve: CostCurve, figures: Figures) -> Finding:
    of = names_of([model], figures, " for ")
    nothing, everything = curve.points[0].cost, curve.points[-1].cost
    end = min(nothing.value, everything.value)
    prices = (
        f"Per document{'' if about.of_all else ' that people checked'}: {_amount(curve.cheapest.cost.value)} at "
        f"{_threshold(curve.cheapest.threshold)}, {_amount(everything.value)} if all are reviewed, "
        f"{_amount(nothing.value)} if none is."
    )
    limits = "" if about.of_all else " What a higher threshold than today's would cost is unknown."
    if curve.verdict == "threshold":
        low, high = curve.range
        between = (
            ""
            if low == high
            else f" Thresholds between {_threshold(low)} and {_threshold(high)} can be as cheap."
        )
        return Finding(
            Claim.CHEAPEST_THRESHOLD,
            f"A confidence threshold of {_threshold(curve.cheapest.threshold)} costs least{of}.",
            prices + between + limits,
        )
    most = f"Another threshold would save at most {_amount(min(curve.saving.high, end))} per document."
    if curve.verdict == "nothing":
        return Finding(
            Claim.REVIEW_NOTHING,
            f"No threshold is shown to cost less than reviewing nothing{of}.",
            f"{prices} {most}{limits}",
        )
    if curve.verdict == "everything":
        return Finding(
            Claim.REVIEW_EVERYTHING,
            f"No threshold is shown to cost less than reviewing {'everything' if about.of_all else 'as today'}{of}.",
            f"{prices} {most}{limits}",
        )
    return Finding(
        Claim.COST_UNDECIDED,
        f"These reviews do not show which threshold costs least{of}.",
        prices + limits,
    )


def _threshold(threshold: float) -> str:
    return "more than 100%" if threshold >= EVERYTHING else words.percent(threshold, 0)


def _amount(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.1 or amount == 0 else f"{amount:.2g}"
