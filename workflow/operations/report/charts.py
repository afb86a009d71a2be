"""The report's charts: SVG that matplotlib draws, with the page's colours.

Each chart is drawn twice, for wide pages and for phones, because text in a scaled-down SVG is unreadable. A colour is
a CSS variable of the page, with a light and a dark value. Text stays text. Names from documents do not go through
matplotlib, which reads `$` as mathematics: matplotlib draws placeholders, which are replaced in the SVG.
"""

from __future__ import annotations

import io
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow.operations.report import words
from workflow.operations.report.figures import ConfidenceFigures, Figures, Share, Span
from workflow.operations.report.loop_facts import STATUSES, LoopFacts

__all__ = [
    "OUTCOME_COLOURS",
    "STATUS_COLOURS",
    "Chart",
    "Table",
    "calibration_chart",
    "dot_chart",
    "outcome_chart",
    "status_chart",
    "threshold_chart",
    "time_chart",
    "trend_chart",
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


# The charts


def outcome_chart(figures: Figures) -> Chart:
    """Returns a bar with the outcomes of the reviewed predictions. `OUTCOME_COLOURS` is its legend."""
    parts = [(outcome, figures.outcomes.get(outcome, 0)) for outcome in OUTCOME_COLOURS]
    total = sum(size for _, size in parts)

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=0, right=0, top=0, bottom=0)
        axes.set_axis_off()
        left = 0.0
        for outcome, size in parts:
            axes.barh(
                [0],
                [size / total],
                left=[left],
                height=1,
                color=_COLOURS[OUTCOME_COLOURS[outcome]],
                linewidth=0,
            )
            left += size / total
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.5, 0.5)

    return _chart(
        "outcomes",
        "Outcomes of the model's predictions",
        "; ".join(f"{words.percent(size / total)} {outcome}" for outcome, size in parts) + ".",
        draw,
        heights=(34, 30),
        table=Table(
            ("Outcome", "Predictions", "Share"),
            [(outcome, words.count(size), words.percent(size / total)) for outcome, size in parts],
        ),
    )


def trend_chart(figures: Figures) -> Chart:
    """Returns the overrule rate over time with its interval, above the number of reviews."""
    spans = figures.spans
    rates = [span.overruled.value for span in spans]
    known = [index for index, span in enumerate(spans) if span.overruled.n]
    alone = [index for index in known if not {index - 1, index + 1} & set(known)]
    places = range(len(spans))

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=44, right=14, top=14, bottom=98)
        low = [spans[index].overruled.interval[0] if index in known else math.nan for index in places]
        high = [spans[index].overruled.interval[1] if index in known else math.nan for index in places]
        axes.fill_between(places, low, high, color=_COLOURS["warm"], alpha=0.16, linewidth=0)
        if alone:  # A single point has no area, so it gets a line.
            lows, highs = ([side[index] for index in alone] for side in (low, high))
            axes.vlines(alone, lows, highs, color=_COLOURS["warm"], linewidth=2.5, alpha=0.4)
        axes.plot(places, rates, color=_COLOURS["warm"], linewidth=2, marker="o", markersize=4, clip_on=False)
        axes.axhline(figures.overruled.value, color=_COLOURS["soft"], linewidth=1, dashes=(3, 3))
        # The axis fits all rates. The wide interval of a day with few reviews may be cut off, except if it is alone.
        whole = [high[index] for index in known] if alone == known else []
        top = max([1.25 * rates[index] for index in known] + [1.25 * figures.overruled.value, *whole])
        axes.set_ylim(0, _ceiling(min(1.0, top)))
        _percent_axis(axes.yaxis)
        axes.set_xlim(-0.6, len(spans) - 0.4)
        axes.set_xticks([])

        volume = sheet.axes(left=44, right=14, top=sheet.height - 74, bottom=24)
        maximum = max(span.reviews for span in spans)
        _bars(volume, places, [span.reviews for span in spans], 0.72, words.count(maximum))
        _span_axis(volume, figures, wide=sheet.wide)
        sheet.text(volume, -0.6, maximum * 1.1, "reviews", colour="soft", ha="left", va="bottom")

    return _chart(
        "trend",
        f"Overruled predictions by {figures.granularity}",
        f"{words.percent(figures.overruled.value)} over the whole period (dashed). "
        + (
            f"From {words.percent(min(rates[index] for index in known))} in the best {figures.granularity} to "
            f"{words.percent(max(rates[index] for index in known))} in the worst."
            if known
            else ""
        ),
        draw,
        heights=(330, 300),
        table=Table(
            (figures.granularity.capitalize(), "Reviews", "Predictions", "Overruled", "Rate", "95% interval"),
            [
                (
                    _span_name(span, figures, whole=True),
                    words.count(span.reviews),
                    words.count(span.overruled.n),
                    words.count(span.overruled.hits),
                    words.rate(span.overruled),
                    words.interval(span.overruled),
                )
                for span in spans
            ],
        ),
    )


