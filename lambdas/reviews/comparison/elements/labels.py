"""crowd-classifier-multi-select, crowd-image-classifier-multi-select: any number of labels. Each label is a field.

Reference:
    fields: One for each label that is predicted or given: `tags/dog`. A worker who did not give the label gave an empty
        answer.
    same: The label is both predicted and given; labels differ only in white space.
    prediction: A label or a list of labels, with or without confidences, directly or under `labels`; or
        ``{"dog": 0.7, "cat": 0.6}``. Of several labels, those with a confidence of at least 0.5.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit, Label
from lambdas.reviews.comparison.rows import Row, Scored, not_compared
from lambdas.reviews.comparison.values import joined_name, normalised
from lambdas.reviews.prediction import as_text, is_comparable, is_yes_or_no, scored, several

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.record import FieldRecord
    from lambdas.reviews.rules import FieldSettings

MIN_CONFIDENCE = 0.5


class Labelled(Element):
    """An element whose fields are named after the element and a label."""

    @staticmethod
    def field_name(name: str, label: str) -> str:
        """Returns the name of the field for a label."""
        return joined_name(name, label)

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

    labels: list[Label]

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        if _predicted(found, answers) is None:
            return None
        return Fit.UNLIKELY_LABELS if is_yes_or_no(found) else Fit.LABELS

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        items = _predicted(predicted, answers)
        by_label = {item.value: item for item in map(as_text, items or ())}
        given = [{normalised(label) for label in answer.labels} if answer else set() for answer in answers]
        can_lack = [answer is not None and answer.is_partial for answer in answers]
        rows = []
        for label in sorted(by_label.keys() | set[str]().union(*given)):
            row = Row(
                name=cls.field_name(name, label),
                kind=cls.kind,
                predicted=by_label.get(label),
                answers=[label if label in labels else None for labels in given],
                in_prediction=items is not None,
            )
            is_unknown = any(
                partial and value is None for partial, value in zip(can_lack, row.answers, strict=True)
            )
            rows.append(not_compared(row) if is_unknown else row)
        return rows


def _predicted(predicted: Any, answers: Sequence[LabelSet | None]) -> list[Scored] | None:
    labels = candidates(predicted)
    given = [label for answer in answers if answer for label in answer.labels]
    # Without any label, the model saw nothing.
    return None if labels and not is_comparable(labels, given) else likely(predicted)


def label_of(value: Any) -> Any:
    """Returns the label in a recorded value: the value itself, or the label of a drawn shape."""
    return value["label"] if isinstance(value, dict) else value


def likely(predicted: Any) -> list[Scored] | None:
    """Returns the predicted labels with a sufficient confidence, or None if the prediction has another form."""
    found = candidates(predicted)
    if found is None or scored(_listed(predicted)) is not None:
        return found  # a single label is the prediction, however low its confidence
    return [one for one in found if one.confidence is None or one.confidence >= MIN_CONFIDENCE]


def candidates(predicted: Any) -> list[Scored] | None:
    """Returns all labels in a prediction, with any confidence, or None if the prediction has another form."""
    listed = _listed(predicted)
    single = scored(listed)
    return [single] if single is not None else several(listed)


def _listed(predicted: Any) -> Any:
    labels = predicted.get("labels") if isinstance(predicted, dict) else None
    return labels if isinstance(labels, list) else predicted
