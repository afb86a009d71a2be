from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.boxes import Box
from tests import review_samples as samples
from tests.review_samples import fields_of, values_by_field

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        ([BOX], {"boundingBoxes": [BOX]}, {"e/dog": (BOX, BOX, "kept")}),
        (
            {"boundingBoxes": [BOX | {"confidence": 0.5}]},
            {"boundingBoxes": [BOX | {"left": 3}]},
            {"e/dog": (BOX, BOX | {"left": 3}, "changed")},
        ),
        (
            [BOX],
            {"boundingBoxes": [BOX | {"left": 8}]},
            {"e/dog": (None, BOX | {"left": 8}, "added")},  # and the predicted one, of the same name, removed
        ),
        (
            [BOX],
            {"boundingBoxes": [BOX | {"label": "cat"}]},
            {"e/dog": (BOX, BOX | {"label": "cat"}, "changed")},
        ),
    ],
)
def test_compares_boxes(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


def test_box_similarity_is_intersection_over_union() -> None:
    assert Box("a", 0, 0, 10, 10).similarity(Box("b", 0, 0, 10, 6)) == 0.6
    assert Box("a", 0, 0, 10, 10).similarity(Box("b", 5, 5, 10, 10)) == 0.0  # 1/7: not the same object
    assert Box("a", 0, 0, 0, 0).similarity(Box("b", 0, 0, 0, 0)) == 1.0
    assert Box("a", -1e308, 0, 1.7e308, 1e308).similarity(Box("a", 1, 0, 1e308, 1e308)) == 0.0  # overflows
