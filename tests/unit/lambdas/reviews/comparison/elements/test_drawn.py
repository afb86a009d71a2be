"""What elements for drawing have in common."""

from __future__ import annotations

from typing import Any

import pytest

from tests.review_samples import custom, fields_of

CORNERS = [{"x": 10, "y": 10}, {"x": 50, "y": 10}, {"x": 50, "y": 50}]
SHAPES: dict[str, dict[str, Any]] = {
    "boundingBoxes": {"label": "dog", "left": 10, "top": 10, "width": 40, "height": 40},
    "entities": {"label": "dog", "startOffset": 10, "endOffset": 20},
    "keypoints": {"label": "dog", "x": 10, "y": 10},
    "polygons": {"label": "dog", "vertices": CORNERS},
    "lines": {"label": "dog", "vertices": CORNERS[:2]},
    "polylines": {"label": "dog", "vertices": CORNERS},
}
SIZE = {"inputImageProperties": {"width": 100, "height": 100}}
every_shape = pytest.mark.parametrize("key", SHAPES)


def away(key: str) -> dict[str, Any]:
    """The shape, moved by half of its size."""
    shape = dict(SHAPES[key])
    for side in {"left", "x"} & shape.keys():
        shape[side] += 4
    for side in {"startOffset", "endOffset"} & shape.keys():
        shape[side] += 4
    if "vertices" in shape:
        shape["vertices"] = [
            corner | {"x": corner["x"] + 4, "y": corner["y"] + 4} for corner in shape["vertices"]
        ]
    return shape


def outcomes(shown: Any, *answers: Any) -> list[str]:
    document = custom({"initialValue": shown} if shown is not None else {}, *({"e": one} for one in answers))
    return sorted(field.outcome for field in fields_of(document))


@every_shape
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    ("modified", "expected"), [(False, "kept"), (True, "changed"), (None, "changed"), ("maybe", "changed")]
)
def test_unmodified_shapes_are_kept(key: str, workers: int, modified: Any, expected: str) -> None:
    flag = {} if modified is None else {"initialValueModified": modified}
    answer = {key: [away(key)], **SIZE, **flag}
    assert outcomes([SHAPES[key]], *[answer] * workers) == [expected]
    assert outcomes(None, answer) == ["answered"]


@every_shape
def test_unmodified_shapes_that_are_others_are_compared(key: str) -> None:
    answer = {key: [SHAPES[key]], **SIZE, "initialValueModified": False}
    assert outcomes([SHAPES[key], SHAPES[key] | {"label": "cat"}], answer) == ["kept", "removed"]


@every_shape
@pytest.mark.parametrize(
    "odd",
    [7, None, {}, {"label": "cat"}, "label", "corner"],
    ids=["number", "null", "empty", "bare", "label", "corner"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_odd_shape_costs_only_what_the_answer_lacks(key: str, odd: Any, workers: int) -> None:
    if odd == "label":
        odd = SHAPES[key] | {"label": ["cat"]}
    if odd == "corner":
        odd = {name: ("x" if name != "label" else value) for name, value in SHAPES[key].items()}
    cat = SHAPES[key] | {"label": "cat"}
    # The worker's second shape could be the predicted cat.
    answer = {key: [SHAPES[key], odd], **SIZE}
    assert outcomes([SHAPES[key], cat], *[answer] * workers) == ["answered", "kept"]
    # The second predicted shape could be the worker's cat.
    answer = {key: [SHAPES[key], cat], **SIZE}
    assert outcomes([SHAPES[key], odd], *[answer] * workers) == ["answered", "kept"]
    # Of a polygon with an odd corner, nothing is left.
    assert outcomes([SHAPES[key]], {key: [odd], **SIZE}) == ["answered"]


@every_shape
@pytest.mark.parametrize("size", [7, "large", {"width": "x", "height": 1}, {"width": 3}, None])
def test_odd_size_of_the_image_is_unknown(key: str, size: Any) -> None:
    assert outcomes([SHAPES[key]], {key: [SHAPES[key]], "inputImageProperties": size}) == ["kept"]


@every_shape
def test_number_is_a_label(key: str) -> None:
    numbered = SHAPES[key] | {"label": 7}
    assert outcomes([SHAPES[key] | {"label": "7"}], {key: [numbered], **SIZE}) == ["kept"]
