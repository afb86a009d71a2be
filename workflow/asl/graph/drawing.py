"""The SVG of a machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.sax import saxutils

from lambdas.loops.visible import visible
from workflow.asl.graph.chart import Arrow, Box, Chart, StateFigures, StateStatus, chart_of
from workflow.asl.graph.layout import LINE, Layout, layout_of, pt, text_height, text_width, wrapped
from workflow.asl.graph.style import EXECUTION_STYLE, MACHINE_STYLE
from workflow.asl.walk import Machine

__all__ = ["embedded_svg", "svg"]

MARGIN = 16


def svg(definition: Machine, execution: Mapping[str, StateStatus | StateFigures] | None = None) -> str:
    """Draws a machine, or one execution of it, as a document of its own.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        execution: What happened in the execution's states, by name. States that are missing were not reached.

    Returns:
        An SVG document. The same definition gives the same bytes on every computer.
    """
    chart = chart_of(definition, execution)
    layout = layout_of(chart)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    legend, legend_width = _drawn_legend(chart, height)
    if legend:
        width, height = max(width, legend_width), height + _LEGEND
    title = str(definition.get("Comment", "State machine"))
    start = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {_size_of(width, height)} role="img" aria-label={_attribute(title)}>',
        f"<title>{_xml(title)}</title>",
        f"<style>{MACHINE_STYLE}{EXECUTION_STYLE if legend else ''}</style>",
    ]
    return "\n".join([*start, *_drawn(chart, layout, width, height, _plain), *legend, "</svg>"]) + "\n"


def embedded_svg(
    definition: Machine,
    execution: Mapping[str, StateStatus | StateFigures] | None = None,
    *,
    link: Callable[[str], str] | None = None,
    selected: str | None = None,
) -> str:
    """Draws a machine, or one execution of it, as a part of a page that has `stylesheet`.

    Args:
        definition: ASL.
        execution: See `svg`.
        link: Gives the address that a state links to, by the name of the state. None: no links.
        selected: The name of the state that the page shows more of.

    Returns:
        An `<svg>` element without a style, a background and a legend. Nothing in it needs an exception in a content
        security policy.
    """
    chart = chart_of(definition, execution)
    layout = layout_of(chart)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    title = str(definition.get("Comment", "State machine"))
    # In an element of the role "img", links are not accessible.
    role = "img" if link is None else "group"

    def place(box: Box, group: str) -> str:
        if link is None or box.kind == "start":
            return group
        words = _attribute(f"{box.name}: {_words(box)}" if box.figures else box.name)
        current = ' aria-current="true"' if box.name == selected else ""
        return f"<a href={_attribute(link(box.name))} aria-label={words}{current}>{group}</a>"

    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="machine" {_size_of(width, height)} role="{role}"'
        f" aria-label={_attribute(title)}>"
    )
    parts = _drawn(chart, layout, width, height, place, selected or "")
    return "\n".join([start, *parts, "</svg>"]) + "\n"


def _size_of(width: float, height: float) -> str:
    return f'width="{pt(width)}" height="{pt(height)}" viewBox="0 0 {pt(width)} {pt(height)}"'


def _plain(box: Box, group: str) -> str:
    return group


def _drawn(
    chart: Chart,
    layout: Layout,
    width: float,
    height: float,
    place: Callable[[Box, str], str],
    selected: str | None = None,
) -> list[str]:
    """The elements of the picture.

    Args:
        place: Called with each drawn state; returns what to draw.
        selected: The name of the selected state. None: states cannot be selected or links.
    """
    return [
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" class="tip"/></marker></defs>',
        f'<rect class="page" width="{pt(width)}" height="{pt(height)}" rx="12"/>',
        f'<g transform="translate({MARGIN} {MARGIN})">',
        *(place(box, _drawn_cluster(box, layout, selected)) for box in chart.boxes if box.holds),
        *(_drawn_arrow(arrow, layout) for arrow in chart.arrows),
        *(place(box, _drawn_state(box, layout, selected)) for box in chart.boxes if not box.holds),
        *(_drawn_label(arrow, layout) for arrow in chart.arrows if arrow.label),
        "</g>",
    ]


_LEGEND = 30
_SIGNS = {
    StateStatus.PASSED: ("M-3.5 .3L-1 3L3.5 -2.8", "passed"),
    StateStatus.RETRIED: ("M3.2 -2A3.8 3.8 0 1 0 3.6 1.6M3.6 -4.2V-1.6H1", "passed after a retry"),
    StateStatus.CAUGHT: ("M0 -4V.6M0 3.8V4", "failed, and the error was caught"),
    StateStatus.FAILED: ("M-3 -3L3 3M3 -3L-3 3", "failed"),
    StateStatus.RUNNING: ("M-3.6 0H-3.5M0 0H.1M3.6 0H3.7", "running"),
    StateStatus.ABORTED: ("M-3 -3H3V3H-3z", "stopped"),
    StateStatus.NOT_REACHED: ("", "not reached"),
    StateStatus.UNKNOWN: ("M-2.2 -2.2A2.3 2.3 0 1 1 0 .6V1.2M0 4V4.1", "unknown"),
}
"""The sign of a status as an SVG path around its centre, and its description."""


def _drawn_state(box: Box, layout: Layout, selected: str | None) -> str:
    left, top, width, height = layout.boxes[box.id]
    middle = left + width / 2
    if box.kind == "start":
        return (
            f'<g class="state start"><title>Start</title>'
            f'<circle class="shape" cx="{pt(middle)}" cy="{pt(top + height / 2)}" r="{pt(width / 2)}"/></g>'
        )
    if box.kind == "choice":
        edge, right, bottom, half = 16, left + width, top + height, top + height / 2
        shape = (
            f'<path class="shape" d="M{pt(left + edge)} {pt(top)}H{pt(right - edge)}L{pt(right)} {pt(half)}'
            f'L{pt(right - edge)} {pt(bottom)}H{pt(left + edge)}L{pt(left)} {pt(half)}z"/>'
        )
    else:
        radius = height / 2 if box.kind in ("succeed", "fail") else 8
        shape = _rectangle("shape", left, top, width, height, radius)
        if box.hidden:
            shape += f'<circle class="more" cx="{pt(left + width)}" cy="{pt(top + height / 2)}" r="4"/>'
        if box.ends and box.kind not in ("succeed", "fail"):
            shape += _rectangle("end", left + 3, top + 3, width - 6, height - 6, radius - 3)
    return _group(box, layout, shape + _texts(box, middle, top + height / 2), selected)


def _drawn_cluster(box: Box, layout: Layout, selected: str | None) -> str:
    left, top, width, height = layout.boxes[box.id]
    x, y = layout.labels[box.id]
    content = _rectangle("shape", left, top, width, height, 10) + _texts(box, x, y)
    return _group(box, layout, content, selected)


def _group(box: Box, layout: Layout, content: str, selected: str | None) -> str:
    left, top, width, height = layout.boxes[box.id]
    kind = box.kind.capitalize()
    title = "; ".join([f"{box.name} ({kind}{', ' + box.note if box.note else ''})", *box.hidden])
    classes = f"state {_xml(box.kind)}"
    if box.figures is not None:
        title += f": {_words(box)}"
        classes += f" {box.figures.status}"
        if box.figures.status is not StateStatus.NOT_REACHED:
            content += _badge(box.figures.status, left + width - 4, top + 1)
        if count := _count(box.figures):
            content += _pill(count, left + (10 if box.kind == "choice" else -4), top + height - 7)
    if box.name == selected:
        classes += " selected"
    if selected is not None:
        content = _rectangle("ring", left - 5, top - 5, width + 10, height + 10, 12) + content
    return f'<g class="{classes}" data-state={_attribute(box.name)}><title>{_xml(title)}</title>{content}</g>'


def _words(box: Box) -> str:
    """What happened in a state: "failed; 3 visits, 1 failed; 2 retries"."""
    figures = box.figures
    assert figures is not None, "only states of an execution have words"
    words = [_SIGNS[figures.status][1]]
    if figures.visits > 1:
        failed = f", {figures.failed} failed" if figures.failed else ""
        words.append(f"{figures.visits} visits{failed}")
    if figures.retries:
        words.append(_retries(figures.retries))
    return "; ".join(words)


def _count(figures: StateFigures) -> str:
    """The numbers on a box, such as "2 retries"."""
    parts = []
    if figures.visits > 1:
        parts.append(f"{figures.visits}\N{MULTIPLICATION SIGN}")
        if 0 < figures.failed < figures.visits:
            parts.append(f"{figures.failed} failed")
    if figures.retries and len(parts) < 2:
        parts.append(_retries(figures.retries))
    return ", ".join(parts)


def _retries(number: int) -> str:
    return f"{number} {'retry' if number == 1 else 'retries'}"


def _pill(text: str, left: float, top: float) -> str:
    width = text_width(text, 10) + 12
    return (
        _rectangle("pill", left, top, width, 15, 7.5)
        + f'<text class="count" x="{pt(left + width / 2)}" y="{pt(top + 11)}">{_xml(text)}</text>'
    )


def _badge(status: StateStatus, x: float, y: float) -> str:
    strokes = _SIGNS[status][0]
    sign = f'<path class="sign" transform="translate({pt(x)} {pt(y)})" d="{strokes}"/>' if strokes else ""
    return f'<circle class="badge" cx="{pt(x)}" cy="{pt(y)}" r="8"/>{sign}'


def _drawn_legend(chart: Chart, top: float) -> tuple[list[str], float]:
    """The legend of the signs and its width; empty for a picture without an execution."""
    parts = []
    left, middle = float(MARGIN), top + _LEGEND / 2 - MARGIN / 2
    for status in StateStatus:
        if any(box.figures and box.figures.status is status for box in chart.boxes):
            words = _SIGNS[status][1]
            parts.append(
                f'<g class="legend {status}">{_badge(status, left + 8, middle)}'
                f'<text x="{pt(left + 22)}" y="{pt(middle + 4.5)}">{_xml(words)}</text></g>'
            )
            left += 22 + text_width(words, 13) + 16
    return parts, left


def _texts(box: Box, x: float, middle: float) -> str:
    """The name of a box and its note, centred at a point."""
    lines = wrapped(box.name)
    top = middle - text_height(box) / 2
    texts = [
        f'<text x="{pt(x)}" y="{pt(top + number * LINE + 13)}">{_xml(line)}</text>'
        for number, line in enumerate(lines)
    ]
    if box.note:
        y = top + len(lines) * LINE + 11
        texts.append(f'<text class="note" x="{pt(x)}" y="{pt(y)}">{_xml(box.note)}</text>')
    return "".join(texts)


def _rectangle(kind: str, left: float, top: float, width: float, height: float, radius: float) -> str:
    return (
        f'<rect class="{kind}" x="{pt(left)}" y="{pt(top)}" width="{pt(width)}" height="{pt(height)}"'
        f' rx="{pt(radius)}"/>'
    )


def _drawn_arrow(arrow: Arrow, layout: Layout) -> str:
    title = f"{arrow.tail.name} → {arrow.head.name}" + (f": {arrow.meaning}" if arrow.meaning else "")
    return (
        f'<g class="arrow {arrow.kind}"><title>{_xml(title)}</title>'
        f'<path d="{layout.curves[arrow.id]}" marker-end="url(#arrow)"/></g>'
    )


def _drawn_label(arrow: Arrow, layout: Layout) -> str:
    x, y = layout.labels[arrow.id]
    width = text_width(arrow.label, 11) + 6
    return (
        _rectangle("plate", x - width / 2, y - 8, width, 16, 4)
        + f'<text class="label" x="{pt(x)}" y="{pt(y + 4)}">{_xml(arrow.label)}</text>'
    )


def _xml(text: str) -> str:
    return saxutils.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text)))


def _attribute(text: str) -> str:
    return saxutils.quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text)))


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, not even as references."""
