from __future__ import annotations

import math
from typing import Any

import pytest

from lambdas.reviews.comparison.elements.polygons import Polygon
from tests import review_samples as samples
from tests.review_samples import fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
    [
        (
            [{"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]}],
            {
                "polygons": [
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 8.9}]}
                ]
            },
            {
                "e/lake": (
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]},
                    {"label": "lake", "vertices": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 8.9}]},
                    "kept",
                )
            },
        ),
    ],
)
def test_compares_polygons(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


def test_similarity_of_circles_is_precise() -> None:
    def circle(x: float) -> Polygon:
        turns = [2 * math.pi * corner / 1000 for corner in range(1000)]
        return Polygon("lake", tuple((x + 50 * math.cos(turn), 50 * math.sin(turn)) for turn in turns))

    lens = 2 * 50**2 * math.acos(10 / 100) - 5 * math.sqrt(4 * 50**2 - 10**2)
    assert circle(0).similarity(circle(10)) == pytest.approx(lens / (2 * math.pi * 50**2 - lens), abs=0.001)


def test_polygon_similarity_is_geometric() -> None:
    square = Polygon("a", ((0, 0), (10, 0), (10, 10), (0, 10)))
    lower = Polygon("a", ((0, 0), (10, 0), (10, 6), (0, 6)))
    assert square.similarity(lower) == pytest.approx(0.6, abs=0.01)
    triangle = Polygon("a", ((0, 0), (10, 0), (0, 10)))
    assert square.similarity(triangle) == pytest.approx(0.5, abs=0.01)
    for height in (0.0, 5e-324, 1e308):  # flat, nearly flat, and more than a float holds
        assert (
            Polygon("a", ((0, height), (1, -height), (2, height))).similarity(Polygon("a", ((0, 0), (1, 0))))
            == 0.0
        )
    assert Polygon("a", ()).similarity(square) == 0.0
