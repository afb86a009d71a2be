"""Size, names, transitions and ends of a machine, and of those in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping

from workflow.asl.checks.problem import Problem, hint
from workflow.asl.walk import Machine, State, machines, ways

__all__ = ["problems_of_structure"]

MAX_BYTES = 1024 * 1024
"""Of a definition (Step Functions quotas)."""

MAX_NAME = 80
"""Characters of a state's name (Amazon States Language)."""


def problems_of_structure(definition: Machine) -> Iterator[Problem]:
    """What is wrong with how the states of a machine hang together."""
    size = len(json.dumps(definition, ensure_ascii=False).encode())
    if size > MAX_BYTES:
        yield None, f"the definition has {size:,} bytes; Step Functions takes {MAX_BYTES:,}"
    yield from _names(definition)
    for machine in machines(definition):
        yield from _transitions(machine)


def _names(definition: Machine) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in (name for machine in machines(definition) for name in machine["States"]):
        if name in seen:
            yield name, "another state has this name; names are unique in a whole machine, branches included"
        seen.add(name)
        if len(name) > MAX_NAME:
            yield name, f"its name has {len(name)} characters; ASL allows {MAX_NAME}"


def _transitions(machine: Machine) -> Iterator[Problem]:
    states = machine["States"]
    start = str(machine.get("StartAt"))
    if start not in states:
        yield None, f"the machine starts at {start!r}, which does not exist{hint(start, states)}"
        return
    leads_nowhere = False
    for name, state in states.items():
        for way in ways(state):
            if way.to not in states:
                leads_nowhere = True
                yield name, f"{way.path} leads to {way.to!r}, which does not exist here{hint(way.to, states)}"
        if state["Type"] == "Choice" and "Default" not in state:
            yield (
                name,
                "a Choice without default fails when no rule holds; add default_choice, or a step after it",
            )
    if not leads_nowhere:  # The rest may follow from that.
        yield from _reachability(start, states)


def _reachability(start: str, states: Mapping[str, State]) -> Iterator[Problem]:
    ahead = {name: [way.to for way in ways(state)] for name, state in states.items()}
    back: dict[str, list[str]] = {}
    for name, targets in ahead.items():
        for target in targets:
            back.setdefault(target, []).append(name)
    ends = {
        name for name, state in states.items() if state.get("End") or state["Type"] in ("Succeed", "Fail")
    }
    reached, ending = _reached({start}, ahead), _reached(ends, back)
    if not ends:
        yield start, "the machine that starts with it has no end"
    for name in states:
        if name not in reached:
            yield name, "no transition leads to it"
        elif ends and name not in ending:
            yield name, "no way leads from it to an end"


def _reached(start: Collection[str], leads_to: Mapping[str, Collection[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(leads_to.get(name, ()))
    return reached
