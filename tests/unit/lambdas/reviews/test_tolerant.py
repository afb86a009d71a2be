from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from lambdas.reviews.tolerant import tolerate


class Corner(BaseModel):
    x: int


class Shape(BaseModel):
    label: str
    corners: list[Corner] = []
    size: dict[str, int] | str | None = None


class Drawing(BaseModel):
    shapes: list[Shape] = []


GOOD = {"label": "a", "corners": [{"x": 1}]}


@pytest.mark.parametrize(
    ("value", "depth", "expected", "lost"),
    [
        ({"shapes": [GOOD]}, None, {"shapes": [GOOD]}, set()),
        ({"shapes": [GOOD, {}, 7, GOOD]}, None, {"shapes": [GOOD, GOOD]}, {"shapes"}),
        ({"shapes": [{"label": "a", "corners": [{"x": "q"}, {"x": 1}, {}]}]}, None, {"shapes": [GOOD]}, {"shapes"}),
        ({"shapes": [{"label": "a", "corners": [{"x": "q"}]}, GOOD]}, 2, {"shapes": [GOOD]}, {"shapes"}),
        ({"shapes": [GOOD | {"size": 7}]}, None, {"shapes": [GOOD]}, {"shapes"}),
        ({"shapes": [GOOD | {"size": {"a": "x", "b": 2}}]}, None, {"shapes": [GOOD]}, {"shapes"}),
        ({"shapes": 7}, None, {}, {"shapes"}),
        (7, None, None, set()),
        ([], None, None, set()),
    ],
)  # fmt: skip
def test_odd_parts_are_left_out(value: Any, depth: int | None, expected: Any, lost: set[str]) -> None:
    before = repr(value)
    found = tolerate(TypeAdapter(Drawing).validate_python, value, depth)
    assert (found.value and found.value.model_dump(exclude_unset=True)) == expected
    assert found.lost == lost
    assert repr(value) == before
