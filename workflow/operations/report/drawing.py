"""Drawings of the report: SVG that matplotlib makes, with the page's colours.

Each chart is drawn twice, for wide pages and for phones, because text in a scaled-down SVG is unreadable. A colour is
a CSS variable of the page, with a light and a dark value. Text stays text. Names from documents do not go through
matplotlib, which reads `$` as mathematics: matplotlib draws placeholders, which are replaced in the SVG.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow.operations.report import words
from workflow.operations.report.figures import Figures, Span

__all__ = [
    "COLOURS",
    "NARROW",
    "WIDE",
    "Chart",
    "Sheet",
    "Table",
    "bars",
    "ceiling",
    "dot",
    "draw_chart",
    "locator",
    "panel_heights",
    "percent_axis",
    "span_axis",
    "span_name",
]

WIDE, NARROW = 700, 340
"""The widths of the two drawings, in CSS pixels."""


@dataclass(frozen=True)
class Table:
    """Rows of text. The first `text_columns` columns are text, the others are numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: int = 1


@dataclass(frozen=True)
class Chart:
    """A chart for the page.

    Attributes:
        id: The chart's ID, unique in the page. All IDs in the drawings start with it.
        title: What the chart shows, for screen readers.
        description: The chart's content in one or two sentences, for screen readers.
        wide: The SVG for wide pages.
        narrow: The SVG for phones.
        table: The numbers of the chart.
    """

    id: str
    title: str
    description: str
    wide: str
    narrow: str
    table: Table


@dataclass(frozen=True)
class Mark:
    """How an area is drawn: in a colour, and with a pattern that tells it from its neighbours without colours.

    Attributes:
        colour: The CSS variable of the colour.
        pattern: stripes, dots, or empty.
    """

    colour: str
    pattern: str = ""

    @property
    def style(self) -> dict[str, Any]:
        """The arguments of matplotlib for a patch."""
        return {
            "facecolor": COLOURS[self.colour],
            "edgecolor": COLOURS["paper"],
            "hatch": {"stripes": "////", "dots": "....", "": None}[self.pattern],
            "linewidth": 1,
        }


# Parts of the charts


def bars(axes: Axes, places: Sequence[float], sizes: Sequence[int], width: float, label: str) -> None:
    """Draws bars with one tick, at the highest bar."""
    axes.bar(places, sizes, width=width, color=COLOURS["accent"], alpha=0.75)
    axes.set_ylim(0, max(sizes) * 1.05)
    axes.set_yticks([max(sizes)], [label])
    axes.grid(visible=False)


def dot(axes: Axes, x: float, y: float, colour: str, *, hollow: bool) -> None:
    """Draws a dot. Nothing cuts it off at an edge."""
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=7,
        clip_on=False,
        color=COLOURS[colour],
        markerfacecolor=COLOURS["paper" if hollow else colour],
        markeredgewidth=1.6,
    )


def span_axis(axes: Axes, spans: Sequence[Span], figures: Figures, *, ticks: int) -> None:
    """Labels the spans on the x axis, at most so many."""
    shown = list(range(0, len(spans), max(1, math.ceil(len(spans) / ticks))))
    axes.set_xlim(-0.6, len(spans) - 0.4)
    axes.set_xticks(shown, [span_name(spans[index], figures) for index in shown])


def span_name(span: Span, figures: Figures, *, whole: bool = False) -> str:
    """Returns the name of a day, week or month; with `whole`, for a table."""
    if figures.granularity == "month":
        return f"{span.first:%b %Y}" if whole or figures.period.days > 700 else f"{span.first:%b}"
    if figures.granularity == "week":
        return f"Week of {words.day(span.first)}" if whole else words.day(span.first)
    return f"{span.first:%a} {words.day(span.first)}" if whole else words.day(span.first)


