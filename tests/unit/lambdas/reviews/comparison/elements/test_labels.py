from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        (
            [{"label": "dog"}, {"label": "cat"}],
            {"labels": ["cat", "bird"]},
            {
                "e/bird": (None, "bird", "added"),
                "e/cat": ("cat", "cat", "kept"),
                "e/dog": ("dog", None, "removed"),
            },
        ),
        ({"dog": 0.9, "cat": 0.1}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
    ],
)
def test_compares_labels_as_a_set(
    place: str, prediction: Any, answered: Any, expected: dict[str, Any]
) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


@pytest.mark.parametrize(
    ("predicted", "answered", "expected"),
    [
        ({"label": "dog", "confidence": 0.4}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
    ],
)
def test_drops_unlikely_labels_only_from_several(
    predicted: Any, answered: Any, expected: dict[str, Any]
) -> None:
    assert values_by_field(fields_of(custom({"prediction": {"e": predicted}}, {"e": answered}))) == expected


@pytest.mark.parametrize("place", samples.PLACES[:2])
def test_labels_are_added_to_a_prediction_without_labels(place: str) -> None:
    document = samples.with_prediction(place, [], {"labels": ["dog"]})
    assert values_by_field(fields_of(document)) == {"e/dog": (None, "dog", "added")}
