from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.comparison.elements.lines import Line
from tests import review_samples as samples
from tests.review_samples import custom, fields_of

SIZE = {"inputImageProperties": {"width": 600, "height": 800}}  # the diagonal is 1000
CORNERS = [(0, 0), (100, 0), (100, 100)]


def line(corners: list[tuple[float, float]], label: str = "road") -> dict[str, Any]:
    return {"label": label, "vertices": [{"x": x, "y": y} for x, y in corners]}


def moved(by: float) -> list[tuple[float, float]]:
    return [(x + by, y) for x, y in CORNERS]


@pytest.mark.parametrize("key", ["lines", "polylines"])
@pytest.mark.parametrize("place", samples.PLACES)
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([line(CORNERS)], ["kept"]),
        ([line(CORNERS[::-1])], ["kept"]),  # drawn from the other end
        ([line([(0, 0), (50, 0), (100, 0), (100, 100)])], ["kept"]),  # with one more corner
        ([line(moved(5))], ["kept"]),
        ([line(moved(40))], ["changed"]),
        ([line(CORNERS, "river")], ["changed"]),
        ([line(CORNERS[:2])], ["changed"]),  # only half of the line
        ([line(moved(200))], ["added", "removed"]),
        ([], ["removed"]),
        ([line(CORNERS), line(moved(300))], ["added", "kept"]),
    ],
)
def test_compares_lines_by_their_distance(
    key: str, place: str, workers: int, drawn: list[Any], expected: list[str]
) -> None:
    predicted = {"by the element's name": {key: [line(CORNERS)]}}.get(place, [line(CORNERS)])
    document = samples.with_prediction(place, predicted, {key: drawn, **SIZE})
    document["humanAnswers"] = samples.answers(*[{"e": {key: drawn, **SIZE}}] * workers)
    fields = fields_of(document)
    assert sorted(field.outcome for field in fields) == expected
    assert {field.kind for field in fields} == {"line"}
    assert {field.name for field in fields} <= {"e/road", "e/river"}


def test_line_with_confidence_and_without_prediction() -> None:
    drawn = {"lines": [line(CORNERS)], **SIZE}
    (field,) = fields_of(custom({"prediction": {"e": [line(CORNERS) | {"score": 0.7}]}}, {"e": drawn}))
    assert (field.outcome, field.confidence) == ("kept", 0.7)
    (field,) = fields_of(custom({}, {"e": drawn}))
    assert (field.outcome, field.predicted) == ("answered", None)


def test_three_workers_agree_on_the_line_between() -> None:
    contents = [{"e": {"lines": [line(moved(by))], **SIZE}} for by in (0, 12, 20)]
    (field,) = fields_of(custom({}, *contents))
    assert field.agreement == 1.0
    assert field.reviewed is not None
    assert '{"x":12,"y":0}' in field.reviewed


def test_distance_is_the_larger_of_both_directions() -> None:
    short, long = Line("a", ((0, 0), (10, 0)), 100), Line("a", ((0, 0), (20, 0)), 100)
    # The mean distance of the points from 10 to 20 is 5, and half of the points are there.
    assert long._distance(short) == short._distance(long) == pytest.approx(0.025, abs=0.002)


@pytest.mark.parametrize(
    "corners", [(), ((1.0, 2.0),), ((1.0, 2.0), (1.0, 2.0)), ((0, 0), (1e308, 1e308), (-1e308, 0))]
)
def test_line_without_a_length_equals_itself(corners: tuple[tuple[float, float], ...]) -> None:
    one = Line("a", corners)
    assert one.similarity(one) == 1
    assert one.is_unmoved(one)
    assert one.similarity(Line("a", ((300.0, 300.0), (400.0, 400.0)))) == 0


_corners = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=4).map(tuple)


@given(_corners, _corners, st.integers(-50, 50), st.floats(0, math.tau))
def test_distance_is_geometric(one: Any, other: Any, by: int, angle: float) -> None:
    first, second = Line("a", one, 100), Line("a", other, 100)
    distance = first._distance(second)
    assert distance == pytest.approx(second._distance(first))
    assert (distance == 0) or one != other

    def turned(corners: Any) -> Line:
        cos, sin = math.cos(angle), math.sin(angle)
        return Line("a", tuple((x * cos - y * sin + by, x * sin + y * cos - by) for x, y in corners), 100)

    assert turned(one)._distance(turned(other)) == pytest.approx(distance, abs=1e-9)
