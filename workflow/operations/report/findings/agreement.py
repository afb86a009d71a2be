"""Whether people agree with each other."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.figures import Figures
from workflow.operations.report.findings.claims import Claim, Finding

__all__ = ["agreement"]

AGREE, MOSTLY_AGREE = 0.9, 0.75
"""The shares of identical answers from which people agree, or mostly agree."""


def agreement(figures: Figures) -> list[Finding]:
    """Returns whether people agree, if the whole interval supports one word for it."""
    unanimous = figures.agreement.unanimous
    if unanimous.small:
        return []
    low, high = unanimous.interval
    numbers = (
        f"In {words.count(figures.agreement.reviews, 'review')} with two or three answers, "
        f"{words.percent(unanimous.value)} of the fields have identical answers, and "
        f"{words.percent(figures.agreement.unresolved.value)} have no majority."
    )
    if low >= AGREE:
        return [Finding(Claim.PEOPLE_AGREE, "People agree with each other.", numbers)]
    if low >= MOSTLY_AGREE:
        return [Finding(Claim.PEOPLE_MOSTLY_AGREE, "People mostly agree with each other.", numbers)]
    if high < MOSTLY_AGREE:
        return [
            Finding(
                Claim.PEOPLE_DISAGREE,
                "People often disagree with each other.",
                numbers + " Clearer instructions may help more than a better model.",
            )
        ]
    return []
