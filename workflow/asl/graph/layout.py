"""Where boxes and arrows stand: Graphviz decides, of boxes of known sizes and no text.

So no installed font moves anything, and the same chart has the same layout on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow.asl.graph.chart import Arrow, Box, Chart

__all__ = ["LINE", "SMALL_LINE", "Layout", "layout_of", "pt", "text_width", "wrapped"]

LINE = 17
SMALL_LINE = 14
_MAX_LENGTH = 800
"""Ranks that all arrows may pass through: Graphviz's time grows with more than the square of it."""


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in points, from the top left corner."""

    width: float
    height: float
    boxes: Mapping[str, tuple[float, float, float, float]]
    """Of a box: left, top, width, height."""
    curves: Mapping[str, str]
    """Of an arrow: the path to its tip."""
    labels: Mapping[str, tuple[float, float]]
    """Of an arrow or a cluster: the centre of its label."""


def layout_of(chart: Chart) -> Layout:
    """Have Graphviz lay a chart out."""
    from pygraphviz import AGraph  # Graphviz takes a moment to load, and most commands draw nothing.

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
                    branch = (
                        cluster.add_subgraph(
                            name=f"cluster_{box.id}b{number}", label="", peripheries="0", margin="4"
                        )
                        if len(box.holds) > 1
                        else cluster
                    )
                    add(inside, branch)
            else:
                parent.add_node(box.id, width=f"{width / 72:.4f}", height=f"{height / 72:.4f}")

    add(chart.top, graph)
    left_out = _longest(chart)
    for arrow in chart.arrows:
        if arrow in left_out:
            continue
        attributes = {"id": arrow.id, "weight": "1" if arrow.kind == "catch" else "8"}
        if arrow.label:
            attributes["label"] = _room(text_width(arrow.label, 11) + 10, SMALL_LINE + 2)
        if arrow.tail.holds:
            attributes["ltail"] = f"cluster_{arrow.tail.id}"
        if arrow.head.holds:
            attributes["lhead"] = f"cluster_{arrow.head.id}"
        graph.add_edge(_last_inside(arrow.tail).id, _first_inside(arrow.head).id, key=arrow.id, **attributes)
    return _bowed(left_out, _read(json.loads(graph.draw(format="json0", prog="dot"))))


def _longest(chart: Chart) -> list[Arrow]:
    """The arrows to leave out, longest first, so that the layout takes no more than a second or so."""
    ranks = _ranks(chart)
    lengths = {arrow: abs(ranks[arrow.head.id] - ranks[arrow.tail.id]) for arrow in chart.arrows}
    too_much = sum(lengths.values()) - len(lengths) - _MAX_LENGTH
    left_out = []
    for arrow in sorted(chart.arrows, key=lambda arrow: -lengths[arrow]):
        if too_much <= 0:
            break
        left_out.append(arrow)
        too_much -= lengths[arrow] - 1
    return left_out


def _ranks(chart: Chart) -> dict[str, int]:
    """How far down each box will stand: the longest way to it, arrows that lead back left out."""
    heads: dict[str, list[str]] = {box.id: [] for box in chart.boxes}
    for arrow in chart.arrows:
        heads[arrow.tail.id].append(arrow.head.id)
    finished: dict[str, None] = {}
    ahead: dict[str, list[str]] = {}
    for box in chart.boxes:
        path = [(box.id, iter(heads[box.id]))] if box.id not in ahead else []
        on_path = {box.id}
        ahead.setdefault(box.id, [])
        while path:
            here, remaining = path[-1]
            following = next(remaining, None)
            if following is None:
                finished[here] = None
                on_path.discard(here)
                path.pop()
            elif following not in on_path:
                ahead[here].append(following)
                if following not in ahead:
                    ahead[following] = []
                    on_path.add(following)
                    path.append((following, iter(heads[following])))
    ranks = dict.fromkeys(finished, 0)
    for here in reversed(finished):
        for following in ahead[here]:
            ranks[following] = max(ranks[following], ranks[here] + 1)
    return ranks


def _bowed(arrows: Sequence[Arrow], layout: Layout) -> Layout:
    """Draw arrows that Graphviz was not given: out at the right, past everything, and in at the right."""
    curves, labels = dict(layout.curves), dict(layout.labels)
    width = layout.width
    for number, arrow in enumerate(arrows, 1):
        left, top, wide, high = layout.boxes[arrow.tail.id]
        x, y = left + wide, top + high / 2
        left, top, wide, high = layout.boxes[arrow.head.id]
        tip, end = left + wide, top + high / 2
        out = layout.width + 12 + 4 * number
        curves[arrow.id] = f"M{pt(x)} {pt(y)}C{pt(out)} {pt(y)} {pt(out)} {pt(end)} {pt(tip)} {pt(end)}"
        if arrow.label:
            labels[arrow.id] = (x + text_width(arrow.label, 11) / 2 + 8, y - 10)
        width = max(width, out)
    return Layout(width, layout.height, layout.boxes, curves, labels)


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
    """A path from Graphviz's spline: `e,<tip> <start> <two control points and an end>…`."""
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
    longest = max(box.holds, key=len)
    ends = (one for one in reversed(longest) if one.ends and one.kind != "fail")
    return _last_inside(next(ends, longest[-1]))


def _room(width: float, height: float) -> str:
    """A label without text that takes room."""
    return (
        f'<<TABLE BORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" WIDTH="{width:.0f}"'
        f' HEIGHT="{height:.0f}"><TR><TD></TD></TR></TABLE>>'
    )


def _size(box: Box) -> tuple[float, float]:
    if box.kind == "start":
        return 14, 14
    lines = wrapped(box.name)
    width = max(*(text_width(line, 13) for line in lines), text_width(box.note, 11), 56)
    height = len(lines) * LINE + (SMALL_LINE if box.note else 0)
    if box.holds:
        return width + 8, height + 4
    return width + (52 if box.kind == "choice" else 28), height + 18


def wrapped(name: str, longest: int = 24) -> list[str]:
    """A name as lines of so many characters, if its words allow."""
    lines = [""]
    for word in name.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > longest:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def text_width(text: str, size: float) -> float:
    """About how wide a sans-serif font writes a text; rather too much than too little."""

    def share(char: str) -> float:
        if char in "iljtfrI.,:;|!'()[] ":
            return 0.34
        if char in "mwMW@%…" or ord(char) > 0x2E80:  # East Asian scripts and emoji are wide.
            return 1.0
        return 0.74 if char.isupper() else 0.61

    return size * sum(share(char) for char in text)


def pt(number: float) -> str:
    """A number of points as SVG writes it, to a tenth."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0 for there is a -0.0
