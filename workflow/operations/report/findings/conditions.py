"""Which activation conditions send documents to people for nothing."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.figures import ConditionFigures, Figures
from workflow.operations.report.findings.claims import MAX_FALSE, Claim, Finding
from workflow.operations.report.selection import sampling_rate

__all__ = ["catches_nothing", "conditions"]

NEGLIGIBLE_SHARE = 0.05
"""A condition catches almost nothing if the upper bound of its share of reviews with a correction is below this."""


def catches_nothing(condition: ConditionFigures, figures: Figures) -> bool:
    """Returns whether almost no review that the condition sent to people has a correction.

    A random sample is no condition in this sense: if it has no corrections, it shows that the model is good.
    """
    share = condition.overruled_reviews
    if share.small or sampling_rate(condition.condition) is not None:
        return False
    return share.bounds(MAX_FALSE / figures.conditions_with_enough_reviews)[1] < NEGLIGIBLE_SHARE


def conditions(figures: Figures) -> list[Finding]:
    """Returns the conditions that catch almost nothing."""
    idle = [condition for condition in figures.conditions if catches_nothing(condition, figures)]
    if not idle:
        return []
    name = words.shortened(words.legible(idle[0].condition), 70)
    reviews = sum(condition.reviews for condition in idle)
    if len(idle) == 1:
        point = f"The activation condition “{name}” caught almost nothing."
    else:
        point = f"{len(idle)} activation conditions, including “{name}”, caught almost nothing."
    caught = sum(condition.overruled_reviews.hits for condition in idle)
    return [
        Finding(
            Claim.IDLE_CONDITIONS,
            point,
            f"Of {words.count(reviews, 'review')} that {'it' if len(idle) == 1 else 'they'} sent to people, "
            f"{words.count(caught) if caught else 'none'} had a correction. Consider removing "
            f"{'it' if len(idle) == 1 else 'them'}.",
        )
    ]