def dot_chart(
    chart_id: str,
    title: str,
    description: str,
    rows: Sequence[tuple[str, Share]],
    *,
    colour: str,
    whole: float | None,
    table: Table,
) -> Chart:
    """Returns a row for each name: a dot for its share, and a line for its interval. Small samples have hollow dots.

    Args:
        chart_id: See `Chart`.
        title: See `Chart`.
        description: See `Chart`.
        rows: Names and shares, from top to bottom.
        colour: The colour of the dots: accent or warm.
        whole: The overall share, drawn as a dashed line.
        table: See `Chart`.
    """

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=232 if sheet.wide else 2, right=126 if sheet.wide else 8, top=6, bottom=26)
        lows, highs = zip(*(share.interval for _, share in rows), strict=True)
        values = [share.value for _, share in rows] + ([] if whole is None else [whole])
        # Most shares are near one end of the scale, so the axis shows that end. It fits the whole intervals, except
        # those of a few small samples, which would stretch the axis for all.
        intervals = [share.interval for _, share in rows if not share.small]
        if 2 * len(intervals) < len(rows):
            intervals = [share.interval for _, share in rows]
        lowest = min([*(10 * value - 0.5 for value in values), *(10 * low for low, _ in intervals)])
        left = math.floor(lowest) / 10 if min(values) > 0.6 else 0.0
        right = (
            1.0
            if left
            else _ceiling(max([*(value * 1.08 for value in values), *(high for _, high in intervals)]))
        )
        axes.set_xlim(left, right)
        axes.set_ylim(len(rows) - 0.35, -0.65)
        if whole is not None:
            axes.axvline(whole, color=_COLOURS["soft"], linewidth=1, dashes=(3, 3))
        for place, ((name, share), low, high) in enumerate(zip(rows, lows, highs, strict=True)):
            # On a phone, the name is above the dot, not to its left.
            at = place if sheet.wide else place + 0.2
            ends = [max(low, left), min(high, right)]
            axes.plot(ends, [at, at], color=_COLOURS[colour], linewidth=2.5, alpha=0.4)
            for end, tip, beyond in ((left, "<", low < left), (right, ">", high > right)):
                if beyond:
                    axes.plot([end], [at], marker=tip, markersize=5, color=_COLOURS[colour], clip_on=False)
            _dot(axes, share.value, at, colour, hollow=share.small)
            value = f"{words.percent(share.value)} of {words.count(share.n)}"
            if sheet.wide:
                gap = 0.03 * (right - left)
                sheet.name(axes, left - gap, at, name, 36, ha="right")
                sheet.text(axes, right + gap, at, value, colour="soft", ha="left", va="center")
            else:
                sheet.name(axes, left, at - 0.42, name, 26, ha="left")
                sheet.text(axes, right, at - 0.42, value, colour="soft", ha="right", va="center")
        _percent_axis(axes.xaxis, max_ticks=5 if sheet.wide else 4)
        axes.yaxis.grid(visible=False)
        axes.set_yticks([])

    return _chart(
        chart_id,
        title,
        description,
        draw,
        heights=(40 + 27 * len(rows), 40 + 44 * len(rows)),
        table=table,
    )


