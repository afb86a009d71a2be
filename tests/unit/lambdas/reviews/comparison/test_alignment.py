from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.comparison.alignment import align, match, touching
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
@given(st.data())
def test_likeness_and_matching_are_symmetric(shape: str, data: st.DataObject) -> None:
    ours, theirs = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    for one in ours:
        assert one.unmoved(one)
        for other in theirs:
            assert one.likeness(other) == other.likeness(one)
            assert 0 <= one.likeness(other) <= 1
            assert one.unmoved(other) == other.unmoved(one)
    there = sorted((repr(ours[mine]), repr(theirs[other])) for mine, other in match(ours, theirs))
    back = sorted((repr(ours[mine]), repr(theirs[other])) for other, mine in match(theirs, ours))
    assert there == back
    assert len({mine for mine, _ in match(ours, theirs)}) == len(there)  # each to one only


@pytest.mark.parametrize("shape", _shapes)
@given(st.data())
def test_no_shapes_that_are_alike_are_missed(shape: str, data: st.DataObject) -> None:
    ours, theirs = data.draw(_shapes[shape]), data.draw(_shapes[shape])
    assert sorted(touching(ours, theirs)) == [
        (mine, other)
        for mine in range(len(ours))
        for other in range(len(theirs))
        if ours[mine].likeness(theirs[other]) > 0
    ]


@pytest.mark.parametrize("along", ["across", "down"])
def test_outlines_far_from_each_other_are_not_measured(along: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    likeness = Polygon.likeness
    monkeypatch.setattr(
        Polygon, "likeness", lambda one, other: (measured.append(one), likeness(one, other))[1]
    )
    squares = [square(place) for place in range(200)]
    assert sorted(match(squares, squares[::-1])) == [(place, 199 - place) for place in range(200)]
    assert len(measured) == 2 * 200  # to see that they are alike, and how much


@pytest.mark.parametrize("shape", _shapes)
@given(st.data())
def test_the_order_of_shapes_makes_no_difference(shape: str, data: st.DataObject) -> None:
    predicted, said = data.draw(_shapes[shape]), data.draw(st.lists(_shapes[shape], max_size=3))

    def rows(predicted: list[Any], said: list[list[Any]]) -> list[Any]:
        return sorted(
            repr((None if index is None else predicted[index], drawn))
            for index, drawn in align(predicted, said)
        )

    shuffled = [data.draw(st.permutations(shapes)) for shapes in said]
    assert rows(predicted, said) == rows(data.draw(st.permutations(predicted)), shuffled)
    # Every shape is in one row, and in one only.
    for worker, shapes in enumerate(said):
        drawn = [row[worker] for _, row in align(predicted, said) if row[worker]]
        assert sorted(map(repr, drawn)) == sorted(map(repr, shapes))


def test_shapes_of_the_same_label_belong_together_before_others() -> None:
    # Each predicted box lies exactly on the other animal's.
    predicted = [Box("dog", 0, 0, 10, 10), Box("cat", 2, 0, 10, 10)]
    said = [Box("cat", 0, 0, 10, 10), Box("dog", 2, 0, 10, 10)]
    assert sorted(match(predicted, said)) == [(0, 1), (1, 0)]
