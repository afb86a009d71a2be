"""crowd-classifier-multi-select: any number of labels. Each label is a field: "tags/dog".

A prediction is a label or a list of labels, bare, with a confidence each or under "labels", or ``{"dog": 0.7, …}``. Of
several, those of at least 0.5 are taken.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, is_yes_or_no, scored, several

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.record import FieldRecord

LIKELY = 0.5


class Labelled(Element):
    """An element whose fields are called like it and a label in it."""

    @staticmethod
    def field_name(name: str, label: str) -> str:
        """Returns what the field of a label is called."""
        return f"{name}/{label}"

    @classmethod
    @override
    def owns(cls, field: FieldRecord, name: str, answers: Sequence[Element | None]) -> bool:
        values = (field.predicted, *(vote.value for vote in field.votes))
        labels = [label_of(json.loads(value)) for value in values if value]
        return any(field.name == cls.field_name(name, label) for label in labels)


class LabelSet(Labelled):
    """Labels."""

    kind = "labels"
    nothing_is_an_answer = True

    labels: list[str]

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        if likely(found) is None:
            return None
        return Fit.ODD_LABELS if is_yes_or_no(found) else Fit.LABELS

    @classmethod
    @override
    def rows(cls, name: str, answers: Sequence[Self | None], predicted: Any) -> list[Row]:
        items = likely(predicted)
        by_label = {item.value: item for item in map(as_text, items or ())}
        said = [[normalised(label) for label in answer.labels] if answer else [] for answer in answers]
        return [
            Row(
                name=cls.field_name(name, label),
                kind=cls.kind,
                predicted=by_label.get(label),
                said=[label if label in labels else None for labels in said],
                asked=items is not None,
            )
            for label in sorted(by_label.keys() | {label for labels in said for label in labels})
        ]


def label_of(value: Any) -> Any:
    """Returns the label in a recorded value: the value itself, or the label of what was drawn."""
    return value["label"] if isinstance(value, dict) else value


def likely(predicted: Any) -> list[Scored] | None:
    """Returns the labels that a prediction says apply; None if it predicts nothing of the kind."""
    found = candidates(predicted)
    if found is None or scored(_listed(predicted)) is not None:
        return found  # a single one is what the model says, however unsure it is
    return [one for one in found if one.confidence is None or one.confidence >= LIKELY]


def candidates(predicted: Any) -> list[Scored] | None:
    """Returns the labels that a prediction names, however likely they are; None if it names none."""
    listed = _listed(predicted)
    single = scored(listed)
    return [single] if single is not None else several(listed)


def _listed(predicted: Any) -> Any:
    labels = predicted.get("labels") if isinstance(predicted, dict) else None
    return labels if isinstance(labels, list) else predicted
