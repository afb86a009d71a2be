"""The boxes and arrows of a machine, with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from workflow.asl.graph.wording import label_of, meaning_of, note_of
from workflow.asl.walk import Machine, nested, ways

__all__ = ["Arrow", "StateFigures", "StateStatus", "Box", "Chart", "chart_of"]


class StateStatus(StrEnum):
    """The status of a state in an execution, which is also its class in the SVG."""

    PASSED = "passed"
    RETRIED = "retried"
    CAUGHT = "caught-error"
    FAILED = "failed"
    ABORTED = "aborted"
    RUNNING = "running"
    NOT_REACHED = "not-reached"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StateFigures:
    """What happened in a state in one execution, all its visits summed up.

    Attributes:
        status: The worst status of its visits; NOT_REACHED or UNKNOWN if there are none.
        visits: How many visits there were.
        failed: How many of them failed, or had an error that was caught.
        retries: How often the state was tried again, in all visits.
    """

    status: StateStatus
    visits: int = 0
    failed: int = 0
    retries: int = 0


@dataclass(eq=False)
class Box:
    """A state, or the start of the machine. A Parallel or Map holds nested machines, each a list of boxes.

    Attributes:
        hidden: Ways out of the state that are not drawn as arrows, as text.
    """

    id: str
    kind: str
    name: str
    note: str = ""
    ends: bool = False
    hidden: list[str] = field(default_factory=list)
    holds: list[list[Box]] = field(default_factory=list)
    figures: StateFigures | None = None


@dataclass(eq=False)
class Arrow:
    """A way from one box to another: a short label for the picture, and the full meaning for the tooltip."""

    id: str
    kind: Literal["next", "choice", "default", "catch"]
    tail: Box
    head: Box
    label: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Chart:
    """Everything to draw. `top` has the boxes of the outer machine, `boxes` also the nested ones."""

    top: list[Box]
    boxes: list[Box]
    arrows: list[Arrow]


def chart_of(definition: Machine, execution: Mapping[str, StateStatus | StateFigures] | None = None) -> Chart:
    """The chart of a machine, or of one execution of it."""
    boxes: list[Box] = []
    arrows: list[Arrow] = []

    def add_machine(machine: Machine, kind: str) -> list[Box]:
        start = Box(f"s{len(boxes)}", "start", "Start")  # Drawn only for the outer machine.
        if kind == "top":
            boxes.append(start)
        found: dict[str, Box] = {}
        for name, state in machine["States"].items():
            box = Box(f"n{len(boxes)}", state["Type"].lower(), name, note_of(state))
            box.ends = bool(state.get("End")) or box.kind in ("succeed", "fail")
            if execution is not None:
                known = execution.get(name, StateStatus.NOT_REACHED)
                box.figures = known if isinstance(known, StateFigures) else StateFigures(known)
            boxes.append(box)
            found[name] = box
            for inside in nested(state):
                box.holds.append(add_machine(inside.machine, "inner"))
        if kind == "top" and machine.get("StartAt") in found:
            arrows.append(Arrow(f"e{len(arrows)}", "next", start, found[machine["StartAt"]]))
        for name, state in machine["States"].items():
            for way in ways(state):
                if way.to in found:  # The checks report transitions to states that do not exist.
                    label, meaning = label_of(way), meaning_of(way)
                    arrows.append(
                        Arrow(f"e{len(arrows)}", way.kind, found[name], found[way.to], label, meaning)
                    )
        return [start, *found.values()] if kind == "top" else list(found.values())

    top = add_machine(definition, "top")
    return Chart(top, boxes, _without_crowded_arrows(arrows))


def _without_crowded_arrows(arrows: Sequence[Arrow]) -> list[Arrow]:
    """Leaves out all but the last of many arrows into one state. The states at their tails list them as text.

    So many lines would be unreadable, and Graphviz would take minutes to lay them out.
    """
    heads: dict[str, list[Arrow]] = {}
    for arrow in arrows:
        heads.setdefault(arrow.head.id, []).append(arrow)
    hidden = {arrow for into in heads.values() if len(into) > _MAX_ARROWS for arrow in into[:-1]}
    for arrow in hidden:
        arrow.head.note = f"from {len(heads[arrow.head.id])} states"
    for arrow in arrows:
        if arrow in hidden:
            arrow.tail.hidden.append(f"{arrow.meaning} → {arrow.head.name}".strip())
    return [arrow for arrow in arrows if arrow not in hidden]


_MAX_ARROWS = 24
"""Arrows into one state."""
