"""Which field is overruled more than the others."""

from __future__ import annotations

import math

from workflow.operations.report import words
from workflow.operations.report.figures import OTHER_FIELDS, FieldFigures, Figures, Share
from workflow.operations.report.findings.claims import MAX_FALSE, Claim, Finding, listed

__all__ = ["fields", "lowest_difference"]


def fields(figures: Figures) -> list[Finding]:
    """Returns the fields that are overruled more than the other fields of their flow definition.

    With many fields, the highest rate is high by chance, so the interval of each difference is that of all fields
    together (Bonferroni). The bounds of the difference are those of R. G. Newcombe (1998, Statistics in Medicine 17,
    873-890, method 10), from the intervals of both rates.
    """
    of_flow = {flow.flow_definition: flow.overruled for flow in figures.flow_definitions}
    tested = [
        field
        for field in figures.fields
        if not field.overruled.small
        and field.field.name != OTHER_FIELDS
        and of_flow[field.field.flow_definition].n > field.overruled.n
    ]
    if not tested:
        return []
    alpha = MAX_FALSE / len(tested)
    found = [
        (field, others)
        for field in tested
        for others in [_others(of_flow[field.field.flow_definition], field.overruled)]
        if lowest_difference(field.overruled, others, alpha) > 0
    ]
    if not found:
        return []
    found.sort(key=lambda pair: pair[0].overruled.value - pair[1].value, reverse=True)
    worst, others = found[0]

    def name(field: FieldFigures) -> str:
        quoted = f"“{words.shortened(words.legible(field.field.name), 60)}”"
        return quoted if len(figures.flow_definitions) == 1 else f"{quoted} ({field.field.flow_definition})"

    because = (
        f"{words.percent(worst.overruled.value)} of its {words.count(worst.overruled.n)} predictions, and "
        f"{words.percent(others.value)} of those of the other fields. It has "
        f"{words.percent(worst.overruled.hits / figures.overruled.hits, 0)} of all corrections."
    )
    if len(found) > 1:
        because += f" The same holds for {listed([name(field) for field, _ in found[1:]])}."
    return [
        Finding(
            Claim.FIELD_STANDS_OUT,
            f"People overrule {name(worst)} more often than the other fields.",
            because,
        )
    ]


def _others(whole: Share, field: Share) -> Share:
    n = whole.n - field.n
    # As dependent as the whole.
    return Share(whole.hits - field.hits, n, n * whole.size / whole.n)


def lowest_difference(one: Share, other: Share, alpha: float) -> float:
    """Returns the lower bound of the difference of two independent shares."""
    (low, _), (_, high) = one.bounds(alpha), other.bounds(alpha)
    return one.value - other.value - math.hypot(one.value - low, high - other.value)
