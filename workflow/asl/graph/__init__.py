"""A picture of the machine: SVG, laid out by Graphviz, and Mermaid text, both from its ASL.

The bytes depend on the definition alone. Graphviz is given boxes of known sizes and no text, so that no
installed font moves anything: it decides where the boxes stand and how the arrows run, and the drawing is
written here.

In the SVG every state is a `<g class="state task" data-state="Record review">`. In a picture of an execution its
classes also say what became of it, and so do its colour, a sign at its corner, and a legend. A neutral
background of its own keeps it readable on light and dark pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.sax import saxutils

__all__ = ["Became", "mermaid", "svg"]

_Machine = Mapping[str, Any]


class Became(StrEnum):
    """What became of a state in an execution, as its class in the SVG."""

    PASSED = "passed"
    CAUGHT = "caught-error"
    FAILED = "failed"
    RUNNING = "running"
    NOT_REACHED = "not-reached"


def svg(definition: _Machine, became: Mapping[str, Became] | None = None) -> str:
    """Draw a machine, or what an execution of it did.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        became: what became of the execution's states, by name; it did not reach those that are not in it.

    Returns:
        An SVG document: the same bytes for the same definition, on any machine.
    """
    chart = _chart(definition, became)
    layout = _layout(chart)
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    legend, legend_width = _drawn_legend(chart, height)
    if legend:
        width, height = max(width, legend_width), height + _LEGEND
    title = str(definition.get("Comment", "State machine"))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}"'
        f' viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label={_attribute(title)}>',
        f"<title>{_xml(title)}</title>",
        f"<style>{_STYLE}{_EXECUTION_STYLE if legend else ''}</style>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse"><path d="M0 1L10 5L0 9z" class="tip"/></marker></defs>',
        f'<rect class="page" width="{_n(width)}" height="{_n(height)}" rx="12"/>',
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
        *(_drawn_cluster(box, layout) for box in chart.boxes if box.holds),
        *(_drawn_arrow(arrow, layout) for arrow in chart.arrows),
        *(_drawn_state(box, layout) for box in chart.boxes if not box.holds),
        *(_drawn_label(arrow, layout) for arrow in chart.arrows if arrow.label),
        "</g>",
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def mermaid(definition: _Machine) -> str:
    """Write a machine as a Mermaid flowchart.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.

    Returns:
        Mermaid text, valid whatever stands in names and conditions.
    """
    chart = _chart(definition)
    lines = ["flowchart TD"]

    def add(boxes: Sequence[_Box], indent: str) -> None:
        for box in boxes:
            if box.holds:
                lines.append(f"{indent}subgraph {box.id}[{_quoted(box.name)}]")
                for number, inside in enumerate(box.holds):
                    if len(box.holds) > 1:
                        lines.append(f'{indent}  subgraph {box.id}b{number}[" "]')
                    add(inside, indent + ("    " if len(box.holds) > 1 else "  "))
                    if len(box.holds) > 1:
                        lines.append(f"{indent}  end")
                lines.append(f"{indent}end")
            else:
                opening, closing = _MERMAID_SHAPES.get(box.kind, ("[", "]"))
                lines.append(f"{indent}{box.id}{opening}{_quoted(box.name)}{closing}:::{box.kind}")

    add(chart.top, "  ")
    for arrow in chart.arrows:
        line = "-.->" if arrow.kind == "catch" else "-->"
        label = f"|{_quoted(arrow.label)}|" if arrow.label else ""
        lines.append(f"  {arrow.tail.id} {line}{label} {arrow.head.id}")
    lines += [f"  %% {box.id}: {' '.join(text.split())}" for box in chart.boxes for text in box.caught]
    if holders := [box.id for box in chart.boxes if box.holds]:
        branches = [
            f"{box.id}b{number}" for box in chart.boxes for number in range(len(box.holds)) if box.holds[1:]
        ]
        lines.append(f"  class {','.join(holders + branches)} holder")
    lines += [f"  classDef {kind} {style}" for kind, style in _MERMAID_STYLES.items()]
    return "\n".join(lines) + "\n"


# What is to be drawn


@dataclass(eq=False)
class _Box:
    """A state, or the point where the machine starts. A Parallel or Map holds machines, a list of boxes each."""

    id: str
    kind: str
    name: str
    note: str = ""
    ends: bool = False
    caught: list[str] = field(default_factory=list)
    holds: list[list[_Box]] = field(default_factory=list)
    became: Became | None = None


@dataclass(eq=False)
class _Arrow:
    id: str
    kind: str  # next, choice, default, catch
    tail: _Box
    head: _Box
    label: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class _Chart:
    top: list[_Box]
    boxes: list[_Box]
    arrows: list[_Arrow]


def _chart(definition: _Machine, became: Mapping[str, Became] | None = None) -> _Chart:
    boxes: list[_Box] = []
    arrows: list[_Arrow] = []

    def add_machine(machine: _Machine, kind: str) -> list[_Box]:
        start = _Box(f"s{len(boxes)}", "start", "Start")
        if kind == "top":
            boxes.append(start)
        found: dict[str, _Box] = {}
        for name, state in machine["States"].items():
            box = _Box(f"n{len(boxes)}", state["Type"].lower(), name, _note(state))
            box.ends = bool(state.get("End")) or box.kind in ("succeed", "fail")
            box.became = None if became is None else became.get(name, Became.NOT_REACHED)
            boxes.append(box)
            found[name] = box
            for nested in _nested(state):
                box.holds.append(add_machine(nested, "inner"))
        if kind == "top" and machine.get("StartAt") in found:
            arrows.append(_Arrow(f"e{len(arrows)}", "next", start, found[machine["StartAt"]]))
        for name, state in machine["States"].items():
            for way in _ways(state):
                if way.to in found:  # Where a transition leads nowhere, checks.py says so.
                    arrow = _Arrow(
                        f"e{len(arrows)}", way.kind, found[name], found[way.to], way.label, way.meaning
                    )
                    arrows.append(arrow)
        return [start, *found.values()] if kind == "top" else list(found.values())

    top = add_machine(definition, "top")
    return _Chart(top, boxes, _without_floods(arrows))


def _without_floods(arrows: Sequence[_Arrow]) -> list[_Arrow]:
    """Leave out arrows of errors that end in one state by the dozen, but the last: each state says it instead.

    Nobody could follow these lines, and Graphviz takes minutes for them.
    """
    caught: dict[str, list[_Arrow]] = {}
    for arrow in arrows:
        if arrow.kind == "catch":
            caught.setdefault(arrow.head.id, []).append(arrow)
    flooding = {arrow.id for ending in caught.values() if len(ending) > _MOST_CAUGHT for arrow in ending[:-1]}
    for arrow in arrows:
        if arrow.id in flooding:
            arrow.tail.caught.append(f"{arrow.meaning} → {arrow.head.name}")
            arrow.head.note = f"on errors of {len(caught[arrow.head.id])} states"
    return [arrow for arrow in arrows if arrow.id not in flooding]


_MOST_CAUGHT = 24


def _nested(state: _Machine) -> list[_Machine]:
    processors = (state.get("ItemProcessor"), state.get("Iterator"))
    return [*state.get("Branches", ()), *(processor for processor in processors if processor)]


@dataclass(frozen=True)
class _Way:
    """One way out of a state."""

    kind: str
    to: str
    label: str = ""
    meaning: str = ""


def _ways(state: _Machine) -> Iterator[_Way]:
    if "Next" in state:
        yield _Way("next", state["Next"])
    for rule in state.get("Choices", ()):
        meaning = _condition(rule)
        yield _Way("choice", rule.get("Next", ""), _short(str(rule.get("Comment") or meaning)), meaning)
    if "Default" in state:
        yield _Way("default", state["Default"], "otherwise", "when no rule holds")
    for catch in state.get("Catch", ()):
        errors = [str(error) for error in catch.get("ErrorEquals", ())]
        every = errors == ["States.ALL"]
        label = "" if every else _short(", ".join(error.rpartition(".")[2] for error in errors))
        yield _Way("catch", catch.get("Next", ""), label, f"on {'any error' if every else ', '.join(errors)}")


def _condition(rule: _Machine) -> str:
    """Say a rule of a Choice in few words."""
    if "Condition" in rule:
        expression = re.sub(r"^\{%\s*|\s*%\}$", "", str(rule["Condition"]))
        return re.sub(r"\s+", " ", expression.replace("$states.input.", ""))
    for word in ("And", "Or"):
        if word in rule:
            return f" {word.lower()} ".join(
                f"({_condition(part)})" if {"And", "Or"} & part.keys() else _condition(part)
                for part in rule[word]
            )
    if "Not" in rule:
        return f"not ({_condition(rule['Not'])})"
    variable = _last(str(rule.get("Variable", "")))
    for operator, value in rule.items():
        if operator in ("Variable", "Next", "Comment", "Assign", "Output"):
            continue
        if operator.startswith("Is"):
            said = (
                "is there"
                if operator == "IsPresent"
                else f"is {_article(operator.removeprefix('Is').lower())}"
            )
            return f"{variable} {said if value else said.replace('is ', 'is not ', 1)}"
        if operator == "BooleanEquals":
            return variable if value else f"not {variable}"
        compared = _last(str(value)) if operator.endswith("Path") else json.dumps(value, ensure_ascii=False)
        plain = re.sub(r"^(String|Numeric|Boolean|Timestamp)|Path$", "", operator)
        return f"{variable} {_OPERATORS.get(plain, plain.lower())} {compared}"
    return variable


def _article(kind: str) -> str:
    return kind if kind in ("null", "numeric") else f"a {kind}"


_OPERATORS = {
    "Equals": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "≤",
    "GreaterThanEquals": "≥",
}


def _last(path: str) -> str:
    """The last name of a JSONPath."""
    names = re.findall(r"[^.\[\]'\"$]+", path)
    return names[-1] if names else path


def _short(text: str, longest: int = 34) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _note(state: _Machine) -> str:
    """What a state does, in small letters under its name."""
    kind = state["Type"]
    if kind == "Task":
        return _short(_called(state))
    if kind == "Wait":
        path = state.get("SecondsPath") or state.get("TimestampPath") or ""
        seconds = state.get("Seconds")
        if isinstance(seconds, int | float):
            return f"{seconds} s"
        return _short(f"until {state['Timestamp']}" if "Timestamp" in state else _last(path) or "computed")
    if kind == "Map":
        distributed = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        return "for every item, distributed" if distributed else "for every item"
    return "side by side" if kind == "Parallel" else ""


_SERVICES = {
    "lambda": "Lambda",
    "sns": "SNS",
    "sqs": "SQS",
    "events": "EventBridge",
    "dynamodb": "DynamoDB",
    "glue": "Glue",
    "databrew": "DataBrew",
    "states": "Step Functions",
    "batch": "Batch",
    "ecs": "ECS",
    "eks": "EKS",
    "elasticmapreduce": "EMR",
    "sagemaker": "SageMaker",
    "sagemakera2iruntime": "A2I",
}


def _called(state: _Machine) -> str:
    resource = str(state.get("Resource", ""))
    match = re.search(r":states:::(?:aws-sdk:)?([\w-]+):(\w+)(\.\w+)?", resource)
    if match is None:
        return f"Lambda {_function(resource)}" if ":function:" in resource else resource.rpartition(":")[2]
    service, action, form = match.groups()
    arguments = state.get("Arguments", state.get("Parameters"))
    if service == "lambda" and isinstance(arguments, Mapping):
        return f"Lambda {_function(str(arguments.get('FunctionName', '')))}".strip()
    waits = " and wait" if form else ""
    return f"{_SERVICES.get(service, service)} {action}{waits}"


def _function(named: str) -> str:
    """A function's name, of `${CollectReviewArn}`, a name or an ARN; without version, alias and the stage's prefix."""
    placeholder = re.fullmatch(r"\$\{(.+?)(Arn)?\}", named)
    if placeholder:
        return placeholder[1]
    name = re.search(r"(?:^|:function:)([\w-]+)(:[^:]*)?$", named)
    # Stages have lower-case names, the stack's functions begin with a capital.
    return re.sub(r"^afterloop-[a-z0-9-]+-(?=[A-Z]\w*$)", "", name[1] if name else named)


# Where it stands


_MARGIN = 16
_LINE = 17
_SMALL_LINE = 14
_MOST_LENGTH = 800
"""Ranks that all arrows may pass through: Graphviz's time grows with more than the square of it."""


