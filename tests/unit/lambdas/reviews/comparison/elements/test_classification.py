from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import fields_of, told


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
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
def test_a_label_is_compared(place: str, prediction: Any, said: Any, expected: dict[str, Any]) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected
