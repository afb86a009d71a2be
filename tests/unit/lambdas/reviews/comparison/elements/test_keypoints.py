from __future__ import annotations

from typing import Any

import pytest

from lambdas.reviews.comparison.elements.keypoints import Keypoint
from tests import review_samples as samples
from tests.review_samples import custom, fields_of, values_by_field


@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize(
    ("prediction", "answered", "expected"),
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
def test_compares_keypoints(place: str, prediction: Any, answered: Any, expected: dict[str, Any]) -> None:
    assert values_by_field(fields_of(samples.with_prediction(place, prediction, answered))) == expected


def test_keypoint_distance_uses_largest_image() -> None:
    def point(x: int, width: int) -> dict[str, Any]:
        return {
            "k": {
                "keypoints": [{"label": "eye", "x": x, "y": 0}],
                "inputImageProperties": {"width": width, "height": 10},
            }
        }

    found = {"prediction": {"k": {"keypoints": [{"label": "eye", "x": 0, "y": 0}]}}}
    small, large = point(4, 500), point(12, 1000)
    outcomes = [fields_of(custom(found, *answers))[0].outcome for answers in ([small, large], [large, small])]
    assert outcomes == ["kept", "kept"]


def test_known_image_size_replaces_assumed_size() -> None:
    small = Keypoint("eye", 10, 0, diagonal=100)
    assert not Keypoint("eye", 13, 0).is_unmoved(small)  # 3 % of the image
    assert Keypoint("eye", 13, 0).is_unmoved(Keypoint("eye", 10, 0))


def test_keypoint_similarity_is_geometric() -> None:
    assert Keypoint("a", 0, 0).similarity(Keypoint("b", 30, 40)) == 0.0
