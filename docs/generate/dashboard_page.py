"""Draws a dashboard as a page: the grid, numbers, graphs and alarms of its body, with their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from matplotlib.axes import Axes

from docs.generate.dashboard_data import Graph, Series
from workflow import ROOT
from workflow.operations.report.drawing import COLOURS, Sheet, Table, draw_chart, locator

__all__ = ["Day", "dashboard_page"]

_HEIGHT = 190
_STYLES = (("accent", "solid"), ("warm", "dashed"), ("deep", "dotted"))
_CSS = """
body { background: var(--panel); font-size: 15px; line-height: 1.45; }
main.grid { max-width: 1240px; padding: 16px; display: grid; grid-template-columns: repeat(24, 1fr); gap: 12px; }
main.grid > section { margin: 0; background: var(--paper); border: 1px solid var(--rule); padding: 12px 16px; }
main.grid > section.text { background: none; border: 0; padding: 0 2px; }
main.grid h1 { font-size: 1.5rem; margin: 4px 0 4px; }
main.grid h2 { font: 600 1rem/1.3 var(--sans); margin: 0 0 8px; }
main.grid p { margin: 0; color: var(--soft); }
main.grid svg { display: block; width: 100%; height: auto; font-family: var(--sans); }
.key, .numbers, .alarms { list-style: none; margin: 8px 0 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 18px; }
.key li::before { content: ""; display: inline-block; width: 22px; margin-right: 7px; vertical-align: middle;
  border-top: 3px var(--line) var(--colour); }
.key.areas li::before { height: 10px; border: 0; background: var(--colour); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 12px 18px; }
.numbers b { display: block; color: var(--ink); font: 600 1.9rem/1.15 var(--serif); }
.numbers li { color: var(--soft); line-height: 1.3; }
.alarms { gap: 8px; }
.alarms li { border: 1px solid var(--rule); border-left: 5px solid var(--accent); padding: 2px 10px; }
.alarms li.alarm { border-left-color: var(--deep); color: var(--deep); }
.alarms li.none { border-left-color: var(--muted); }
@media (max-width: 760px) { main.grid > section { grid-column: 1 / -1 !important; } }
"""


class Day:
    """Places moments of a time range on its days.

    Attributes:
        first: The day that the range begins with.
        count: The number of days.
    """

    def __init__(self, start: datetime, seconds: float, first: datetime, count: int) -> None:
        self._start, self._seconds = start, seconds
        self.first, self.count = first, count

    def of(self, moment: datetime) -> float:
        """Returns the days from the first one to a moment."""
        return (moment - self._start).total_seconds() / self._seconds

    def name(self, place: float) -> str:
        """Returns the date of a day."""
        day = self.first + timedelta(days=round(place))
        return f"{day.day} {day:%b}"


def dashboard_page(
    body: Mapping[str, Any], graphs: Mapping[str, Graph], alarms: Mapping[str, tuple[str, str]], day: Day
) -> str:
    """Returns the page.

    Args:
        body: The body of the dashboard.
        graphs: The title of each metric widget → its data.
        alarms: ARN → name and state.
        day: The days of the time range.
    """
    sections = []
    for number, widget in enumerate(body["widgets"]):
        properties, kind = widget["properties"], widget["type"]
        if kind == "text":
            content = MarkdownIt().render(properties["markdown"])
        elif kind == "alarm":
            content = _titled(properties, _alarms([alarms[arn] for arn in properties["alarms"]]))
        else:
            graph = graphs[properties["title"]]
            is_number = properties.get("view") == "singleValue"
            content = _titled(
                properties, _numbers(graph) if is_number else _drawn(f"graph{number}", graph, day)
            )
        place = f"grid-column: {widget['x'] + 1} / span {widget['width']}"
        sections.append(f'<section class="{kind}" style="{place}">{content}</section>')
    css = (ROOT / "workflow/operations/report/page.css").read_text()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboard</title>'
        f'<style>{css}{_CSS}</style><main class="grid">{"".join(sections)}</main></html>'
    )


def _titled(properties: Mapping[str, Any], content: str) -> str:
    return f"<h2>{escape(properties['title'])}</h2>{content}"


def _numbers(graph: Graph) -> str:
    items = (
        f"<li><b>{_figure(one.points[-1][1]) if one.points else '-'}</b>{escape(one.label)}</li>"
        for one in graph.shown
    )
    return f'<ul class="numbers">{"".join(items)}</ul>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"


def _alarms(alarms: Sequence[tuple[str, str]]) -> str:
    classes = {"ALARM": "alarm", "INSUFFICIENT_DATA": "none"}
    words = {"ALARM": "in alarm", "INSUFFICIENT_DATA": "no data", "OK": "OK"}
    items = (
        f'<li class="{classes.get(state, "")}">{escape(name)}: {words[state]}</li>' for name, state in alarms
    )
    return f'<ul class="alarms">{"".join(items)}</ul>'


def _drawn(name: str, graph: Graph, day: Day) -> str:
    stacked = graph.properties.get("stacked", False)
    title = graph.properties["title"]
    chart = draw_chart(
        name,
        title,
        title,
        lambda sheet: _draw(sheet, graph, day, stacked=stacked),
        heights=(_HEIGHT, _HEIGHT),
        table=Table([], []),
    )
    items = (
        f'<li style="--colour: var(--{colour}); --line: {line}">{escape(one.label)}</li>'
        for one, (colour, line) in zip(graph.shown, _STYLES, strict=False)
    )
    # The drawing for phones: two of them are beside each other.
    drawing = chart.narrow.replace('class="narrow"', "")
    return f'{drawing}<ul class="key{" areas" if stacked else ""}">{"".join(items)}</ul>'


def _draw(sheet: Sheet, graph: Graph, day: Day, *, stacked: bool) -> None:
    axes = sheet.axes(left=40, right=12, top=12, bottom=26)
    shown = graph.shown
    if stacked:
        _draw_areas(axes, shown, day)
    else:
        for one, (colour, line) in zip(shown, _STYLES, strict=False):
            places = [day.of(moment) for moment, _ in one.points]
            values = [value for _, value in one.points]
            marker = "o" if len(places) <= day.count else ""
            axes.plot(
                places,
                values,
                color=COLOURS[colour],
                linestyle=line,
                linewidth=2,
                marker=marker,
                markersize=4,
            )
    top = graph.properties.get("yAxis", {}).get("left", {}).get("max")
    axes.set_ylim(0, top if top is not None else max(axes.get_ylim()[1], 1))
    axes.set_xlim(-0.3, day.count - 0.7)
    whole = all(value == round(value) for one in shown for _, value in one.points)
    axes.yaxis.set_major_locator(locator(5, integer=whole))
    ticks = range(0, day.count, max(1, day.count // 5))
    axes.set_xticks(list(ticks), [day.name(place) for place in ticks])


def _draw_areas(axes: Axes, shown: Sequence[Series], day: Day) -> None:
    places = range(day.count)
    rows = []
    for one in shown:
        values = {round(day.of(moment)): value for moment, value in one.points}
        rows.append([values.get(place, 0) for place in places])
    axes.stackplot(places, rows, colors=[COLOURS[colour] for colour, _ in _STYLES], alpha=0.8, linewidth=0)
