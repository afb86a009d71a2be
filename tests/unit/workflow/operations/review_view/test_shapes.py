from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.record import AnswerRecord, Kind
from tests.unit.workflow.operations.review_view.samples import field
from workflow.operations.review_view import shapes as module
from workflow.operations.review_view.model import ImageView
from workflow.operations.review_view.rows import numbered
from workflow.operations.review_view.shapes import Drawing, Size, drawn_shapes

PORTRAIT = Size(100, 200)
BOX = {"label": "dog", "left": 10, "top": 20, "width": 30, "height": 40}


def answer(content: Any) -> AnswerRecord:
    return AnswerRecord(submitted_at="2026-03-01T10:00:00Z", content=json.dumps(content))  # type: ignore[arg-type]


def sized(width: float, height: float, element: str = "e") -> AnswerRecord:
    return answer({element: {"inputImageProperties": {"width": width, "height": height}}})


def drawn(*values: Any, kind: Kind = "box", image: Size | None = PORTRAIT) -> Drawing:
    one = field(*values, kind=kind, predicted=values[0], reviewed=values[0], name="e/dog")
    return drawn_shapes(numbered([one]), [], image)


@pytest.mark.parametrize(
    ("kind", "value", "form", "points"),
    [
        ("box", BOX, "rectangle", [(10, 10), (40, 30)]),
        ("keypoint", {"label": "dog", "x": 50, "y": 50}, "point", [(50, 25)]),
        (
            "polygon",
            {"label": "dog", "vertices": [{"x": 0, "y": 0}, {"x": 100, "y": 200}]},
            "polygon",
            [(0, 0), (100, 100)],
        ),
        (
            "line",
            {"label": "dog", "vertices": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
            "line",
            [(0, 0), (1, 0.5)],
        ),
    ],
)
def test_shapes_are_in_percent_of_the_image(kind: Kind, value: Any, form: str, points: Any) -> None:
    found = drawn(value, kind=kind)
    assert found.problems == []
    assert [(shape.who, shape.form, shape.points, shape.label) for shape in found.shapes] == [
        ("both", form, points, "dog")
    ]


def test_prediction_that_people_changed_is_a_shape_of_its_own() -> None:
    one = field(BOX, kind="box", predicted=BOX | {"left": 0}, reviewed=BOX, outcome="changed")
    found = drawn_shapes(numbered([one]), [], PORTRAIT)
    assert [(shape.who, shape.points[0]) for shape in found.shapes] == [
        ("prediction", (0, 10)), ("people", (10, 10)),
    ]  # fmt: skip


def test_each_of_several_workers_has_a_shape() -> None:
    found = drawn(BOX, BOX | {"left": 20}, None)
    assert [(shape.who, shape.worker) for shape in found.shapes] == [
        ("both", None), ("worker", 1), ("worker", 2),
    ]  # fmt: skip


def test_size_of_the_image_is_what_the_worker_saw() -> None:
    one = field(BOX, BOX, kind="box", outcome="unresolved", name="e/dog")
    found = drawn_shapes(numbered([one]), [sized(100, 100), sized(200, 400)], Size(1, 1))
    assert [shape.points[0] for shape in found.shapes] == [(10, 20), (5, 5)]


def test_each_element_has_an_image_of_its_own() -> None:
    both = answer(
        {
            "a": {"inputImageProperties": {"width": 100, "height": 100}},
            "a/b": {"inputImageProperties": {"width": 200, "height": 200}},
        }
    )
    fields = [field(BOX, kind="box", reviewed=BOX, name=name) for name in ("a/dog", "a/b/dog")]
    found = drawn_shapes(numbered(fields), [both], None)
    assert [shape.points[0] for shape in found.shapes] == [(10, 20), (5, 10)]


@pytest.mark.parametrize(
    "value",
    [
        "nothing", [], {}, {"label": "dog"}, BOX | {"left": None}, BOX | {"width": "wide"}, BOX | {"left": [1]},
    ],
)  # fmt: skip
def test_value_of_another_form_is_no_shape(value: Any) -> None:
    assert drawn(value) == Drawing([], [])


@pytest.mark.parametrize("left", [1e308, -1e308, 1_000, -1_000, float("nan"), float("inf")])
def test_shape_far_outside_is_reported_and_not_drawn(left: float) -> None:
    assert drawn(BOX | {"left": left}) == Drawing([], ["1 shape is not drawn: outside of the image."])


def test_shape_on_an_image_of_unknown_size_is_reported() -> None:
    assert drawn(BOX, image=None).problems == ["1 shape is not drawn: the size of the image is unknown."]


@pytest.mark.parametrize(
    "size", [{"width": 0, "height": 1}, {"width": "a", "height": 1}, {"width": -1}, [], None]
)
def test_impossible_size_of_an_answer_does_not_count(size: Any) -> None:
    one = field(BOX, kind="box", reviewed=BOX)
    found = drawn_shapes(numbered([one]), [answer({"e": {"inputImageProperties": size}})], Size(100, 100))
    assert [shape.points[0] for shape in found.shapes] == [(10, 20)]


def test_polygon_of_many_corners_is_drawn_with_some_of_them() -> None:
    corners = [{"x": index / 200, "y": 1} for index in range(2_000)]
    points = drawn({"label": "dog", "vertices": corners}, kind="polygon").shapes[0].points
    assert len(points) <= module.MAX_POINTS + 1
    assert (points[0], points[-1]) == ((0, 0.5), (9.995, 0.5))


def test_more_shapes_than_a_page_draws_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHAPES", 3)
    found = drawn_shapes(
        numbered([field(BOX, kind="box", predicted=BOX, reviewed=BOX)] * 6), [], Size(100, 100)
    )
    assert (len(found.shapes), found.problems) == (
        3,
        ["3 shapes are not drawn: only 3 are; show fewer fields."],
    )
    monkeypatch.undo()


def test_small_shapes_are_drawn_on_top_of_large_ones() -> None:
    sizes = (10, 90, 50)
    boxes = [BOX | {"left": 0, "top": 0, "width": size, "height": size} for size in sizes]
    found = drawn_shapes(numbered([field(box, kind="box", reviewed=box) for box in boxes]), [], PORTRAIT)
    image = ImageView(document=None, width=None, height=None, shapes=found.shapes)
    assert [row for row, _ in image.by_row] == [2, 3, 1]
