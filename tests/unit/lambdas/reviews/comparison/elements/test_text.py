from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        ("a  text", "a text", {"e": ("a text", "a text", "kept")}),
        (12, "12", {"e": ("12", "12", "kept")}),
        ({"text": "a", "confidence": 99}, "b", {"e": ("a", "b", "changed")}),
    ],
)
def test_compares_texts(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected
