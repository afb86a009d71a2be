"""An object of several values: several judgements, ``{"evaluation": {"helpfulness": 4, "tone": "polite"}}``.

The value of such an element is an object of single values, or of values of crowd elements such as buttons, and that is
no crowd element itself.

Reference:
    fields: One for each key: `evaluation/helpfulness`.
    same: As for the element that the value in it would be.
    prediction: An object with the same keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.elements import element_of, is_odd_element, parse_element
from lambdas.reviews.comparison.values import joined_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.reviews.comparison.elements import Element


def judgements(answers: Sequence[Element | None]) -> dict[str, list[Element | None]]:
    """Returns the answers to each judgement, by its key; none if the answers to an element are no judgements."""
    if element_of(answers).kind != "other":
        return {}
    values = [answer.raw_value() if answer else None for answer in answers]
    if not all(value is None or _has_judgements(value) for value in values):
        return {}
    keys = sorted({key for value in values if value for key in value})
    return {key: [_judgement(value, key) for value in values] for key in keys}


def field_name(name: str, key: str) -> str:
    """Returns the name of the field for a judgement."""
    return joined_name(name, key)


def predicted_judgements(name: str, keys: Sequence[str], predicted: Any) -> dict[str, Any]:
    """Returns the predictions of an element's judgements, by the name of their field."""
    found = predicted if isinstance(predicted, dict) else {}
    return {field_name(name, key): found[key] for key in keys if key in found}


def _has_judgements(value: Any) -> bool:
    if not isinstance(value, dict) or not value or is_odd_element(value):
        return False
    return all(
        isinstance(inner, str | int | float | None) or parse_element(inner).kind != "other"
        for inner in value.values()
    )


def _judgement(value: dict[str, Any] | None, key: str) -> Element | None:
    inner = value.get(key) if value else None
    return None if inner is None else parse_element(inner)
