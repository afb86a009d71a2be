"""The positions of boxes and arrows.

Graphviz gets boxes of known sizes and no text. So the layout does not depend on the installed fonts, and a chart has
the same layout on every computer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from workflow.asl.graph.chart import Box, Chart

__all__ = ["LINE", "Layout", "layout_of", "pt", "text_height", "text_width", "wrapped"]

LINE = 17
SMALL_LINE = 14


@dataclass(frozen=True)
class Layout:
    """Positions in points from the top left corner, by the id of the box or arrow.

    Attributes:
        boxes: Left, top, width and height of a box.
        curves: The SVG path of an arrow, to its tip.
        labels: The centre of the label of an arrow or of a box that holds others.
    """

    width: float
    height: float
    boxes: Mapping[str, tuple[float, float, float, float]]
    curves: Mapping[str, str]
    labels: Mapping[str, tuple[float, float]]


def layout_of(chart: Chart) -> Layout:
    """The layout of a chart, by Graphviz."""
    from pygraphviz import AGraph  # Imported here because it is slow to load, and most commands draw nothing.

    graph = AGraph(directed=True, strict=False)
    graph.graph_attr.update(
        rankdir="TB", compound="true", nodesep="0.35", ranksep="0.42", pad="0", newrank="false"
    )
    graph.node_attr.update(shape="box", fixedsize="true", label="")

    def add(boxes: Sequence[Box], parent: Any) -> None:
        for box in boxes:
            width, height = _size(box)
            if box.holds:
                cluster = parent.add_subgraph(
                    name=f"cluster_{box.id}", label=_room(width, height), margin="14"
                )
                for number, inside in enumerate(box.holds):
                    branch = cluster
                    if len(box.holds) > 1:
                        branch = cluster.add_subgraph(
                            name=f"cluster_{box.id}b{number}", label="", peripheries="0", margin="4"
                        )
                    add(inside, branch)
            else:
                parent.add_node(box.id, width=f"{width / 72:.4f}", height=f"{height / 72:.4f}")

    add(chart.top, graph)
    for arrow in chart.arrows:
        # A high weight makes an arrow short and straight. Errors must not bend the normal flow.
        attributes = {"id": arrow.id, "weight": "1" if arrow.kind == "catch" else "8"}
        if arrow.label:
            attributes["label"] = _room(text_width(arrow.label, 11) + 10, SMALL_LINE + 2)
        # Graphviz joins only nodes, not clusters: an arrow runs between nodes inside and is cut off at the border.
        if arrow.tail.holds:
            attributes["ltail"] = f"cluster_{arrow.tail.id}"
        if arrow.head.holds:
            attributes["lhead"] = f"cluster_{arrow.head.id}"
        graph.add_edge(_last_inside(arrow.tail).id, _first_inside(arrow.head).id, key=arrow.id, **attributes)
    text = graph.to_string()
    layout = _layouts.get(text)
    if layout is None:
        layout = _read(json.loads(graph.draw(format="json0", prog="dot")))
        with suppress(KeyError):  # Another thread may have removed it.
            for oldest in list(_layouts)[: max(len(_layouts) - _MAX_LAYOUTS + 1, 0)]:
                del _layouts[oldest]
        _layouts[text] = layout
    return layout


_layouts: dict[str, Layout] = {}
"""Layouts by what Graphviz got: a page shows the same machine again and again. The oldest is first."""
_MAX_LAYOUTS = 32


def _read(drawn: Mapping[str, Any]) -> Layout:
    _, _, width, height = _numbers(drawn["bb"])
    boxes: dict[str, tuple[float, float, float, float]] = {}
    labels: dict[str, tuple[float, float]] = {}
    for item in drawn.get("objects", ()):
        if "pos" in item:
            x, y = _numbers(item["pos"])
            w, h = float(item["width"]) * 72, float(item["height"]) * 72
            boxes[item["name"]] = (x - w / 2, height - y - h / 2, w, h)
        elif "bb" in item:
            left, bottom, right, top = _numbers(item["bb"])
            name = item["name"].removeprefix("cluster_")
            boxes[name] = (left, height - top, right - left, top - bottom)
            if "lp" in item:
                x, y = _numbers(item["lp"])
                labels[name] = (x, height - y)
    curves = {}
    for edge in drawn.get("edges", ()):
        curves[edge["id"]] = _curve(edge["pos"], height)
        if "lp" in edge:
            x, y = _numbers(edge["lp"])
            labels[edge["id"]] = (x, height - y)
    return Layout(width, height, boxes, curves, labels)


def _curve(pos: str, height: float) -> str:
    """An SVG path from Graphviz's spline: `e,<tip> <start> <two control points and an end>…`."""
    tip = ""
    points = []
    for part in pos.split():
        x, y = _numbers(part.removeprefix("e,"))
        point = f"{pt(x)} {pt(height - y)}"
        if part.startswith("e,"):
            tip = f"L{point}"
        else:
            points.append(point)
    return f"M{points[0]}C{' '.join(points[1:])}{tip}"


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _first_inside(box: Box) -> Box:
    return _first_inside(box.holds[0][0]) if box.holds else box


def _last_inside(box: Box) -> Box:
    if not box.holds:
        return box
    longest = max(box.holds, key=_rows)
    ends = (one for one in reversed(longest) if one.ends and one.kind != "fail")
    return _last_inside(next(ends, longest[-1]))


def _rows(boxes: Sequence[Box]) -> int:
    """About how many rows a machine takes, so that what comes after it is drawn below it."""
    return sum(1 + max((_rows(inside) for inside in box.holds), default=0) for box in boxes)


def _room(width: float, height: float) -> str:
    """An empty label of the given size."""
    return (
        f'<<TABLE BORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" WIDTH="{width:.0f}"'
        f' HEIGHT="{height:.0f}"><TR><TD></TD></TR></TABLE>>'
    )


def _size(box: Box) -> tuple[float, float]:
    if box.kind == "start":
        return 14, 14
    width = max(*(text_width(line, 13) for line in wrapped(box.name)), text_width(box.note, 11), 56)
    height = text_height(box)
    if box.holds:
        return width + 8, height + 4
    return width + (52 if box.kind == "choice" else 28), height + 18


def wrapped(name: str) -> list[str]:
    """A name as lines of at most 24 characters; a longer word stays whole."""
    return wrap(name, 24, break_long_words=False, break_on_hyphens=False) or [""]


def text_height(box: Box) -> int:
    """The height of the name of a box and its note."""
    return len(wrapped(box.name)) * LINE + (SMALL_LINE if box.note else 0)


def text_width(text: str, size: float) -> float:
    """The estimated width of a text in a sans-serif font; rather too wide than too narrow."""

    def share(char: str) -> float:
        if char in "iljtfrI.,:;|!'()[] ":
            return 0.34
        if char in "mwMW@%…" or ord(char) > 0x2E80:  # East Asian scripts and emoji are wide.
            return 1.0
        return 0.74 if char.isupper() else 0.61

    return size * sum(share(char) for char in text)


def pt(number: float) -> str:
    """A number of points for SVG, rounded to a tenth."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # "+ 0.0" turns -0.0 into 0.0.
