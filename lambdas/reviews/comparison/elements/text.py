"""crowd-input, crowd-text-area: the text as entered. An answer does not contain blank inputs.

A prediction is a text, number or boolean, or an object with such a value and a confidence. Nearly any prediction fits.
Two texts are equal if they differ only in white space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.rules import FieldSettings


class Text(Element):
    """A text."""

    kind = "text"

    value: str

    @classmethod
    @override
    def parse(cls, value: Any) -> Self | None:
        return cls(value=value) if isinstance(value, str) else None

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        return None if scored(found) is None else Fit.ANYTHING

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        text = scored(predicted)
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=as_text(text) if text else None,
                answers=[normalised(answer.value) or None if answer else None for answer in answers],
                in_prediction=text is not None,
            )
        ]

    @override
    def raw_value(self) -> Any:
        return self.value