def calibration_chart(about: ConfidenceFigures, chart_id: str = "calibration") -> Chart:
    """Returns the model's confidence against how often people agreed, above the number of predictions."""
    bands = [band for band in about.bands if band.kept.known]
    start = bands[0].low

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=62, right=16, top=14, bottom=112)
        axes.plot([start, 1], [start, 1], color=_COLOURS["soft"], linewidth=1, dashes=(3, 3))
        low = [band.kept.interval[0] for band in bands]
        high = [band.kept.interval[1] for band in bands]
        confidence = [band.mean_confidence for band in bands]
        axes.vlines(confidence, low, high, color=_COLOURS["accent"], linewidth=2.5, alpha=0.4)
        large = [band for band in bands if not band.checked.small]
        axes.plot(
            [band.mean_confidence for band in large],
            [band.kept.value for band in large],
            color=_COLOURS["accent"],
            linewidth=1.6,
        )
        for band in bands:
            _dot(axes, band.mean_confidence, band.kept.value, "accent", hollow=band.checked.small)
        bottom = max(0.0, math.floor(10 * min([*low, start])) / 10)
        axes.set_xlim(start, 1.004)
        axes.set_ylim(bottom, 1.02)
        _percent_axis(axes.yaxis)
        axes.set_xticks([])
        axes.set_ylabel("people agreed")
        sheet.text(axes, 0.985, bottom + 0.03 * (1 - bottom), "overconfident", colour="soft", ha="right")
        sheet.text(axes, start + 0.02 * (1 - start), 0.97, "underconfident", colour="soft", va="top")

        volume = sheet.axes(left=62, right=16, top=sheet.height - 88, bottom=44)
        maximum = max(band.checked.n for band in bands)
        middles = [(band.low + band.high) / 2 for band in bands]
        label = f"{maximum / 1000:.0f}k" if maximum >= 10_000 else words.count(maximum)
        _bars(volume, middles, [band.checked.n for band in bands], 0.088, label)
        volume.set_xlim(start, 1.004)
        _percent_axis(volume.xaxis)
        volume.set_xlabel("the model's confidence")
        sheet.text(volume, start, maximum * 1.1, "predictions", colour="soft", va="bottom")

    return _chart(
        chart_id,
        "The model's confidence and how often people agreed",
        "On the dashed line, people agree exactly as often as the confidence says. "
        f"The average calibration error is {words.percent(about.calibration_error)}.",
        draw,
        heights=(430, 380),
        table=Table(
            ("Confidence", "Predictions", "Mean confidence", "People agreed", "95% interval"),
            [
                (
                    f"{100 * band.low:.0f}% to {100 * band.high:.0f}%",
                    words.count(band.checked.n),
                    words.percent(band.mean_confidence),
                    words.percent(band.kept.value)
                    + (" (few)" if band.checked.small and band.checked.n else ""),
                    words.interval(band.kept),
                )
                for band in about.bands
            ],
        ),
    )


def threshold_chart(about: ConfidenceFigures, table: Table, chart_id: str = "threshold") -> Chart:
    """Returns two curves over the threshold: the reviews needed, and the errors missed."""
    tried = about.thresholds
    used = [figure.threshold for figure in tried if figure.reviews_needed]
    start = math.floor(10 * max(0.0, min(used, default=1.0) - 0.01)) / 10
    shown = [figure for figure in tried if figure.threshold >= start - 1e-9]
    reviews = [figure.reviews.value for figure in shown]
    errors = [figure.errors_missed.value for figure in shown]
    thresholds = [figure.threshold for figure in shown]

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=44, right=14, top=30, bottom=44)
        axes.plot(thresholds, reviews, color=_COLOURS["accent"], linewidth=2.2, clip_on=False)
        axes.plot(thresholds, errors, color=_COLOURS["warm"], linewidth=2.2, clip_on=False)
        axes.set_xlim(start, 1.0)
        axes.set_ylim(0, 1.0)
        _percent_axis(axes.xaxis)
        _percent_axis(axes.yaxis)
        axes.set_xlabel("threshold (predictions below it go to people)")
        end = 1.035
        sheet.text(axes, start, end, "errors missed", colour="warm", va="bottom", weight="bold")
        sheet.text(axes, 1.0, end, "reviews needed", colour="accent", ha="right", va="bottom", weight="bold")

    middle = min(tried, key=lambda figure: abs(figure.threshold - 0.8))
    return _chart(
        chart_id,
        "Reviews needed and errors missed, by confidence threshold",
        f"At {words.percent(middle.threshold, 0)}, {words.percent(middle.reviews.value, 0)} of the reviews would "
        f"be needed, and {words.percent(middle.errors_missed.value, 0)} of the errors would be missed.",
        draw,
        heights=(330, 300),
        table=table,
    )


