from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, told


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        (
            ["dog", "cat"],
            {"labels": ["cat", "bird"]},
            {
                "e/bird": (None, "bird", "added"),
                "e/cat": ("cat", "cat", "kept"),
                "e/dog": ("dog", None, "removed"),
            },
        ),
        ({"dog": 0.9, "cat": 0.1}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
        ([], {"labels": ["dog"]}, {"e/dog": (None, "dog", "added")}),
    ],
)
def test_labels_are_compared_as_a_set(
    place: str, prediction: Any, said: Any, expected: dict[str, Any]
) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected


@pytest.mark.parametrize(
    ("predicted", "said", "expected"),
    [
        ({"label": "dog", "confidence": 0.4}, {"labels": ["dog"]}, {"e/dog": ("dog", "dog", "kept")}),
    ],
)
def test_only_of_several_labels_the_unlikely_are_left_out(
    predicted: Any, said: Any, expected: dict[str, Any]
) -> None:
    assert told(fields_of(custom({"prediction": {"e": predicted}}, {"e": said}))) == expected
