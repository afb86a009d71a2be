"""Where Textract found the pairs of a form: the outlines of keys and values, in percent of the page.

A record does not say which blocks a field is from, so that it stays small. The fields are found again among the pairs
of the prediction, by their name and value, and fields that are alike in the order of the record.

Source: "Geometry" and "BoundingBox" in the Amazon Textract API reference: coordinates are ratios of the page's size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from lambdas.reviews.comparison.textract import PredictedPair
from lambdas.reviews.record import FieldRecord
from workflow.operations.review_view.model import ShapeView, Who
from workflow.operations.review_view.rows import NumberedField
from workflow.operations.review_view.shapes import Drawing, Point, Size, in_percent

__all__ = ["Outlines", "form_shapes", "match_pairs", "read_outlines"]

Outlines = Mapping[str, Sequence[Point]]
"""The corners of blocks, by id, as ratios of the page."""

_RESPONSES = ("selectedAiServiceResponse", "aiServiceResponse")
_WHOLE_PAGE = Size(1, 1)


def form_shapes(
    fields: Iterable[NumberedField],
    pair_of: Mapping[int, PredictedPair],
    outlines: Outlines,
) -> Drawing:
    """Returns the outlines of the keys and values of fields.

    Args:
        fields: The fields to show.
        pair_of: The pairs by the place of their field in the record.
        outlines: The corners of blocks.
    """
    shapes: list[ShapeView] = []
    unknown = 0
    for one in fields:
        pair = pair_of.get(one.place)
        if pair is None:
            continue
        drawn = False
        blocks: list[tuple[Who, str]] = [("key", pair.key), *(("value", block) for block in pair.values)]
        for who, block in blocks:
            points = in_percent(outlines.get(block, ()), _WHOLE_PAGE)
            if points is not None:
                drawn = True
                shapes.append(
                    ShapeView(
                        row=one.number,
                        who=who,
                        form="polygon",
                        points=points,
                        label=one.field.name,
                        outcome=one.field.outcome,
                    )
                )
        unknown += not drawn
    problem = "1 field is not drawn: its place is unknown."
    if unknown > 1:
        problem = f"{unknown:,} fields are not drawn: their place is unknown."
    return Drawing(shapes, [problem] if unknown else [])


def match_pairs(fields: Sequence[FieldRecord], pairs: Iterable[PredictedPair]) -> dict[int, PredictedPair]:
    """Returns the predicted pair of each field that has one, by the place of the field in the record."""
    by_name: dict[str, list[PredictedPair]] = {}
    for pair in pairs:
        by_name.setdefault(pair.name, []).append(pair)
    found: dict[int, PredictedPair] = {}
    # Fields with the same value first, then the other predicted ones, then those that were not compared.
    rounds = (
        lambda field, pair: field.predicted == pair.value,
        lambda field, pair: field.predicted is not None,
        lambda field, pair: not field.compared,
    )
    for fits in rounds:
        for place, field in enumerate(fields):
            free = by_name.get(field.name, ()) if place not in found else ()
            at = next((at for at, pair in enumerate(free) if fits(field, pair)), None)
            if at is not None:
                found[place] = by_name[field.name].pop(at)
    return found


def read_outlines(raw: bytes, ids: Collection[str]) -> dict[str, list[Point]]:
    """Returns the corners of blocks in an output: of each, its polygon or else its bounding box.

    Args:
        raw: The output.
        ids: The ids of the blocks.
    """
    try:
        document = from_json(raw)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, list[Point]] = {}
    within = document.get("inputContent") if isinstance(document, dict) else None
    for holder in (within, document):
        for name in _RESPONSES:
            response = holder.get(name) if isinstance(holder, dict) else None
            blocks = response.get("blocks") if isinstance(response, dict) else None
            for block in blocks if isinstance(blocks, list) else ():
                id_ = block.get("id") if isinstance(block, dict) else None
                if isinstance(id_, str) and id_ in ids and id_ not in found:
                    corners = _corners(block)
                    if corners:
                        found[id_] = corners
    return found


def _corners(block: dict[str, Any]) -> list[Point]:
    """Returns the corners of a block on the first page, which is the one that A2I shows."""
    geometry = block.get("geometry")
    if not isinstance(geometry, dict) or block.get("page") not in (None, 1):
        return []
    try:
        polygon = [(float(corner["x"]), float(corner["y"])) for corner in geometry["polygon"]]
        if len(polygon) > 2:
            return polygon
    except (KeyError, TypeError, ValueError, OverflowError):
        pass  # The box says nearly the same.
    try:
        box = geometry["boundingBox"]
        left, top = float(box["left"]), float(box["top"])
        right, bottom = left + float(box["width"]), top + float(box["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
