from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.reviews.comparison.alignment import align
from lambdas.reviews.comparison.elements.boxes import Box
from lambdas.reviews.comparison.elements.keypoints import Keypoint
from lambdas.reviews.comparison.elements.lines import Line
from lambdas.reviews.comparison.elements.polygons import Polygon
from lambdas.reviews.comparison.elements.spans import Span
from lambdas.reviews.comparison.grouping import group
from tests import review_samples as samples

_shapes: dict[str, st.SearchStrategy[list[Any]]] = {
    "boxes": samples.boxes.map(lambda boxes: [Box(**box) for box in boxes]),
    "spans": samples.entities.map(
        lambda spans: [Span(span["label"], span["startOffset"], span["endOffset"]) for span in spans]
    ),
    "points": samples.keypoints.map(lambda points: [Keypoint(**point) for point in points]),
    "lines": samples.polygons.map(
        lambda shapes: [
            Line(one["label"], tuple((p["x"], p["y"]) for p in one["vertices"])) for one in shapes
        ]
    ),
    "outlines": samples.polygons.map(
        lambda shapes: [
            Polygon(one["label"], tuple((p["x"], p["y"]) for p in one["vertices"])) for one in shapes
        ]
    ),
}


def match(first: list[Any], second: list[Any]) -> list[tuple[int, int]]:
    return [(members[0], members[1]) for members in group([first, second]).groups if len(members) == 2]


@pytest.mark.parametrize("shape", _shapes)
@settings(max_examples=20)  # polygons are slow to compare
@given(st.data())
def test_similarity_and_matching_are_symmetric(shape: str, data: st.DataObject) -> None:
    first, second = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    for one in first:
        assert one.is_unmoved(one)
        for other in second:
            assert one.similarity(other) == other.similarity(one)
            assert 0 <= one.similarity(other) <= 1
            assert one.is_unmoved(other) == other.is_unmoved(one)
    pairs = sorted((repr(first[i]), repr(second[j])) for i, j in match(first, second))
    swapped = sorted((repr(first[i]), repr(second[j])) for j, i in match(second, first))
    assert pairs == swapped
    assert len({i for i, _ in match(first, second)}) == len(pairs)  # each only once


@pytest.mark.parametrize("shape", _shapes)
@settings(max_examples=20)  # polygons are slow to compare
@given(st.data())
def test_shapes_that_are_similar_are_near(shape: str, data: st.DataObject) -> None:
    for one in data.draw(_shapes[shape]):
        for other in data.draw(_shapes[shape]):
            if one.similarity(other) > 0:
                assert one.is_near(other)
                assert overlaps(one.extent, other.extent)
                assert overlaps(one.vertical_extent, other.vertical_extent)


def overlaps(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


@pytest.mark.parametrize("along", ["across", "down"])
def test_sweep_skips_distant_polygons(along: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def square(place: int) -> Polygon:
        corners = ((0, 0), (10, 0), (10, 10), (0, 10))
        return Polygon(
            "cell",
            tuple(
                (x + 20.0 * place, 0.0 + y) if along == "across" else (x, y + 20.0 * place)
                for x, y in corners
            ),
        )

    measured = []
    similarity = Polygon.similarity
    monkeypatch.setattr(
        Polygon, "similarity", lambda one, other: (measured.append(one), similarity(one, other))[1]
    )
    squares = [square(place) for place in range(200)]
    moved = [Polygon("cell", tuple((x + 1, y) for x, y in one.corners)) for one in squares]
    assert sorted(match(squares, moved[::-1])) == [(place, 199 - place) for place in range(200)]
    assert len(measured) == 200


@pytest.mark.parametrize("shape", _shapes)
@settings(max_examples=20)  # polygons are slow to compare
@given(st.data())
def test_alignment_does_not_depend_on_order(shape: str, data: st.DataObject) -> None:
    predicted, answered = data.draw(_shapes[shape]), data.draw(st.lists(_shapes[shape], max_size=3))

    def rows(predicted: list[Any], answered: list[list[Any]]) -> list[Any]:
        return sorted(
            repr((None if index is None else predicted[index], drawn))
            for index, drawn in align(predicted, answered).rows
        )

    shuffled = [data.draw(st.permutations(shapes)) for shapes in answered]
    assert rows(predicted, answered) == rows(data.draw(st.permutations(predicted)), shuffled)
    # Every shape is in exactly one row.
    for worker, shapes in enumerate(answered):
        drawn = [row[worker] for _, row in align(predicted, answered).rows if row[worker]]
        assert sorted(map(repr, drawn)) == sorted(map(repr, shapes))


def test_matches_shapes_with_same_label_first() -> None:
    # Each predicted box is exactly where the worker drew the other animal.
    predicted = [Box("dog", 0, 0, 10, 10), Box("cat", 2, 0, 10, 10)]
    answered = [Box("cat", 0, 0, 10, 10), Box("dog", 2, 0, 10, 10)]
    assert sorted(match(predicted, answered)) == [(0, 1), (1, 0)]
