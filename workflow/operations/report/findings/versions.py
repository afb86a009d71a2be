"""Whether a flow definition has a new version of its model."""

from __future__ import annotations

from workflow.operations.report import words
from workflow.operations.report.figures import Figures, ModelFigures
from workflow.operations.report.findings.claims import Claim, Finding, comparable

__all__ = ["versions"]


def versions(figures: Figures) -> list[Finding]:
    """Returns the flow definitions with a new version of their model. There is no trend over two versions."""
    by_flow: dict[str, list[ModelFigures]] = {}
    for model in comparable(figures):
        if model.model.version is not None and not model.overruled.small:
            by_flow.setdefault(model.model.flow_definition, []).append(model)
    found = []
    for flow, models in by_flow.items():
        models.sort(key=lambda model: (model.first, model.last))
        if len(models) < 2:
            continue
        old, new = models[-2:]
        # Two versions at the same time are not one after the other: neither has to be new.
        if old.last > new.first or old.first == new.first:
            continue
        found.append(
            Finding(
                Claim.NEW_VERSION,
                f"The model of “{_short(flow)}” has a new version since {words.day(new.first)}: "
                f"{_short(str(new.model.version))}.",
                f"People overrule {words.percent(new.overruled.value)} of its predictions "
                f"({words.interval(new.overruled)}), and {words.percent(old.overruled.value)} of those of "
                f"{_short(str(old.model.version))} ({words.interval(old.overruled)}). The documents may differ, too.",
            )
        )
    return found


def _short(name: str) -> str:
    return words.shortened(words.legible(name), 60)
