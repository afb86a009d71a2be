"""crowd-classifier, crowd-image-classifier: one label, for an image optionally with a comment of the worker.

Reference:
    fields: One, with the name of the element. The comment is not compared.
    same: The labels differ only in white space, or are the same by the setting `same`.
    prediction: A label, or an object with a label and a confidence. Of a list of these, or of
        ``{"dog": 0.7, "cat": 0.3}``, the most likely label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit, Label
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, is_comparable, is_yes_or_no, scored, several

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.rules import FieldSettings


class Classification(Element):
    """A label."""

    kind = "label"
    nothing = ""

    label: Label
    worker_comment: str | None = None

    @classmethod
    @override
    def parse(cls, value: Any) -> Self | None:
        # With other single values, the label is one of several judgements.
        others = [inner for key, inner in value.items() if key not in ("label", "workerComment")]
        return None if any(isinstance(inner, str | int | float) for inner in others) else super().parse(value)

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        if _most_likely(found, answers) is None:
            return None
        # Several labels without confidences are probably the prediction of a multi-select element.
        plain_list = (
            isinstance(found, list) and len(found) > 1 and all(isinstance(label, str) for label in found)
        )
        return Fit.UNLIKELY_LABELS if plain_list or is_yes_or_no(found) else Fit.LABELS

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        label = _most_likely(predicted, answers)
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=as_text(label) if label else None,
                answers=[normalised(answer.label) or None if answer else None for answer in answers],
                in_prediction=label is not None,
            )
        ]


def _most_likely(predicted: Any, answers: Sequence[Classification | None]) -> Scored | None:
    single = scored(predicted)
    labels = [single] if single is not None else several(predicted)
    if not labels or not is_comparable(labels, [answer.label for answer in answers if answer]):
        return None
    return max(labels, key=lambda label: (label.confidence or 0.0, str(label.value)))
