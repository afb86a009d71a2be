from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.reviews.comparison.alignment import align, match, similar_pairs
from lambdas.reviews.comparison.elements.boxes import Box
from lambdas.reviews.comparison.elements.keypoints import Keypoint
from lambdas.reviews.comparison.elements.polygons import Polygon
from lambdas.reviews.comparison.elements.spans import Span
from tests import review_samples as samples

_shapes: dict[str, st.SearchStrategy[list[Any]]] = {
    "boxes": samples.boxes.map(lambda boxes: [Box(**box) for box in boxes]),
    "spans": samples.entities.map(
        lambda spans: [Span(span["label"], span["startOffset"], span["endOffset"]) for span in spans]
    ),
    "points": samples.keypoints.map(lambda points: [Keypoint(**point) for point in points]),
    "outlines": samples.polygons.map(
        lambda shapes: [
            Polygon(one["label"], tuple((p["x"], p["y"]) for p in one["vertices"])) for one in shapes
        ]
    ),
}


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
def test_sweep_finds_all_similar_pairs(shape: str, data: st.DataObject) -> None:
    first, second = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    assert sorted(similar_pairs(first, second)) == [
        (i, j) for i in range(len(first)) for j in range(len(second)) if first[i].similarity(second[j]) > 0
    ]


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
    assert sorted(match(squares, squares[::-1])) == [(place, 199 - place) for place in range(200)]
    assert len(measured) == 2 * 200  # once to find the pair, and once to rank it


@pytest.mark.parametrize("shape", _shapes)
@settings(max_examples=20)  # polygons are slow to compare
@given(st.data())
def test_alignment_does_not_depend_on_order(shape: str, data: st.DataObject) -> None:
    predicted, answered = data.draw(_shapes[shape]), data.draw(st.lists(_shapes[shape], max_size=3))

    def rows(predicted: list[Any], answered: list[list[Any]]) -> list[Any]:
        return sorted(
            repr((None if index is None else predicted[index], drawn))
            for index, drawn in align(predicted, answered)
        )

    shuffled = [data.draw(st.permutations(shapes)) for shapes in answered]
    assert rows(predicted, answered) == rows(data.draw(st.permutations(predicted)), shuffled)
    # Every shape is in exactly one row.
    for worker, shapes in enumerate(answered):
        drawn = [row[worker] for _, row in align(predicted, answered) if row[worker]]
        assert sorted(map(repr, drawn)) == sorted(map(repr, shapes))


def test_matches_shapes_with_same_label_first() -> None:
    # Each predicted box is exactly where the worker drew the other animal.
    predicted = [Box("dog", 0, 0, 10, 10), Box("cat", 2, 0, 10, 10)]
    answered = [Box("cat", 0, 0, 10, 10), Box("dog", 2, 0, 10, 10)]
    assert sorted(match(predicted, answered)) == [(0, 1), (1, 0)]
