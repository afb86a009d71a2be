from __future__ import annotations

import pytest

from lambdas.reviews.comparison.sameness.distances import MAX_LENGTH
from tests.sameness import is_same


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("Amazon", "Amazom", 1),
        ("Amazon", "Amazn", 1),
        ("Amazon", "Amazonn", 1),
        ("Amazon", "Aamzon", 2),
        ("Amazon", "Amazon ", 0),
        ("caf\u00e9", "cafe\u0301", 0),
        ("\u6771\u4eac\u90fd", "\u6771\u4eac", 1),
        ("Amazon", "amazon", 1),
        (125, "126", 1),
    ],
)
def test_texts_within_the_distance_are_the_same(one: object, other: object, distance: int) -> None:
    for max_distance in (1, 2):
        assert is_same(one, other, same="distance", max_distance=max_distance) is (distance <= max_distance)


def test_very_long_texts_are_compared_exactly() -> None:
    text = "a" * MAX_LENGTH
    assert is_same(text, text[:-1], same="distance", max_distance=1)
    assert not is_same(text + "b", text, same="distance", max_distance=1)
    assert is_same(text + "b", text + "b", same="distance", max_distance=1)
