"""crowd-rekognition-detect-moderation-labels: sets of labels with their parents.

A label includes its parents: the answer "Weapons", whose parent is "Violence", also means "Violence", even if the
worker's answer does not list it. Workers review the selected labels. If they give a label that was not selected but
that the model had predicted, it counts as predicted.

An answer is a list of objects with a name, or a list of names if the page offers its categories as texts. A label that
cannot be read is left out. Then a label that this side lacks is not compared.

Reference:
    fields: One for each label that is predicted or given, with its parents: `Violence/Weapons`.
    same: The label, or a label under it, is both predicted and given.
    prediction: The selected part of Rekognition's response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.reviews.comparison.rows import Row, Scored, is_known, not_compared, percent
from lambdas.reviews.comparison.values import joined_name, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdas.reviews.output import Output
    from lambdas.reviews.service_parts import ModerationLabel, Prediction

MAX_LEVELS = 8
"""A limit in case parents form a circle. Rekognition's taxonomy has three levels."""


def rows(output: Output) -> list[Row]:
    """Returns a row for each label that the model predicted or a worker gave: "Parent/Label"."""
    answers = [answer.moderation_labels for answer in output.human_answers]
    if all(labels is None for labels in answers):
        return []  # the worker page did not ask for labels
    answers_can_lack = any(answer.is_partial for answer in output.human_answers)
    everything = _labels(output.ai_service_response)
    selected = output.selected_ai_service_response
    shown = _labels(selected or output.ai_service_response)
    parents = _parents(label for labels in answers for label in labels or ()) | _parents(
        [*everything, *shown]
    )
    given_by_worker = [_with_parents((label.name for label in labels or ()), parents) for labels in answers]
    predicted = _with_parents((label.name for label in shown), parents)
    given = set().union(*given_by_worker)
    predicted |= given & _with_parents((label.name for label in everything), parents)

    confidence = {label.name: percent(label.confidence) for label in (*everything, *shown)}
    rows = [
        Row(
            name=joined_name(*_lineage(name, parents)),
            kind="labels",
            predicted=Scored(normalised(name), confidence.get(name)) if name in predicted else None,
            answers=[normalised(name) if name in names else None for names in given_by_worker],
        )
        for name in sorted(predicted | given)
    ]
    return [
        row
        if is_known(output, in_prediction=row.predicted is not None)
        and not (answers_can_lack and None in row.answers)
        else not_compared(row)
        for row in rows
    ]


def _labels(prediction: Prediction | None) -> tuple[ModerationLabel, ...]:
    return (prediction.moderation_labels if prediction else None) or ()


def _parents(labels: Iterable[ModerationLabel]) -> dict[str, str]:
    return dict(sorted({(label.name, label.parent_name) for label in labels if label.parent_name}))


def _with_parents(names: Iterable[str], parents: dict[str, str]) -> set[str]:
    return {ancestor for name in names for ancestor in _lineage(name, parents)}


def _lineage(name: str, parents: dict[str, str]) -> list[str]:
    """Returns the label with its parents, the top level first."""
    lineage = [name]
    while (parent := parents.get(lineage[0])) and parent not in lineage and len(lineage) < MAX_LEVELS:
        lineage.insert(0, parent)
    return lineage