@dataclass(frozen=True)
class _Layout:
    width: float
    height: float
    boxes: Mapping[str, tuple[float, float, float, float]]
    """Of a box: left, top, width, height."""
    curves: Mapping[str, str]
    """Of an arrow: the path to its tip."""
    labels: Mapping[str, tuple[float, float]]
    """Of an arrow or a cluster: the centre of its label."""


def _layout(chart: _Chart) -> _Layout:
    from pygraphviz import AGraph  # Graphviz takes a moment to load, and most commands draw nothing.

    graph = AGraph(directed=True, strict=False)
    graph.graph_attr.update(
        rankdir="TB", compound="true", nodesep="0.35", ranksep="0.42", pad="0", newrank="false"
    )
    graph.node_attr.update(shape="box", fixedsize="true", label="")

    def add(boxes: Sequence[_Box], parent: Any) -> None:
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
            attributes["label"] = _room(_text_width(arrow.label, 11) + 10, _SMALL_LINE + 2)
        if arrow.tail.holds:
            attributes["ltail"] = f"cluster_{arrow.tail.id}"
        if arrow.head.holds:
            attributes["lhead"] = f"cluster_{arrow.head.id}"
        graph.add_edge(_last_inside(arrow.tail).id, _first_inside(arrow.head).id, key=arrow.id, **attributes)
    return _bowed(left_out, _read(json.loads(graph.draw(format="json0", prog="dot"))))