def time_chart(figures: Figures) -> Chart:
    """Returns the number of answers by time taken."""
    seconds = figures.times.sorted_seconds
    bars = _time_bars(seconds)

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=4, right=4, top=22, bottom=28)
        places = range(len(bars))
        sizes = [size for _, size in bars]
        axes.bar(places, sizes, width=0.8, color=_COLOURS["accent"], alpha=0.75)
        axes.set_xlim(-0.6, len(bars) - 0.4)
        axes.set_ylim(0, max(sizes) * 1.02)
        axes.set_yticks([])
        axes.grid(visible=False)
        ticks = list(places) if sheet.wide else list(places)[::2]
        axes.set_xticks(ticks, [bars[place][0] for place in ticks])
        for place in places:
            share = sizes[place] / len(seconds)
            # Labels of low bars would overlap on a phone.
            if sheet.wide or share >= 0.05:
                label = words.percent(share, 0)
                sheet.text(axes, place, sizes[place] + max(sizes) * 0.02, label, colour="soft", ha="center")

    return _chart(
        "time",
        "Time taken per answer",
        f"Half of the answers take {words.duration(figures.times.median)} or less, and 90% take "
        f"{words.duration(figures.times.p90)} or less.",
        draw,
        heights=(230, 210),
        table=Table(
            ("Time", "Answers", "Share"),
            [(name, words.count(size), words.percent(size / len(seconds))) for name, size in bars],
        ),
    )


