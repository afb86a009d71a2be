"""Any other element, and elements whose values differ in type from worker to worker.

Values are compared unchanged. A prediction is also such a value, or an object with only a value and its confidence. A
predicted text that is a number counts as a number if all workers gave numbers, as with crowd-slider. A value that has
the keys of an element, but not its form, is not compared.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit, is_odd_element
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.prediction import is_value_with_confidence, scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.rules import FieldSettings


class Other(Element):
    """Any value, unchanged."""

    kind = "other"

    value: Any

    @classmethod
    @override
    def parse(cls, value: Any) -> Self:
        return cls(value=value)

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Element | None]) -> Fit | None:
        forms = {type(value) for value in _values(answers) if value is not None}
        return Fit.ANYTHING if type(found) in forms or scored(found) is not None else None

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Element | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        values = _values(answers)
        in_prediction = predicted is not None and not any(
            is_odd_element(answer.value) for answer in answers if isinstance(answer, Other)
        )
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=_predicted(predicted, values) if in_prediction else None,
                answers=values,
                in_prediction=in_prediction,
            )
        ]

    @override
    def raw_value(self) -> Any:
        return self.value


def _predicted(predicted: Any, given: Sequence[Any]) -> Scored:
    # An object with more keys can be a value of the element.
    single = scored(predicted) if is_value_with_confidence(predicted) else None
    found = single or Scored(predicted)
    if isinstance(found.value, str) and all(type(value) in (int, float, NoneType) for value in given):
        try:
            return Scored(float(found.value), found.confidence)
        except ValueError:
            pass
    return found


def _values(answers: Sequence[Element | None]) -> list[Any]:
    return [answer.raw_value() if answer else None for answer in answers]
