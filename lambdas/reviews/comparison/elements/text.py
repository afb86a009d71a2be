"""crowd-input, crowd-text-area, and HTML inputs: the text as entered. An answer does not contain blank inputs.

Nearly any prediction fits.

Reference:
    fields: One, with the name of the element. A worker who left it blank gave an empty answer.
    same: The texts differ only in white space, or are the same by the setting `same`.
    prediction: A text, a number, true or false, or an object with one of these and a confidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, is_comparable, is_location, scored

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
        return None if _predicted(found, answers) is None else Fit.ANYTHING

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        is_number = settings.same == "number"
        text = _predicted(predicted, answers, is_number=is_number)
        return [
            Row(
                name=name,
                kind=cls.kind,
                # A number of JSON has no decimal comma, so in a field of numbers, it stays a number.
                predicted=as_text(text) if text and not (is_number and _is_number(text.value)) else text,
                answers=[normalised(answer.value) or None if answer else None for answer in answers],
                in_prediction=text is not None,
            )
        ]

    @override
    def raw_value(self) -> Any:
        return self.value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _predicted(predicted: Any, answers: Sequence[Text | None], *, is_number: bool = False) -> Scored | None:
    """Returns the prediction. A class index is none (a number before texts without a digit), nor is a file."""
    single = scored(predicted)
    texts = [answer.value for answer in answers if answer and answer.value.strip()]
    if single is None:
        return None
    if isinstance(single.value, str):
        is_file = is_location(single.value) and texts and all(not is_location(text) for text in texts)
        return None if is_file else single
    if isinstance(single.value, bool):
        return single if is_comparable([single], texts) else None
    has_digits = any(character.isdigit() for text in texts for character in text)
    return single if is_number or has_digits or not texts else None
