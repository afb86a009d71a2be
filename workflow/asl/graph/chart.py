"""What is to be drawn of a machine: boxes and arrows, and what is written at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from workflow.asl.graph.wording import label_of, meaning_of, note_of
from workflow.asl.walk import Machine, nested, ways

__all__ = ["Arrow", "Became", "Box", "Chart", "chart_of"]


class Became(StrEnum):
    """What became of a state in an execution, as its class in the SVG."""

    PASSED = "passed"
    CAUGHT = "caught-error"
    FAILED = "failed"
    RUNNING = "running"
    NOT_REACHED = "not-reached"


@dataclass(eq=False)
class Box:
    """A state, or the point where the machine starts. A Parallel or Map holds machines, a list of boxes each."""

    id: str
    kind: str
    name: str
    note: str = ""
    ends: bool = False
    caught: list[str] = field(default_factory=list)
    holds: list[list[Box]] = field(default_factory=list)
    became: Became | None = None


@dataclass(eq=False)
class Arrow:
    """A way from one box to another, with a label for the picture and its meaning in full."""

    id: str
    kind: Literal["next", "choice", "default", "catch"]
    tail: Box
    head: Box
    label: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Chart:
    """All that is drawn. `boxes` are those on top and those that others hold."""

    top: list[Box]
    boxes: list[Box]
    arrows: list[Arrow]


def chart_of(definition: Machine, became: Mapping[str, Became] | None = None) -> Chart:
    """Find what is to be drawn of a machine, or of what an execution of it did."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []

    def add_machine(machine: Machine, kind: str) -> list[Box]:
        start = Box(f"s{len(boxes)}", "start", "Start")
        if kind == "top":
            boxes.append(start)
        found: dict[str, Box] = {}
        for name, state in machine["States"].items():
            box = Box(f"n{len(boxes)}", state["Type"].lower(), name, note_of(state))
            box.ends = bool(state.get("End")) or box.kind in ("succeed", "fail")
            box.became = None if became is None else became.get(name, Became.NOT_REACHED)
            boxes.append(box)
            found[name] = box
            for inside in nested(state):
                box.holds.append(add_machine(inside.machine, "inner"))
        if kind == "top" and machine.get("StartAt") in found:
            arrows.append(Arrow(f"e{len(arrows)}", "next", start, found[machine["StartAt"]]))
        for name, state in machine["States"].items():
            for way in ways(state):
                if way.to in found:  # Where a transition leads nowhere, the checks say so.
                    label, meaning = label_of(way), meaning_of(way)
                    arrows.append(
                        Arrow(f"e{len(arrows)}", way.kind, found[name], found[way.to], label, meaning)
                    )
        return [start, *found.values()] if kind == "top" else list(found.values())

    top = add_machine(definition, "top")
    return Chart(top, boxes, _without_floods(arrows))


def _without_floods(arrows: Sequence[Arrow]) -> list[Arrow]:
    """Leave out arrows of errors that end in one state by the dozen, but the last: each state says it instead.

    Nobody could follow these lines, and Graphviz takes minutes for them.
    """
    caught: dict[str, list[Arrow]] = {}
    for arrow in arrows:
        if arrow.kind == "catch":
            caught.setdefault(arrow.head.id, []).append(arrow)
    flooding = {arrow.id for ending in caught.values() if len(ending) > _MAX_CAUGHT for arrow in ending[:-1]}
    for arrow in arrows:
        if arrow.id in flooding:
            arrow.tail.caught.append(f"{arrow.meaning} → {arrow.head.name}")
            arrow.head.note = f"on errors of {len(caught[arrow.head.id])} states"
    return [arrow for arrow in arrows if arrow.id not in flooding]


_MAX_CAUGHT = 24