def _longest(chart: _Chart) -> list[_Arrow]:
    """The arrows to leave out, longest first, so that the layout takes no more than a second or so."""
    ranks = _ranks(chart)
    lengths = {arrow: abs(ranks[arrow.head.id] - ranks[arrow.tail.id]) for arrow in chart.arrows}
    too_much = sum(lengths.values()) - len(lengths) - _MOST_LENGTH
    left_out = []
    for arrow in sorted(chart.arrows, key=lambda arrow: -lengths[arrow]):
        if too_much <= 0:
            break
        left_out.append(arrow)
        too_much -= lengths[arrow] - 1
    return left_out


def _ranks(chart: _Chart) -> dict[str, int]:
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


def _bowed(arrows: Sequence[_Arrow], layout: _Layout) -> _Layout:
    """Draw arrows that Graphviz was not given: out at the right, past everything, and in at the right."""
    curves, labels = dict(layout.curves), dict(layout.labels)
    width = layout.width
    for number, arrow in enumerate(arrows, 1):
        left, top, wide, high = layout.boxes[arrow.tail.id]
        x, y = left + wide, top + high / 2
        left, top, wide, high = layout.boxes[arrow.head.id]
        tip, end = left + wide, top + high / 2
        out = layout.width + 12 + 4 * number
        curves[arrow.id] = f"M{_n(x)} {_n(y)}C{_n(out)} {_n(y)} {_n(out)} {_n(end)} {_n(tip)} {_n(end)}"
        if arrow.label:
            labels[arrow.id] = (x + _text_width(arrow.label, 11) / 2 + 8, y - 10)
        width = max(width, out)
    return _Layout(width, layout.height, layout.boxes, curves, labels)


