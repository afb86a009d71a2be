from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.spans import Span
from tests import review_samples as samples
from tests.review_samples import fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
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
def test_compares_spans(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


def test_span_similarity_is_overlap() -> None:
    assert Span("a", 0, 10).similarity(Span("b", 5, 15)) == pytest.approx(1 / 3)
