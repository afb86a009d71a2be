"""Any other element, and elements whose values differ in type from worker to worker.

Values are compared unchanged. A prediction is also such a value, or an object with only a value and its confidence. A
predicted text counts as a number, or as true or false, if that is what all workers gave, as with crowd-slider. A value
that has the keys of an element, but not its form, is not compared.
"""

from __future__ import annotations

import json
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
    if not isinstance(found.value, str):
        return found
    try:
        value = json.loads(found.value.strip().lower())
    except ValueError:
        return found
    forms = {
        float if isinstance(one, int | float) and not isinstance(one, bool) else type(one) for one in given
    }
    same = isinstance(value, bool) if forms <= {bool, NoneType} else type(value) in (int, float)
    return Scored(value, found.confidence) if same and forms <= {bool, float, NoneType} else found


def _values(answers: Sequence[Element | None]) -> list[Any]:
    return [answer.raw_value() if answer else None for answer in answers]
