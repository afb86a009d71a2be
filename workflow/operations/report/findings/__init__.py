"""The headline and the key findings of a report, in sentences.

Each kind of finding has a name (`Claim`), so that a test can hold it to two worlds: one in which it must be said, and
one in which it must not. A finding says no more than the data support: the whole interval has to be on the side of the
claim. For what could be chance, that is the 99% interval, and if a claim is the strongest of many (fields, conditions,
models), it is the interval of all of them together (Bonferroni). There are no findings about fewer than SMALL_SAMPLE
cases.
"""

from __future__ import annotations

from workflow.operations.report.figures import Figures
from workflow.operations.report.findings.agreement import agreement
from workflow.operations.report.findings.claims import Claim, Finding, field_label, listed, model_label
from workflow.operations.report.findings.conditions import catches_nothing, conditions
from workflow.operations.report.findings.confidence import confidence
from workflow.operations.report.findings.costs import costs
from workflow.operations.report.findings.fields import fields
from workflow.operations.report.findings.headline import Headline, headline
from workflow.operations.report.findings.loops import loops
from workflow.operations.report.findings.thresholds import MAX_MISSED, sufficient_threshold, thresholds
from workflow.operations.report.findings.trend import trend
from workflow.operations.report.findings.versions import versions
from workflow.operations.report.loop_facts import LoopFacts

__all__ = [
    "MAX_MISSED",
    "Claim",
    "Finding",
    "Headline",
    "catches_nothing",
    "field_label",
    "findings",
    "headline",
    "listed",
    "model_label",
    "sufficient_threshold",
]


def findings(figures: Figures, facts: LoopFacts | None) -> list[Finding]:
    """Returns the findings in the figures, most important first."""
    return [
        *trend(figures),
        *versions(figures),
        *fields(figures),
        *confidence(figures),
        *thresholds(figures),
        *costs(figures),
        *conditions(figures),
        *agreement(figures),
        *loops(facts),
    ]
