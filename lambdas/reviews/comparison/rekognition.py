"""Rekognition moderation: sets of labels, with their parents.

A label is said with its parents: who says "Weapons", whose parent is "Violence", says "Violence", too, though
workers' answers do not always spell that out. People are asked about the selected labels; one that they give
though it was not selected, but that the model had seen, counts as predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.reviews.comparison.rows import Row, Scored, percent
from lambdas.reviews.comparison.values import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdas.reviews.output import ModerationLabel, Output, Prediction

# Rekognition's taxonomy has three levels.
DEEPEST = 8


def rows(output: Output) -> list[Row]:
    """Returns a row for each label that was predicted, or that somebody gave: "Parent/Label"."""
    answers = [answer.moderation_labels for answer in output.human_answers]
    if all(labels is None for labels in answers):
        return []  # the workers' page did not ask for labels
    everything = _labels(output.ai_service_response)
    selected = output.selected_ai_service_response
    shown = _labels(selected or output.ai_service_response)
    parents = _parents(label for labels in answers for label in labels or ()) | _parents(
        [*everything, *shown]
    )
    said = [_with_parents((label.name for label in labels or ()), parents) for labels in answers]
    predicted = _with_parents((label.name for label in shown), parents)
    given = set().union(*said)
    predicted |= given & _with_parents((label.name for label in everything), parents)

    confidence = {label.name: percent(label.confidence) for label in (*everything, *shown)}
    return [
        Row(
            name="/".join(_lineage(name, parents)),
            kind="labels",
            predicted=Scored(normalised(name), confidence.get(name)) if name in predicted else None,
            said=[normalised(name) if name in names else None for names in said],
        )
        for name in sorted(predicted | given)
    ]


def _labels(prediction: Prediction | None) -> tuple[ModerationLabel, ...]:
    return (prediction.moderation_labels if prediction else None) or ()


def _parents(labels: Iterable[ModerationLabel]) -> dict[str, str]:
    return dict(sorted({(label.name, label.parent_name) for label in labels if label.parent_name}))


def _with_parents(names: Iterable[str], parents: dict[str, str]) -> set[str]:
    return {ancestor for name in names for ancestor in _lineage(name, parents)}


def _lineage(name: str, parents: dict[str, str]) -> list[str]:
    """Returns the label with its parents, the topmost first."""
    lineage = [name]
    while (parent := parents.get(lineage[0])) and parent not in lineage and len(lineage) < DEEPEST:
        lineage.insert(0, parent)
    return lineage