def _read(drawn: Mapping[str, Any]) -> _Layout:
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
    return _Layout(width, height, boxes, curves, labels)


def _curve(pos: str, height: float) -> str:
    """A path from Graphviz's spline: `e,<tip> <start> <two control points and an end>…`."""
    tip = ""
    points = []
    for part in pos.split():
        x, y = _numbers(part.removeprefix("e,"))
        point = f"{_n(x)} {_n(height - y)}"
        if part.startswith("e,"):
            tip = f"L{point}"
        else:
            points.append(point)
    return f"M{points[0]}C{' '.join(points[1:])}{tip}"


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _first_inside(box: _Box) -> _Box:
    return _first_inside(box.holds[0][0]) if box.holds else box


def _last_inside(box: _Box) -> _Box:
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


def _size(box: _Box) -> tuple[float, float]:
    if box.kind == "start":
        return 14, 14
    lines = _wrapped(box.name)
    width = max(*(_text_width(line, 13) for line in lines), _text_width(box.note, 11), 56)
    height = len(lines) * _LINE + (_SMALL_LINE if box.note else 0)
    if box.holds:
        return width + 8, height + 4
    return width + (52 if box.kind == "choice" else 28), height + 18


def _wrapped(name: str, longest: int = 24) -> list[str]:
    lines = [""]
    for word in name.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > longest:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text_width(text: str, size: float) -> float:
    """About how wide a sans-serif font writes a text; rather too much than too little."""

    def share(char: str) -> float:
        if char in "iljtfrI.,:;|!'()[] ":
            return 0.34
        if char in "mwMW@%…" or ord(char) > 0x2E80:  # East Asian scripts and emoji are wide.
            return 1.0
        return 0.74 if char.isupper() else 0.61

    return size * sum(share(char) for char in text)


