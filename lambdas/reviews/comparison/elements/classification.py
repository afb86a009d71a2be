"""crowd-classifier, crowd-image-classifier: one label, of an image with the worker's comment if given.

A prediction is a label, or an object with a label and a confidence. Of a list of these, or of
``{"dog": 0.7, "cat": 0.3}``, the likeliest is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, is_yes_or_no, scored, several

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class Classification(Element):
    """A label."""

    kind = "label"

    label: str
    worker_comment: str | None = None

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        if _likeliest(found) is None:
            return None
        # One of several labels, none of them likelier than the others, is no classification.
        equal = isinstance(found, list) and len(found) > 1 and all(isinstance(label, str) for label in found)
        return Fit.ODD_LABELS if equal or is_yes_or_no(found) else Fit.LABELS

    @classmethod
    @override
    def rows(cls, name: str, answers: Sequence[Self | None], predicted: Any) -> list[Row]:
        label = _likeliest(predicted)
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=as_text(label) if label else None,
                said=[normalised(answer.label) if answer else None for answer in answers],
                asked=label is not None,
            )
        ]


def _likeliest(predicted: Any) -> Scored | None:
    single = scored(predicted)
    if single is not None:
        return single
    labels = several(predicted)
    if not labels:
        return None
    return max(labels, key=lambda label: (label.confidence or 0.0, str(label.value)))
