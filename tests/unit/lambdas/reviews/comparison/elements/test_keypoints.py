from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.keypoints import Keypoint
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, told


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "said", "expected"),
    [
        (
            [{"label": "eye", "x": 500, "y": 500}],
            {"keypoints": [{"label": "eye", "x": 505, "y": 500}]},
            {"e/eye": ({"label": "eye", "x": 500, "y": 500}, {"label": "eye", "x": 505, "y": 500}, "kept")},
        ),
        (
            [{"label": "eye", "x": 500, "y": 500}],
            {
                "keypoints": [{"label": "eye", "x": 530, "y": 500}],
                "inputImageProperties": {"width": 600, "height": 800},
            },
            {
                "e/eye": (
                    {"label": "eye", "x": 500, "y": 500},
                    {"label": "eye", "x": 530, "y": 500},
                    "changed",
                )
            },
        ),
    ],
)
def test_points_are_compared(place: str, prediction: Any, said: Any, expected: dict[str, Any]) -> None:
    assert told(fields_of(samples.with_prediction(place, prediction, said))) == expected


def test_points_are_measured_by_the_largest_image_that_an_answer_tells() -> None:
    def point(x: int, width: int) -> dict[str, Any]:
        return {
            "k": {
                "keypoints": [{"label": "eye", "x": x, "y": 0}],
                "inputImageProperties": {"width": width, "height": 10},
            }
        }

    found = {"prediction": {"k": {"keypoints": [{"label": "eye", "x": 0, "y": 0}]}}}
    there, back = point(4, 500), point(12, 1000)
    outcomes = [fields_of(custom(found, *says))[0].outcome for says in ([there, back], [back, there])]
    assert outcomes == ["kept", "kept"]


def test_an_assumed_size_does_not_take_the_place_of_a_known_one() -> None:
    small = Keypoint("eye", 10, 0, diagonal=100)
    assert not Keypoint("eye", 13, 0).unmoved(small)  # 3 % of the image
    assert Keypoint("eye", 13, 0).unmoved(Keypoint("eye", 10, 0))


def test_measures_of_points_are_those_of_geometry() -> None:
    assert Keypoint("a", 0, 0).likeness(Keypoint("b", 30, 40)) == 0.0
