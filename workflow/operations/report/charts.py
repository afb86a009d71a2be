"""The report's charts of all reviews: outcomes, fields, times, and the status of human loops."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta

from workflow.operations.report import words
from workflow.operations.report.drawing import (
    COLOURS,
    Chart,
    Mark,
    Sheet,
    Table,
    ceiling,
    dot,
    draw_chart,
    locator,
    percent_axis,
    span_axis,
    span_name,
)
from workflow.operations.report.figures import Figures, Share, Span
from workflow.operations.report.loop_facts import STATUSES, LoopFacts

__all__ = ["OUTCOME_MARKS", "dot_chart", "outcome_chart", "status_chart", "status_mark", "time_chart"]


OUTCOME_MARKS = {
    "kept": Mark("accent"),
    "changed": Mark("warm", "stripes"),
    "removed": Mark("deep", "dots"),
    "unresolved": Mark("muted"),
}
"""The outcomes of predictions, and how each one is drawn."""

_STATUS_MARKS = {
    "Completed": Mark("accent"),
    "Failed": Mark("warm", "stripes"),
    "Stopped": Mark("deep", "dots"),
    "InProgress": Mark("muted"),
    "Starting": Mark("muted", "stripes"),
    "NotNeeded": Mark("tint"),
    "Refused": Mark("tint", "dots"),
}


def status_mark(status: str) -> Mark:
    """Returns how a status of human loops is drawn."""
    return _STATUS_MARKS.get(status, Mark("muted", "dots"))


def outcome_chart(figures: Figures) -> Chart:
    """Returns a bar with the outcomes of the reviewed predictions. `OUTCOME_MARKS` is its legend."""
    parts = [(outcome, figures.outcomes.get(outcome, 0)) for outcome in OUTCOME_MARKS]
    total = sum(size for _, size in parts)

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes(left=0, right=0, top=0, bottom=0)
        axes.set_axis_off()
        left = 0.0
        for outcome, size in parts:
            axes.barh(
                [0],
                [size / total],
                left=[left],
                height=1,
                **OUTCOME_MARKS[outcome].style,
            )
            left += size / total
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.5, 0.5)

    return draw_chart(
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

    def draw(sheet: Sheet) -> None:
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
            else ceiling(max([*(value * 1.08 for value in values), *(high for _, high in intervals)]))
        )
        axes.set_xlim(left, right)
        axes.set_ylim(len(rows) - 0.35, -0.65)
        if whole is not None:
            axes.axvline(whole, color=COLOURS["soft"], linewidth=1, dashes=(3, 3))
        for place, ((name, share), low, high) in enumerate(zip(rows, lows, highs, strict=True)):
            # On a phone, the name is above the dot, not to its left.
            at = place if sheet.wide else place + 0.2
            ends = [max(low, left), min(high, right)]
            axes.plot(ends, [at, at], color=COLOURS[colour], linewidth=2.5, alpha=0.4)
            for end, tip, beyond in ((left, "<", low < left), (right, ">", high > right)):
                if beyond:
                    axes.plot([end], [at], marker=tip, markersize=5, color=COLOURS[colour], clip_on=False)
            dot(axes, share.value, at, colour, hollow=share.small)
            value = f"{words.percent(share.value)} of {words.count(share.n)}"
            if sheet.wide:
                gap = 0.03 * (right - left)
                sheet.name(axes, left - gap, at, name, 36, ha="right")
                sheet.text(axes, right + gap, at, value, colour="soft", ha="left", va="center")
            else:
                sheet.name(axes, left, at - 0.42, name, 26, ha="left")
                sheet.text(axes, right, at - 0.42, value, colour="soft", ha="right", va="center")
        percent_axis(axes.xaxis, max_ticks=5 if sheet.wide else 4)
        axes.yaxis.grid(visible=False)
        axes.set_yticks([])

    return draw_chart(
        chart_id,
        title,
        description,
        draw,
        heights=(40 + 27 * len(rows), 40 + 44 * len(rows)),
        table=table,
    )


def time_chart(figures: Figures) -> Chart:
    """Returns the number of answers by time taken."""
    seconds = figures.times.sorted_seconds
    bars = _time_bars(seconds)

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes(left=4, right=4, top=22, bottom=28)
        places = range(len(bars))
        sizes = [size for _, size in bars]
        axes.bar(places, sizes, width=0.8, color=COLOURS["accent"], alpha=0.75)
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

    return draw_chart(
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

    def draw(sheet: Sheet) -> None:
        axes = sheet.axes(left=50, right=14, top=14, bottom=28)
        below = [0] * len(figures.spans)
        for status in statuses:
            axes.bar(
                places,
                counts[status],
                bottom=below,
                width=0.72,
                **status_mark(status).style,
            )
            below = [under + more for under, more in zip(below, counts[status], strict=True)]
        axes.set_ylim(0, max([*below, 1]) * 1.05)
        axes.xaxis.grid(visible=False)
        axes.yaxis.set_major_locator(locator(4, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: words.count(round(value)))
        span_axis(axes, figures.spans, figures, ticks=8 if sheet.wide else 4)

    return draw_chart(
        "status",
        f"Human loops by status, by {figures.granularity}",
        "; ".join(f"{words.count(facts.by_status[status])} {status}" for status in statuses) + ".",
        draw,
        heights=(260, 240),
        table=Table(
            (figures.granularity.capitalize(), *statuses),
            [
                (
                    span_name(span, figures, whole=True),
                    *(words.count(counts[status][index]) for status in statuses),
                )
                for index, span in enumerate(figures.spans)
            ],
        ),
    )


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
