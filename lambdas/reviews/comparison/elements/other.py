"""crowd-slider, crowd-text-ranking, crowd-question-answer-generation, and any other element: the value, unchanged.

AWS does not document the answers of these elements. Elements whose values differ in type between workers are also read
in this way.

Reference:
    fields: One, with the name of the element.
    same: The JSON values are equal. A value of another JSON type than the prediction is not compared, unless the
        settings of the field say when a number and a text are the same, nor one that has the keys of an element, but
        not its form.
    prediction: Such a value, or an object with only a value and its confidence. A text counts as a number, or as true
        or false, if that is what all workers gave.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit, is_drawn, is_odd_element
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import as_json
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
        found = None if predicted is None else _predicted(predicted, values)
        in_prediction = (
            found is not None
            and not any(is_odd_element(answer.value) for answer in answers if isinstance(answer, Other))
            and _are_comparable([found.value, *values], settings)
            and not (is_drawn(predicted) and as_json([found.value] * len(values)) != as_json(values))
        )
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=found if in_prediction else None,
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
    except (ValueError, RecursionError):
        return found
    forms = {_form(one) for one in given if one is not None}
    is_given = _form(value) in (bool, float) and forms == {_form(value)}
    return Scored(value, found.confidence) if is_given else found


def _are_comparable(values: Sequence[Any], settings: FieldSettings) -> bool:
    forms = {_form(value) for value in values if value is not None}
    # Numbers and texts can be the same by the settings of the field.
    return len(forms) == 1 or (settings.same != "exact" and forms <= {float, str})


def _form(value: Any) -> type:
    """Returns the type of a JSON value; float for all numbers."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _values(answers: Sequence[Element | None]) -> list[Any]:
    return [answer.raw_value() if answer else None for answer in answers]
