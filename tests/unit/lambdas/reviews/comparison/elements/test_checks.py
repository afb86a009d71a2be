from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, told


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        (True, {"on": True}, {"e": (True, True, "kept")}),
        ({"value": True, "confidence": 0.6}, {"on": False}, {"e": (True, False, "changed")}),
        (
            ["dim"],
            {"blurry": True, "dim": True},
            {"e/blurry": (False, True, "changed"), "e/dim": (True, True, "kept")},
        ),
        (
            {"blurry": True, "dim": True},
            {"blurry": True, "dim": False},
            {"e/blurry": (True, True, "kept"), "e/dim": (True, False, "changed")},
        ),
        ("yes", {"yes": True}, {"e/yes": (True, True, "kept")}),
    ],
)
def test_check_boxes_are_compared_one_by_one(
    place: str, prediction: Any, said: Any, expected: dict[str, Any]
) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected


@pytest.mark.parametrize(
    ("predicted", "said", "expected"),
    [
        ({"value": True, "confidence": 0.4}, {"on": True}, {"e": (True, True, "kept")}),
        ({"value": True}, {"on": False}, {"e": (True, False, "changed")}),
        ({"label": "x", "confidence": 0.4}, {"on": False}, {"e": (None, False, "answered")}),
        ([{"label": "dim", "score": 0.4}], {"dim": False}, {"e/dim": (False, False, "kept")}),
    ],
)
def test_only_of_several_labels_the_unlikely_are_left_out(
    predicted: Any, said: Any, expected: dict[str, Any]
) -> None:
    assert told(fields_of(custom({"prediction": {"e": predicted}}, {"e": said}))) == expected
