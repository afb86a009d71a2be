"""A machine as Mermaid text, which GitHub and many editors render."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lambdas.loops.visible import visible
from workflow.asl.graph.chart import Box, chart_of
from workflow.asl.walk import Machine

__all__ = ["mermaid"]


def mermaid(definition: Machine) -> str:
    """A machine as a Mermaid flowchart.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.

    Returns:
        Mermaid text. It is valid for any names and conditions.
    """
    chart = chart_of(definition)
    lines = ["flowchart TD"]

    def add(boxes: Sequence[Box], indent: str) -> None:
        for box in boxes:
            if box.holds:
                lines.append(f"{indent}subgraph {box.id}[{_quoted(box.name)}]")
                if len(box.holds) == 1:
                    add(box.holds[0], f"{indent}  ")
                else:
                    for number, inside in enumerate(box.holds):
                        lines.append(f'{indent}  subgraph {box.id}b{number}[" "]')
                        add(inside, f"{indent}    ")
                        lines.append(f"{indent}  end")
                lines.append(f"{indent}end")
            else:
                opening, closing = _SHAPES.get(box.kind, ("[", "]"))
                lines.append(f"{indent}{box.id}{opening}{_quoted(box.name)}{closing}:::{box.kind}")

    add(chart.top, "  ")
    for arrow in chart.arrows:
        line = "-.->" if arrow.kind == "catch" else "-->"
        label = f"|{_quoted(arrow.label)}|" if arrow.label else ""
        lines.append(f"  {arrow.tail.id} {line}{label} {arrow.head.id}")
    lines += [f"  %% {box.id}: {' '.join(text.split())}" for box in chart.boxes for text in box.hidden]
    if holders := [box.id for box in chart.boxes if box.holds]:
        branches = [
            f"{box.id}b{number}" for box in chart.boxes for number in range(len(box.holds)) if box.holds[1:]
        ]
        lines.append(f"  class {','.join(holders + branches)} holder")
    lines += [f"  classDef {kind} {style}" for kind, style in _STYLES.items()]
    return "\n".join(lines) + "\n"


_SHAPES = {
    "choice": ("{{", "}}"),
    "start": ("((", "))"),
    "succeed": ("([", "])"),
    "fail": ("([", "])"),
    "wait": ("[/", "/]"),
    "pass": ("[", "]"),
    "task": ("(", ")"),
}
_STYLES = {
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
    """A Mermaid string, with the special characters of Mermaid, Markdown and HTML as entity codes."""
    escaped = re.sub(
        r'[#&<>"`\\*_~|\[\]{}()]', lambda match: f"#{ord(match[0])};", visible(" ".join(text.split()))
    )
    return f'"{escaped}"'
