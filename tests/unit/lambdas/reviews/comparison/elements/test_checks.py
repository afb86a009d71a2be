from __future__ import annotations

from typing import Any

import pytest

from tests import review_samples as samples
from tests.review_samples import custom, fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
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
def test_compares_each_check_box(
    place: str, prediction: Any, answered: Any, expected: dict[str, Any]
) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


@pytest.mark.parametrize(
    ("predicted", "answered", "expected"),
    [
        ({"value": True, "confidence": 0.4}, {"on": True}, {"e": (True, True, "kept")}),
        ({"value": True}, {"on": False}, {"e": (True, False, "changed")}),
        ({"label": "x", "confidence": 0.4}, {"on": False}, {"e": (None, False, "answered")}),
        ([{"label": "dim", "score": 0.4}], {"dim": False}, {"e/dim": (False, False, "kept")}),
    ],
)
def test_drops_unlikely_labels_only_from_several(
    predicted: Any, answered: Any, expected: dict[str, Any]
) -> None:
    assert values_by_field(fields_of(custom({"prediction": {"e": predicted}}, {"e": answered}))) == expected
