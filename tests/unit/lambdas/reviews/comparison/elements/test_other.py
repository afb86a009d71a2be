from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        (12, 12, {"e": (12, 12, "kept")}),
        ({"value": 12, "confidence": 0.6}, 13, {"e": (12, 13, "changed")}),
        (
            {"lines": [1], "score": 2},
            {"lines": [1], "score": 2},
            {"e": (*[{"lines": [1], "score": 2}] * 2, "kept")},
        ),
        ({"a": [1.0]}, {"a": [1]}, {"e": ({"a": [1]}, {"a": [1]}, "kept")}),
        ({"a": [1]}, {"a": [True]}, {"e": ({"a": [1]}, {"a": [True]}, "changed")}),
    ],
)
def test_compares_other_values_unchanged(
    place: str, prediction: Any, answered: Any, expected: dict[str, Any]
) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


def test_values_of_different_types_are_not_compared() -> None:
    document = custom(
        {"prediction": {"e": {"label": "dog"}}}, {"e": {"label": "dog"}}, {"e": "dog"}, {"e": "dog"}
    )
    (field,) = fields_of(document)
    assert (field.kind, field.reviewed, field.outcome) == ("other", '"dog"', "answered")
