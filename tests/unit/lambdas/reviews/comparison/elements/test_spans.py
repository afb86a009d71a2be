from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.spans import Span
from tests import review_samples as samples
from tests.review_samples import fields_of, told


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        (
            [{"label": "name", "startOffset": 0, "endOffset": 3, "score": 0.5}],
            {"entities": [{"label": "name", "startOffset": 0, "endOffset": 9}]},
            {
                "e/name": (
                    {"label": "name", "startOffset": 0, "endOffset": 3},
                    {"label": "name", "startOffset": 0, "endOffset": 9},
                    "changed",
                )
            },
        ),
    ],
)
def test_spans_are_compared(place: str, prediction: Any, said: Any, expected: dict[str, Any]) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected


def test_measures_of_spans_are_those_of_geometry() -> None:
    assert Span("a", 0, 10).likeness(Span("b", 5, 15)) == pytest.approx(1 / 3)
