"""Anything that is no element that we know, and an element whose values differ in shape from worker to worker.

Values are compared as they are. A prediction is such a value; one that is nothing but a value and its confidence is
taken apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.prediction import is_scored, scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class Other(Element):
    """Any value, as it is."""

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
    def rows(cls, name: str, answers: Sequence[Element | None], predicted: Any) -> list[Row]:
        asked = predicted is not None
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=_predicted(predicted) if asked else None,
                said=_values(answers),
                asked=asked,
            )
        ]

    @override
    def as_it_is(self) -> Any:
        return self.value


def _predicted(predicted: Any) -> Scored:
    # What is more than a value and its confidence may be the element's own.
    single = scored(predicted) if is_scored(predicted) else None
    return single or Scored(predicted)


def _values(answers: Sequence[Element | None]) -> list[Any]:
    return [answer.as_it_is() if answer else None for answer in answers]
