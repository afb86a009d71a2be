"""The SVG of a machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax import saxutils

from lambdas.loops.visible import visible
from workflow.asl.graph.chart import Arrow, Box, Chart, StateStatus, chart_of
from workflow.asl.graph.layout import LINE, Layout, layout_of, pt, text_height, text_width, wrapped
from workflow.asl.walk import Machine

__all__ = ["svg"]

MARGIN = 16


def svg(definition: Machine, statuses: Mapping[str, StateStatus] | None = None) -> str:
    """Draws a machine, or one execution of it.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        statuses: The status of the execution's states, by name. States that are missing were not reached.

    Returns:
        An SVG document. The same definition gives the same bytes on every computer.
    """
    chart = chart_of(definition, statuses)
    layout = layout_of(chart)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    legend, legend_width = _drawn_legend(chart, height)
    if legend:
        width, height = max(width, legend_width), height + _LEGEND
    title = str(definition.get("Comment", "State machine"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{pt(width)}" height="{pt(height)}"'
        f' viewBox="0 0 {pt(width)} {pt(height)}" role="img" aria-label={_attribute(title)}>',
        f"<title>{_xml(title)}</title>",
        f"<style>{_STYLE}{_EXECUTION_STYLE if legend else ''}</style>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" class="tip"/></marker></defs>',
        f'<rect class="page" width="{pt(width)}" height="{pt(height)}" rx="12"/>',
        f'<g transform="translate({MARGIN} {MARGIN})">',
        *(_drawn_cluster(box, layout) for box in chart.boxes if box.holds),
        *(_drawn_arrow(arrow, layout) for arrow in chart.arrows),
        *(_drawn_state(box, layout) for box in chart.boxes if not box.holds),
        *(_drawn_label(arrow, layout) for arrow in chart.arrows if arrow.label),
        "</g>",
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:13px;"
    "fill:#1f2933;text-anchor:middle}"
    ".note{font-size:11px;fill:#52606d}.label{font-size:11px;fill:#3e4c59}"
    ".page{fill:#f5f7fa;stroke:#cbd2d9}"
    ".state rect,.state path{fill:#fff;stroke:#3e4c59;stroke-width:1.4}"
    ".state.task>.shape{fill:#e8f1ff;stroke:#2563a8}"
    ".state.choice>.shape{fill:#fff4d6;stroke:#a86a10}"
    ".state.wait>.shape{fill:#f1e9fd;stroke:#6f42a8;stroke-dasharray:6 3}"
    ".state.pass>.shape{fill:#fff;stroke:#7b8794}"
    ".state.succeed>.shape{fill:#def7e5;stroke:#22804a}"
    ".state.fail>.shape{fill:#fde4e4;stroke:#b42318}"
    ".state.parallel>.shape,.state.map>.shape{fill:#e4e9f0;stroke:#7b8794}"
    ".state .end{fill:none;stroke-width:1}"
    ".state.start>.shape{fill:#1f2933;stroke:none}"
    ".arrow path{fill:none;stroke:#52606d;stroke-width:1.3}"
    ".arrow.catch path{stroke:#b42318;stroke-width:1.1;stroke-dasharray:4 3;opacity:.75}"
    ".tip{fill:context-stroke}.more{fill:#b42318}"
    ".plate{fill:#f5f7fa;opacity:.85}"
)

_EXECUTION_STYLE = (
    ".state.passed>.shape{fill:#bbf7d0;stroke:#15803d;stroke-width:3}"
    ".state.caught-error>.shape{fill:#fed7aa;stroke:#c2410c;stroke-width:3}"
    ".state.failed>.shape{fill:#fecaca;stroke:#b91c1c;stroke-width:3}"
    ".state.running>.shape{fill:#bfdbfe;stroke:#1d4ed8;stroke-width:3}"
    ".state.not-reached>.shape{fill:#fff;stroke:#b4bec9}"
    ".state.not-reached text{fill:#616e7c}.state.not-reached .end{stroke:#b4bec9}"
    ".passed>.badge{fill:#15803d}.caught-error>.badge{fill:#c2410c}.failed>.badge{fill:#b91c1c}"
    ".state.retried>.shape{fill:#d9f99d;stroke:#4d7c0f;stroke-width:3}"
    ".state.aborted>.shape{fill:#e5e7eb;stroke:#4b5563;stroke-width:3}"
    ".state.unknown>.shape{fill:#fff;stroke:#616e7c;stroke-dasharray:2 3}"
    ".retried>.badge{fill:#4d7c0f}.aborted>.badge{fill:#4b5563}.unknown>.badge{fill:#616e7c}"
    ".running>.badge{fill:#1d4ed8}.not-reached>.badge{fill:#fff;stroke:#b4bec9;stroke-width:1.4}"
    ".state>.sign,.sign{fill:none;stroke:#fff;stroke-width:2;stroke-linecap:round}"
    ".legend text{text-anchor:start}"
)
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


def _drawn_state(box: Box, layout: Layout) -> str:
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
    return _group(box, layout, shape + _texts(box, middle, top + height / 2))


def _drawn_cluster(box: Box, layout: Layout) -> str:
    left, top, width, height = layout.boxes[box.id]
    x, y = layout.labels[box.id]
    return _group(box, layout, _rectangle("shape", left, top, width, height, 10) + _texts(box, x, y))


def _group(box: Box, layout: Layout, content: str) -> str:
    kind = box.kind.capitalize()
    title = "; ".join([f"{box.name} ({kind}{', ' + box.note if box.note else ''})", *box.hidden])
    classes = f"state {_xml(box.kind)}"
    if box.status is not None:
        left, top, width, _ = layout.boxes[box.id]
        title += f": {_SIGNS[box.status][1]}"
        classes += f" {box.status}"
        if box.status is not StateStatus.NOT_REACHED:
            content += _badge(box.status, left + width - 4, top + 1)
    return f'<g class="{classes}" data-state={_attribute(box.name)}><title>{_xml(title)}</title>{content}</g>'


def _badge(status: StateStatus, x: float, y: float) -> str:
    strokes = _SIGNS[status][0]
    sign = f'<path class="sign" transform="translate({pt(x)} {pt(y)})" d="{strokes}"/>' if strokes else ""
    return f'<circle class="badge" cx="{pt(x)}" cy="{pt(y)}" r="8"/>{sign}'


def _drawn_legend(chart: Chart, top: float) -> tuple[list[str], float]:
    """The legend of the signs and its width; empty for a picture without an execution."""
    parts = []
    left, middle = float(MARGIN), top + _LEGEND / 2 - MARGIN / 2
    for status in StateStatus:
        if any(box.status is status for box in chart.boxes):
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