def ceiling(share: float) -> float:
    """Returns the next round share that is not lower."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8)
    return next((step for step in steps if step >= share), 1.0)


def locator(max_ticks: int, *, integer: bool = False) -> MaxNLocator:
    """Returns where the ticks of an axis are: at round numbers."""
    return MaxNLocator(max_ticks, integer=integer, steps=[1, 2, 2.5, 5, 10])


def percent_axis(axis: Any, max_ticks: int = 5) -> None:
    """Labels an axis of shares with percentages."""
    axis.set_major_locator(locator(max_ticks))
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")


# From matplotlib to the page

# Marker colours, which no chart would use otherwise. Each is replaced by the CSS variable with its name.
COLOURS = {
    name: f"#01fe{index:02x}"
    for index, name in enumerate(
        ("ink", "soft", "rule", "paper", "accent", "tint", "warm", "deep", "muted"), start=1
    )
}
_VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}

_STYLE: dict[Any, Any] = {
    # Text stays text, and IDs do not change from run to run.
    "svg.fonttype": "none",
    "svg.hashsalt": "afterloop",
    "font.size": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "axes.facecolor": "none",
    "axes.edgecolor": COLOURS["rule"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 1,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["soft"],
    "xtick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.color": COLOURS["rule"],
    "ytick.labelcolor": COLOURS["soft"],
    "ytick.major.size": 0,
    "ytick.major.pad": 7,
    "axes.labelpad": 7,
}


class Sheet:
    """A drawing with a size in CSS pixels, and the names that replace its placeholders."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.wide = width == WIDE
        self.names: dict[str, str] = {}
        self.figure = Figure((width / 72, height / 72), dpi=72)
        self.figure.patch.set_alpha(0)

    def axes(self, *, left: int, right: int, top: int, bottom: int) -> Axes:
        """Adds axes with these margins, in pixels."""
        return self.figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                (self.width - left - right) / self.width,
                (self.height - top - bottom) / self.height,
            )
        )

    def panels(
        self,
        names: Sequence[str],
        *,
        above: int,
        below: int,
        single: tuple[int, int, int, int],
        left: int = 40,
    ) -> list[Axes]:
        """Adds axes for each name, in a grid, with the name above it; one without a name has the whole width.

        Args:
            names: The names, from documents.
            above: The height above the grid, in pixels.
            below: The height below the grid, in pixels.
            single: The margins of axes that are alone: left, right, top, bottom.
            left: The margin for the labels of each y axis.
        """
        if len(names) == 1:
            margins = single
            return [self.axes(left=margins[0], right=margins[1], top=margins[2], bottom=margins[3])]
        columns = _columns(len(names), wide=self.wide)
        width = self.width / columns
        height = _PANEL_HEIGHTS[not self.wide]
        found = []
        for place, name in enumerate(names):
            row, column = divmod(place, columns)
            top = above + row * height
            axes = self.axes(
                left=round(column * width) + left,
                right=self.width - round((column + 1) * width) + 14,
                top=top + 30,
                bottom=self.height - top - height + 28,
            )
            self.name(axes, 0, 1.12, name, int(width / 7.5) - 2, ha="left", transform=axes.transAxes)
            found.append(axes)
        return found

    def key(self, lines: Sequence[tuple[str, str, bool]]) -> None:
        """Draws what the lines of the chart mean, at its top: text, colour, and whether the line is dashed."""
        axes = self.axes(left=0, right=0, top=0, bottom=self.height - 24)
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(0, 1)
        x = 4.0
        for text, colour, dashed in lines:
            style: Any = (0, (5, 2)) if dashed else "-"
            axes.plot([x, x + 26], [0.5, 0.5], color=COLOURS[colour], linewidth=2.2, linestyle=style)
            self.text(axes, x + 34, 0.5, text, colour="ink", va="center")
            x += 34 + 7.2 * len(text) + 22

    def text(self, axes: Axes, x: float, y: float, text: str, *, colour: str, **options: Any) -> None:
        """Draws a text of the report, at a position in the axes' data."""
        axes.text(x, y, text, color=COLOURS[colour], parse_math=False, clip_on=False, **options)

    def name(self, axes: Axes, x: float, y: float, name: str, limit: int, *, ha: str, **options: Any) -> None:
        """Draws a name from a document, at a position in the axes' data."""
        placeholder = f"name-{len(self.names)}"
        self.names[placeholder] = words.shortened(words.legible(name), limit)
        self.text(axes, x, y, placeholder, colour="ink", ha=ha, **{"va": "center", **options})