# How it looks


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
    ".tip{fill:context-stroke}.caught{fill:#b42318}"
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
    ".running>.badge{fill:#1d4ed8}.not-reached>.badge{fill:#fff;stroke:#b4bec9;stroke-width:1.4}"
    ".state>.sign,.sign{fill:none;stroke:#fff;stroke-width:2;stroke-linecap:round}"
    ".legend text{text-anchor:start}"
)
_LEGEND = 30
_SIGNS = {
    Became.PASSED: ("M-3.5 .3L-1 3L3.5 -2.8", "passed"),
    Became.CAUGHT: ("M0 -4V.6M0 3.8V4", "failed, and the error was caught"),
    Became.FAILED: ("M-3 -3L3 3M3 -3L-3 3", "failed"),
    Became.RUNNING: ("M-3.6 0H-3.5M0 0H.1M3.6 0H3.7", "running"),
    Became.NOT_REACHED: ("", "not reached"),
}
"""Of what became of a state: the strokes of its sign, about the middle, and its words."""


def _drawn_state(box: _Box, layout: _Layout) -> str:
    left, top, width, height = layout.boxes[box.id]
    middle = left + width / 2
    if box.kind == "start":
        return (
            f'<g class="state start"><title>Start</title>'
            f'<circle class="shape" cx="{_n(middle)}" cy="{_n(top + height / 2)}" r="{_n(width / 2)}"/></g>'
        )
    if box.kind == "choice":
        edge, right, bottom, half = 16, left + width, top + height, top + height / 2
        shape = (
            f'<path class="shape" d="M{_n(left + edge)} {_n(top)}H{_n(right - edge)}L{_n(right)} {_n(half)}'
            f'L{_n(right - edge)} {_n(bottom)}H{_n(left + edge)}L{_n(left)} {_n(half)}z"/>'
        )
    else:
        radius = height / 2 if box.kind in ("succeed", "fail") else 8
        shape = _rectangle("shape", left, top, width, height, radius)
        if box.caught:
            shape += f'<circle class="caught" cx="{_n(left + width)}" cy="{_n(top + height / 2)}" r="4"/>'
        if box.ends and box.kind not in ("succeed", "fail"):
            shape += _rectangle("end", left + 3, top + 3, width - 6, height - 6, radius - 3)
    lines = _wrapped(box.name)
    text_height = len(lines) * _LINE + (_SMALL_LINE if box.note else 0)
    return _group(box, layout, shape + _texts(lines, box.note, middle, top + (height - text_height) / 2))


def _drawn_cluster(box: _Box, layout: _Layout) -> str:
    left, top, width, height = layout.boxes[box.id]
    x, y = layout.labels[box.id]
    lines = _wrapped(box.name)
    text_height = len(lines) * _LINE + (_SMALL_LINE if box.note else 0)
    shape = _rectangle("shape", left, top, width, height, 10)
    return _group(box, layout, shape + _texts(lines, box.note, x, y - text_height / 2))


def _group(box: _Box, layout: _Layout, content: str) -> str:
    kind = box.kind.capitalize()
    title = "; ".join([f"{box.name} ({kind}{', ' + box.note if box.note else ''})", *box.caught])
    classes = f"state {_xml(box.kind)}"
    if box.became is not None:
        left, top, width, _ = layout.boxes[box.id]
        title += f": {_SIGNS[box.became][1]}"
        classes += f" {box.became}"
        if box.became is not Became.NOT_REACHED:
            content += _badge(box.became, left + width - 4, top + 1)
    return f'<g class="{classes}" data-state={_attribute(box.name)}><title>{_xml(title)}</title>{content}</g>'


def _badge(became: Became, x: float, y: float) -> str:
    strokes = _SIGNS[became][0]
    sign = f'<path class="sign" transform="translate({_n(x)} {_n(y)})" d="{strokes}"/>' if strokes else ""
    return f'<circle class="badge" cx="{_n(x)}" cy="{_n(y)}" r="8"/>{sign}'


def _drawn_legend(chart: _Chart, top: float) -> tuple[list[str], float]:
    """What the signs in a picture mean, side by side, and how wide that is; nothing for a machine alone."""
    parts = []
    left, middle = float(_MARGIN), top + _LEGEND / 2 - _MARGIN / 2
    for became in Became:
        if any(box.became is became for box in chart.boxes):
            words = _SIGNS[became][1]
            parts.append(
                f'<g class="legend {became}">{_badge(became, left + 8, middle)}'
                f'<text x="{_n(left + 22)}" y="{_n(middle + 4.5)}">{_xml(words)}</text></g>'
            )
            left += 22 + _text_width(words, 13) + 16
    return parts, left


def _texts(lines: Sequence[str], note: str, x: float, top: float) -> str:
    texts = [
        f'<text x="{_n(x)}" y="{_n(top + number * _LINE + 13)}">{_xml(line)}</text>'
        for number, line in enumerate(lines)
    ]
    if note:
        y = top + len(lines) * _LINE + 11
        texts.append(f'<text class="note" x="{_n(x)}" y="{_n(y)}">{_xml(note)}</text>')
    return "".join(texts)


def _rectangle(kind: str, left: float, top: float, width: float, height: float, radius: float) -> str:
    return (
        f'<rect class="{kind}" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}"'
        f' rx="{_n(radius)}"/>'
    )


def _drawn_arrow(arrow: _Arrow, layout: _Layout) -> str:
    title = f"{arrow.tail.name} → {arrow.head.name}" + (f": {arrow.meaning}" if arrow.meaning else "")
    return (
        f'<g class="arrow {arrow.kind}"><title>{_xml(title)}</title>'
        f'<path d="{layout.curves[arrow.id]}" marker-end="url(#arrow)"/></g>'
    )


def _drawn_label(arrow: _Arrow, layout: _Layout) -> str:
    x, y = layout.labels[arrow.id]
    width = _text_width(arrow.label, 11) + 6
    return (
        _rectangle("plate", x - width / 2, y - 8, width, 16, 4)
        + f'<text class="label" x="{_n(x)}" y="{_n(y + 4)}">{_xml(arrow.label)}</text>'
    )


def _xml(text: str) -> str:
    return saxutils.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _attribute(text: str) -> str:
    return saxutils.quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, however they are written."""


def _n(number: float) -> str:
    """A coordinate, to a tenth of a point."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0 for there is a -0.0


_MERMAID_SHAPES = {
    "choice": ("{{", "}}"),
    "start": ("((", "))"),
    "succeed": ("([", "])"),
    "fail": ("([", "])"),
    "wait": ("[/", "/]"),
    "pass": ("[", "]"),
    "task": ("(", ")"),
}
_MERMAID_STYLES = {
    "start": "fill:#1f2933,stroke:#1f2933,color:#fff",
    "task": "fill:#e8f1ff,stroke:#2563a8,color:#1f2933",
    "choice": "fill:#fff4d6,stroke:#a86a10,color:#1f2933",
    "wait": "fill:#f1e9fd,stroke:#6f42a8,color:#1f2933,stroke-dasharray:6 3",
    "pass": "fill:#fff,stroke:#7b8794,color:#1f2933",
    "succeed": "fill:#def7e5,stroke:#22804a,color:#1f2933",
    "fail": "fill:#fde4e4,stroke:#b42318,color:#1f2933",
    "holder": "fill:#e4e9f0,stroke:#7b8794,color:#1f2933",
}


def _quoted(text: str) -> str:
    """A Mermaid string: characters that mean something to Mermaid, Markdown or HTML as entity codes."""
    return (
        '"'
        + re.sub(r'[#&<>"`\\*_~|\[\]{}()]', lambda match: f"#{ord(match[0])};", " ".join(text.split()))
        + '"'
    )
