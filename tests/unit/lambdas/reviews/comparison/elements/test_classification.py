from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        ({"label": "dog", "confidence": 0.7}, {"label": "dog"}, {"e": ("dog", "dog", "kept")}),
        ("dog", {"label": "cat"}, {"e": ("dog", "cat", "changed")}),
        ({"cat": 0.2, "dog": 0.8}, {"label": "cat"}, {"e": ("dog", "cat", "changed")}),
        ({"cat": 0.8, "dog": 0.2}, {"label": "cat"}, {"e": ("cat", "cat", "kept")}),
        (
            [{"label": "cat", "score": 20}, {"label": "dog", "score": 80}],
            {"label": "dog"},
            {"e": ("dog", "dog", "kept")},
        ),
        ({"label": "dog"}, {"label": "dog", "workerComment": "!"}, {"e": ("dog", "dog", "kept")}),
    ],
)
def test_compares_label(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected
