from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.boxes import Box
from tests import review_samples as samples
from tests.review_samples import fields_of, told

BOX = {"label": "dog", "left": 0, "top": 0, "width": 10, "height": 10}


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
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
def test_boxes_are_compared(place: str, prediction: Any, said: Any, expected: dict[str, Any]) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected


def test_measures_of_boxes_are_those_of_geometry() -> None:
    assert Box("a", 0, 0, 10, 10).likeness(Box("b", 0, 0, 10, 6)) == 0.6
    assert Box("a", 0, 0, 10, 10).likeness(Box("b", 5, 5, 10, 10)) == 0.0  # 1/7: not the same thing
    assert Box("a", 0, 0, 0, 0).likeness(Box("b", 0, 0, 0, 0)) == 1.0
    assert Box("a", -1e308, 0, 1.7e308, 1e308).likeness(Box("a", 1, 0, 1e308, 1e308)) == 0.0  # overflows
