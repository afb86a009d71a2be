"""Thousands of shapes in one place: bounded work, and a result that does not depend on any order.

benchmarks/bench_align.py measures seconds, memory, and how far the approximate groups are from the exact ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import pytest

from lambdas.reviews.comparison import grouping
from lambdas.reviews.comparison.alignment import align
from lambdas.reviews.comparison.elements.boxes import Box
from lambdas.reviews.comparison.elements.keypoints import Keypoint
from lambdas.reviews.comparison.elements.lines import Line
from lambdas.reviews.comparison.elements.polygons import Polygon
from lambdas.reviews.comparison.elements.spans import Span
from lambdas.reviews.comparison.grouping import MAX_PAIRS, group
from lambdas.reviews.comparison.values import Shape
from tests.review_samples import custom, fields_of, record_of

Sides = list[list[Any]]


def crowd(count: int, seed: int = 0, size: float = 100.0, labels: str = "ab", noise: float = 2.0) -> Sides:
    """Boxes of three workers around the same objects in a small place, some of them forgotten."""
    chance = random.Random(seed)
    objects = [
        (
            chance.choice(labels),
            *(chance.uniform(0, size) for _ in "xy"),
            *(chance.uniform(40, 60) for _ in "wh"),
        )
        for _ in range(count)
    ]
    return [
        [
            Box(label, *(side + chance.gauss(0, noise) for side in sides))
            for label, *sides in objects
            if chance.random() > 0.05
        ]
        for _ in range(3)
    ]


def contents(sides: Sides, groups: Iterable[Any]) -> list[Any]:
    return sorted(sorted((side, repr(sides[side][at])) for side, at in members.items()) for members in groups)


def counted(monkeypatch: pytest.MonkeyPatch, kind: type[Shape]) -> list[int]:
    """Counts the comparisons of a kind of shape."""
    calls = [0]
    similarity: Callable[[Any, Any], float] = kind.similarity

    def count(one: Any, other: Any) -> float:
        calls[0] += 1
        return similarity(one, other)

    monkeypatch.setattr(kind, "similarity", count)
    return calls


EQUAL = {
    "boxes": Box("a", 1, 1, 10, 10),
    "spans": Span("a", 1, 9),
    "points": Keypoint("a", 1, 1),
    "polygons": Polygon("a", ((0, 0), (9, 0), (9, 9))),
    "lines": Line("a", ((0, 0), (9, 0), (9, 9))),
}


@pytest.mark.parametrize("kind", EQUAL)
def test_equal_shapes_are_grouped_without_comparing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = EQUAL[kind]
    calls = counted(monkeypatch, type(shape))
    found = group([[shape] * 3000, [shape] * 2000, [shape] * 2000])
    assert [len(members) for members in found.groups] == [3] * 2000 + [1] * 1000
    assert not found.is_approximate
    assert calls == [0]


def test_copies_of_two_shapes_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, Box)
    found = group([[Box("a", 0, 0, 10, 10)] * 3000, [Box("a", 1, 0, 10, 10)] * 2000])
    assert [len(members) for members in found.groups] == [2] * 2000 + [1] * 1000
    assert calls == [1]


def test_crowd_of_boxes_is_grouped_with_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_PAIRS", 2000)
    calls = counted(monkeypatch, Box)
    sides = crowd(150)
    found = group(sides)
    assert found.is_approximate
    assert calls[0] <= 2000 * len(grouping._ROUNDS)
    # Each shape is in one group.
    assert sorted((side, at) for members in found.groups for side, at in members.items()) == [
        (side, at) for side, shapes in enumerate(sides) for at in range(len(shapes))
    ]


def test_slow_shapes_are_compared_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_EFFORT", 20_000)
    monkeypatch.setattr(grouping, "MAX_EFFORT_OF_ROUND", 5_000)
    calls = counted(monkeypatch, Polygon)
    triangles = [Polygon("a", ((x, 0.0), (x + 50.0, 0.0), (x, 50.0))) for x in range(40)]
    moved = [Polygon("a", tuple((x + 0.5, y) for x, y in one.corners)) for one in triangles]
    effort = 2 * triangles[0].effort
    assert group([triangles, moved]).is_approximate
    assert calls[0] * effort <= 5_000 * len(grouping._ROUNDS)


def test_jagged_polygons_cross_a_bounded_number_of_lines() -> None:
    def jagged(corners: int) -> Polygon:
        return Polygon("a", tuple((float(at), 100.0 * (at % 2)) for at in range(corners)))

    assert jagged(5_000).effort == jagged(10_000).effort
    slices = jagged(10_000)._measures.slices(4)
    jagged(10_000).overlap(polygon := jagged(9_999))
    assert sum(map(len, slices.lines)) <= 10 * 10_000
    assert [len(found.lines) <= 16 for found in polygon._measures._slices.values()] == [True]


def test_usual_crowd_is_exact() -> None:
    assert not group(crowd(200, size=1000)).is_approximate


def similarity_within(sides: Sides, groups: Iterable[Any]) -> float:
    return sum(
        sides[one][members[one]].similarity(sides[other][members[other]])
        for members in groups
        for one, other in combinations(members, 2)
    )


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_approximate_groups_are_nearly_as_good(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = crowd(120, noise=noise)
    exact = group(sides)
    monkeypatch.setattr(grouping, "MAX_PAIRS", 1000)
    approximate = group(sides)
    assert approximate.is_approximate
    assert not exact.is_approximate
    assert similarity_within(sides, approximate.groups) > 0.93 * similarity_within(sides, exact.groups)
    assert len(approximate.groups) < 1.1 * len(exact.groups)


def test_groups_are_found_where_sides_lie_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # All boxes of one worker are a little to the left of all boxes of the other.
    sides = [[Box("a", x + i / 1000, i / 1000, 50, 50) for i in range(60)] for x in (0, 10)]
    monkeypatch.setattr(grouping, "MAX_PAIRS", 300)
    found = group(sides)
    assert found.is_approximate
    assert sum(len(members) == 2 for members in found.groups) >= 55


@pytest.mark.parametrize("limit", [MAX_PAIRS, 500])
def test_order_of_shapes_and_sides_does_not_matter(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_PAIRS", limit)
    sides = [[*shapes, *shapes[:20]] for shapes in crowd(60)]
    expected = contents(sides, group(sides).groups)
    shuffled = [random.Random(1).sample(shapes, len(shapes)) for shapes in sides]
    assert contents(shuffled, group(shuffled).groups) == expected
    turned = [shuffled[at] for at in (2, 0, 1)]
    found = [
        {{0: 2, 1: 0, 2: 1}[side]: at for side, at in members.items()} for members in group(turned).groups
    ]
    assert contents(shuffled, found) == expected


@pytest.mark.parametrize(
    "odd", [Box("a", 1e308, 0, 1e308, 1), Box("a", -1e308, 0, 1e308, 1e308), Span("a", 10**400, -(10**400))]
)
def test_numbers_beyond_a_float_are_grouped(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_PAIRS", 0)
    near = Box("a", 0, 0, 5, 5) if isinstance(odd, Box) else Span("a", 0, 5)
    found = align([odd, near], [[near, odd], [near]])
    assert [row for _, row in found.rows] == [[odd, None], [near, near]]


class TestRecord:
    def test_fields_say_that_they_are_approximate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(grouping, "MAX_PAIRS", 10)
        boxes = [[box.to_dict() for box in shapes] for shapes in crowd(20)]
        one = {"label": "far", "left": 5000, "top": 0, "width": 10, "height": 10}
        output = custom(
            {}, *({"crowd": {"boundingBoxes": found}, "one": {"boundingBoxes": [one]}} for found in boxes)
        )
        flags = {(field.name.partition("/")[0], field.approximate) for field in fields_of(output)}
        assert flags == {("crowd", True), ("one", False)}

    def test_crowds_of_shapes_cost_bounded_comparisons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(grouping, "MAX_PAIRS", 500)
        calls = counted(monkeypatch, Box)
        boxes = [[box.to_dict() for box in shapes] for shapes in crowd(100)]
        record = record_of(
            custom({"prediction": boxes[0]}, *({"e": {"boundingBoxes": found}} for found in boxes))
        )
        assert len(record.fields) >= len(boxes[0])
        assert calls[0] <= 500 * len(grouping._ROUNDS) * 4