_PANEL_HEIGHTS = (196, 164)
"""The height of a panel, with its name, in a wide and in a narrow drawing."""


def _columns(number: int, *, wide: bool) -> int:
    if wide:
        return 2 if number in (2, 4) else 3
    return 1 if number == 2 else 2


def panel_heights(number: int, *, above: int, below: int, single: tuple[int, int]) -> tuple[int, int]:
    """Returns the heights of the two drawings of a chart with so many panels; see `Sheet.panels`."""
    if number == 1:
        return single
    wide, narrow = (
        above + below + -(-number // _columns(number, wide=wide)) * height
        for wide, height in zip((True, False), _PANEL_HEIGHTS, strict=True)
    )
    return wide, narrow


def draw_chart(
    chart_id: str,
    title: str,
    description: str,
    draw: Callable[[Sheet], None],
    *,
    heights: tuple[int, int],
    table: Table,
) -> Chart:
    """Returns a chart, drawn by `draw` for both widths.

    Args:
        chart_id: See `Chart`.
        title: See `Chart`.
        description: See `Chart`.
        draw: Draws on a sheet.
        heights: The heights of the two drawings, in CSS pixels.
        table: See `Chart`.
    """
    drawings = []
    for form, width, height in (("wide", WIDE, heights[0]), ("narrow", NARROW, heights[1])):
        with rc_context():
            rcdefaults()  # Ignores the user's own matplotlibrc.
            rcParams.update(_STYLE)
            sheet = Sheet(width, height)
            draw(sheet)
            file = io.BytesIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            sheet.figure.savefig(file, format="svg", transparent=True, metadata=nothing)
        drawings.append(_inline_svg(file.getvalue(), f"{chart_id}-{form}", form, title, description, sheet))
    return Chart(chart_id, title, description, drawings[0], drawings[1], table)


def _inline_svg(svg: bytes, prefix: str, form: str, title: str, description: str, sheet: Sheet) -> str:
    """Returns the drawing as an HTML element, without namespaces and styles, and with IDs unique in the page."""
    root = ElementTree.fromstring(svg)  # noqa: S314 (matplotlib wrote it)
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(key): value for key, value in element.attrib.items()}
        element.attrib.clear()
        for key, value in attributes.items():
            element.set(key, _rewritten(key, value, prefix))
        # matplotlib writes a rotation for every text, usually of 0 degrees.
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        if element.tag == "text" and element.text in sheet.names:
            element.text = sheet.names[element.text]
        elif element.tag != "text":
            element.text = None
        element.tail = None
    root.attrib.clear()
    root.attrib.update(
        {
            "class": form,
            "viewBox": f"0 0 {sheet.width} {sheet.height}",
            "width": str(sheet.width),
            "height": str(sheet.height),
            "role": "img",
            "aria-labelledby": f"{prefix}-title {prefix}-desc",
        }
    )
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rewritten(key: str, value: str, prefix: str) -> str:
    # matplotlib numbers the IDs of each drawing from 1, so they need a prefix in a page with many drawings.
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href":
        return f"#{prefix}-{value[1:]}"
    if key in ("fill", "stroke"):
        return _VARIABLES.get(value.lower(), value)
    if key == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-")
    if key == "style":
        # The page's CSS sets the font and defines the colours.
        value = re.sub(r"font-family:[^;]*;? ?", "", value).replace("url(#", f"url(#{prefix}-")
        return re.sub(r"#01fe[0-9a-f]{2}", lambda match: _VARIABLES[match[0]], value)
    return re.sub(r"\s+", " ", value).strip() if key == "d" else value
