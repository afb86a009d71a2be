from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.comparison.textract import predicted_pairs
from tests.review_samples import answered_pair, pair, parsed, record_of, textract
from tests.unit.workflow.operations.review_view.samples import field
from workflow.operations.review_view.forms import form_shapes, match_pairs, read_outlines
from workflow.operations.review_view.inputs import of_output
from workflow.operations.review_view.rows import numbered


def placed(blocks: list[dict[str, Any]], top: float) -> list[dict[str, Any]]:
    """Blocks with geometry: keys on the left, values on the right."""
    return [
        block
        | {
            "geometry": {
                "boundingBox": {
                    "left": 0.1 if block["id"].endswith("key") else 0.5,
                    "top": top,
                    "width": 0.3,
                    "height": 0.05,
                }
            }
        }
        for block in blocks
    ]


def shapes_of(document: dict[str, Any], **settings: Any) -> list[tuple[str, str, tuple[float, float]]]:
    """Returns (field, key or value, the first corner) of each shape."""
    record = record_of(document, **settings)
    form = of_output(json.dumps(document).encode()).form(record.fields)
    assert form is not None
    found = form_shapes(numbered(record.fields), *form)
    return sorted((shape.label, shape.who, shape.points[0]) for shape in found.shapes)


def test_fields_are_where_textract_found_their_pairs() -> None:
    document = textract(
        [placed(pair("a", "Name", "Ana"), 0.1), placed(pair("b", "City", "Rome"), 0.2)],
        [answered_pair("a", "Name", "Anna"), answered_pair("b", "City", "Rome")],
    )
    assert shapes_of(document) == [
        ("City", "key", (10, 20)), ("City", "value", (50, 20)),
        ("Name", "key", (10, 10)), ("Name", "value", (50, 10)),
    ]  # fmt: skip


def test_equal_keys_are_told_apart_by_their_values() -> None:
    document = textract(
        [placed(pair("a", "Item", "tea"), 0.1), placed(pair("b", "Item", "milk"), 0.2)],
        [answered_pair("b", "Item", "milk"), answered_pair("a", "Item", "teas")],
    )
    record = record_of(document)
    # The record of another version can have them in another order.
    fields = [*reversed(record.fields)]
    pairs = match_pairs(fields, predicted_pairs(parsed(document)))
    assert {fields[place].predicted: found.key for place, found in pairs.items()} == {
        '"tea"': "a-key", '"milk"': "b-key",
    }  # fmt: skip


def test_alias_of_an_important_key_is_where_its_pair_is() -> None:
    key = {"importantFormKey": "Full name", "importantFormKeyAliases": ["Name"]}
    document = textract(
        [placed(pair("a", "Name", "Ana"), 0.1)],
        [answered_pair("a", "Name", "Ana")],
        humanLoopContext={"importantFormKeys": [key]},
    )
    assert shapes_of(document)[0] == ("Full name", "key", (10, 10))


def test_field_that_a_worker_added_has_no_place() -> None:
    document = textract(
        [placed(pair("a", "Name", "Ana"), 0.1)],
        [answered_pair("a", "Name", "Ana"), answered_pair("x", "Age", "7")],
    )
    assert {name for name, _, _ in shapes_of(document)} == {"Name"}


def test_field_without_geometry_is_reported() -> None:
    document = textract([pair("a", "Name", "Ana")], [answered_pair("a", "Name", "Ana")])
    record = record_of(document)
    form = of_output(json.dumps(document).encode()).form(record.fields)
    assert form is not None
    assert form_shapes(numbered(record.fields), *form).problems == [
        "1 field is not drawn: its place is unknown."
    ]


BOX = {"left": 0, "top": 0, "width": 1, "height": 0.5}
CORNERS = [(0, 0), (1, 0), (1, 0.5), (0, 0.5)]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"geometry": {"boundingBox": BOX}}, CORNERS),
        ({"geometry": {"boundingBox": BOX, "polygon": []}}, CORNERS),
        ({"geometry": {"boundingBox": BOX, "polygon": [{"x": 0}]}}, CORNERS),
        (
            {"geometry": {"polygon": [{"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 1, "y": 1}]}},
            [(0, 0), (1, 0), (1, 1)],
        ),
        ({"geometry": {"boundingBox": BOX}, "page": 2}, None),
        ({"geometry": {"boundingBox": {"left": "a"}}}, None),
        ({"geometry": None}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("within", [True, False])
def test_outline_of_a_block_is_read(block: dict[str, Any], expected: Any, within: bool) -> None:
    response = {"aiServiceResponse": {"blocks": [None, 3, {"id": ["a"]}, {"id": "a", **block}, {"id": "b"}]}}
    raw = json.dumps({"inputContent": response} if within else response).encode()
    assert read_outlines(raw, {"a"}).get("a") == expected


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"[" * 10_000, b'{"inputContent": {"aiServiceResponse": 3}}']
)
def test_outlines_of_an_odd_document_are_unknown(raw: bytes) -> None:
    assert read_outlines(raw, {"a"}) == {}


def test_pair_of_a_field_that_was_not_compared_is_found() -> None:
    output = parsed(textract([pair("a", "Name", "Ana")], [answered_pair("a", "Name", "Ana")]))
    fields = [field("Ana", name="Name", compared=False, outcome="answered"), field("x", name="Other")]
    assert [*match_pairs(fields, predicted_pairs(output))] == [0]