def status_chart(figures: Figures, facts: LoopFacts) -> Chart:
    """Returns the human loops over time, stacked by status."""
    known = [status for status in STATUSES if facts.by_status.get(status)]
    statuses = known + sorted(status for status in facts.by_status if status not in STATUSES)
    counts = {status: [_loops_in(facts, span, status) for span in figures.spans] for status in statuses}
    places = range(len(figures.spans))

    def draw(sheet: _Sheet) -> None:
        axes = sheet.axes(left=50, right=14, top=14, bottom=28)
        below = [0] * len(figures.spans)
        for status in statuses:
            axes.bar(
                places,
                counts[status],
                bottom=below,
                width=0.72,
                color=_COLOURS[STATUS_COLOURS.get(status, "muted")],
            )
            below = [under + more for under, more in zip(below, counts[status], strict=True)]
        axes.set_ylim(0, max([*below, 1]) * 1.05)
        axes.xaxis.grid(visible=False)
        axes.yaxis.set_major_locator(_locator(4, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: words.count(round(value)))
        _span_axis(axes, figures, wide=sheet.wide)

    return _chart(
        "status",
        f"Human loops by status, by {figures.granularity}",
        "; ".join(f"{words.count(facts.by_status[status])} {status}" for status in statuses) + ".",
        draw,
        heights=(260, 240),
        table=Table(
            (figures.granularity.capitalize(), *statuses),
            [
                (
                    _span_name(span, figures, whole=True),
                    *(words.count(counts[status][index]) for status in statuses),
                )
                for index, span in enumerate(figures.spans)
            ],
        ),
    )


OUTCOME_COLOURS = {"kept": "accent", "changed": "warm", "removed": "deep", "unresolved": "muted"}
"""The outcomes of predictions, and the CSS variable of each one's colour."""

STATUS_COLOURS = {
    "Completed": "accent",
    "Failed": "warm",
    "Stopped": "deep",
    "InProgress": "muted",
    "Starting": "muted",
    "NotNeeded": "tint",
}
"""The statuses of human loops, and the CSS variable of each one's colour."""


# Parts of the charts


def _bars(axes: Axes, places: Sequence[float], sizes: Sequence[int], width: float, label: str) -> None:
    """Draws bars with one tick, at the highest bar."""
    axes.bar(places, sizes, width=width, color=_COLOURS["accent"], alpha=0.75)
    axes.set_ylim(0, max(sizes) * 1.05)
    axes.set_yticks([max(sizes)], [label])
    axes.grid(visible=False)


def _dot(axes: Axes, x: float, y: float, colour: str, *, hollow: bool) -> None:
    axes.plot(
        [x],
        [y],
        marker="o",
        markersize=7,
        clip_on=False,
        color=_COLOURS[colour],
        markerfacecolor=_COLOURS["paper" if hollow else colour],
        markeredgewidth=1.6,
    )


def _span_axis(axes: Axes, figures: Figures, *, wide: bool) -> None:
    """Labels the spans on the x axis, as many as there is room for."""
    number = len(figures.spans)
    ticks = list(range(0, number, max(1, math.ceil(number / (8 if wide else 4)))))
    axes.set_xlim(-0.6, number - 0.4)
    axes.set_xticks(ticks, [_span_name(figures.spans[index], figures) for index in ticks])


def _span_name(span: Span, figures: Figures, *, whole: bool = False) -> str:
    if figures.granularity == "month":
        return f"{span.first:%b %Y}" if whole or figures.period.days > 700 else f"{span.first:%b}"
    if figures.granularity == "week":
        return f"Week of {words.day(span.first)}" if whole else words.day(span.first)
    return f"{span.first:%a} {words.day(span.first)}" if whole else words.day(span.first)


def _loops_in(facts: LoopFacts, span: Span, status: str) -> int:
    days = (str(span.first + timedelta(days=day)) for day in range(span.days))
    return sum(facts.by_day.get(day, {}).get(status, 0) for day in days)


def _time_bars(seconds: Sequence[float]) -> list[tuple[str, int]]:
    """Returns the answers in each range of times. Empty ranges at both ends are left out."""
    edges = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
    text = "under 5 s,5-10 s,10-20 s,20-30 s,30-60 s,1-2 min,2-5 min,5-10 min,10-30 min,30-60 min,over 1 h"
    names = text.replace("-", "\N{EN DASH}").split(",")
    sizes = [0] * len(names)
    for value in seconds:
        sizes[bisect_right(edges, value)] += 1
    filled = [index for index, size in enumerate(sizes) if size]
    return [(names[index], sizes[index]) for index in range(filled[0], filled[-1] + 1)]


def _ceiling(share: float) -> float:
    """Returns the next round share that is not lower."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8)
    return next((step for step in steps if step >= share), 1.0)


def _locator(max_ticks: int, *, integer: bool = False) -> MaxNLocator:
    return MaxNLocator(max_ticks, integer=integer, steps=[1, 2, 2.5, 5, 10])


def _percent_axis(axis: Any, max_ticks: int = 5) -> None:
    axis.set_major_locator(_locator(max_ticks))
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")


# From matplotlib to the page

# Marker colours, which no chart would use otherwise. Each is replaced by the CSS variable with its name.
_COLOURS = {
    name: f"#01fe{index:02x}"
    for index, name in enumerate(
        ("ink", "soft", "rule", "paper", "accent", "tint", "warm", "deep", "muted"), start=1
    )
}
_VARIABLES = {colour: f"var(--{name})" for name, colour in _COLOURS.items()}

_STYLE: dict[Any, Any] = {
    # Text stays text, and IDs do not change from run to run.
    "svg.fonttype": "none",
    "svg.hashsalt": "afterloop",
    "font.size": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "axes.facecolor": "none",
    "axes.edgecolor": _COLOURS["rule"],
    "axes.labelcolor": _COLOURS["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _COLOURS["rule"],
    "grid.linewidth": 1,
    "text.color": _COLOURS["ink"],
    "xtick.color": _COLOURS["rule"],
    "xtick.labelcolor": _COLOURS["soft"],
    "xtick.major.size": 0,
    "xtick.major.pad": 7,
    "ytick.color": _COLOURS["rule"],
    "ytick.labelcolor": _COLOURS["soft"],
    "ytick.major.size": 0,
    "ytick.major.pad": 7,
    "axes.labelpad": 7,
}


class _Sheet:
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

    def text(self, axes: Axes, x: float, y: float, text: str, *, colour: str, **options: Any) -> None:
        """Draws a text of the report, at a position in the axes' data."""
        axes.text(x, y, text, color=_COLOURS[colour], parse_math=False, clip_on=False, **options)

    def name(self, axes: Axes, x: float, y: float, name: str, limit: int, *, ha: str) -> None:
        """Draws a name from a document, at a position in the axes' data."""
        placeholder = f"name-{len(self.names)}"
        self.names[placeholder] = words.shortened(words.legible(name), limit)
        self.text(axes, x, y, placeholder, colour="ink", ha=ha, va="center")


def _chart(
    chart_id: str,
    title: str,
    description: str,
    draw: Callable[[_Sheet], None],
    *,
    heights: tuple[int, int],
    table: Table,
) -> Chart:
    drawings = []
    for form, width, height in (("wide", WIDE, heights[0]), ("narrow", NARROW, heights[1])):
        with rc_context():
            rcdefaults()  # Ignores the user's own matplotlibrc.
            rcParams.update(_STYLE)
            sheet = _Sheet(width, height)
            draw(sheet)
            file = io.BytesIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            sheet.figure.savefig(file, format="svg", transparent=True, metadata=nothing)
        drawings.append(_inline_svg(file.getvalue(), f"{chart_id}-{form}", form, title, description, sheet))
    return Chart(chart_id, title, description, drawings[0], drawings[1], table)


def _inline_svg(svg: bytes, prefix: str, form: str, title: str, description: str, sheet: _Sheet) -> str:
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
    if key == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-")
    if key == "style":
        # The page's CSS sets the font and defines the colours.
        value = re.sub(r"font-family:[^;]*;? ?", "", value)
        return re.sub(r"#01fe[0-9a-f]{2}", lambda match: _VARIABLES[match[0]], value)
    return re.sub(r"\s+", " ", value).strip() if key == "d" else value
