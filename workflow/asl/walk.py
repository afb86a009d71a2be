"""Walks through a definition: nested machines, transitions between states, nested rules.

All code that walks through a definition uses this module, so that no kind of branch is forgotten. Definitions are plain
JSON values, as `workflow.steps.definition` renders them or as Step Functions returns them.

Source: Amazon States Language, https://states-language.net
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

__all__ = [
    "NESTED",
    "Machine",
    "Nested",
    "State",
    "Way",
    "is_distributed",
    "machines",
    "nested",
    "own_fields",
    "rules",
    "states",
    "ways",
]

Machine = Mapping[str, Any]
"""A definition, or a nested machine: States by name, and StartAt with the name of the first."""

State = Mapping[str, Any]
"""One of the States of a machine."""

NESTED = ("Branches", "ItemProcessor", "Iterator")
"""The fields of a state that hold machines: Branches of a Parallel, ItemProcessor of a Map; Iterator is its older
name."""


class Nested(NamedTuple):
    """A machine nested in a state.

    Attributes:
        field: One of `NESTED`.
        path: The field with its index, if it is a list: `Branches[0]`, `ItemProcessor`.
        machine: The machine.
    """

    field: str
    path: str
    machine: Machine


class Way(NamedTuple):
    """A way out of a state.

    Attributes:
        kind: When an execution takes it.
        path: The field that names the next state: `Next`, `Choices[0].Next`, `Default`, `Catch[0].Next`.
        to: The name of the next state, which may not exist.
        of: The rule or catcher that leads there; empty for `next` and `default`.
    """

    kind: Literal["next", "choice", "default", "catch"]
    path: str
    to: str
    of: Mapping[str, Any]


def states(machine: Machine) -> Iterator[tuple[str, Any]]:
    """Name and state of all states of a machine, nested ones right after the state that holds them."""
    for name, state in machine.get("States", {}).items():
        yield name, state
        for inside in nested(state):
            yield from states(inside.machine)


def machines(machine: Machine) -> Iterator[Machine]:
    """A machine, and the machines nested in it at any depth."""
    yield machine
    for state in machine.get("States", {}).values():
        for inside in nested(state):
            yield from machines(inside.machine)


def nested(state: State) -> Iterator[Nested]:
    """The machines that a state holds directly."""
    for field in NESTED:
        held = state.get(field)
        if isinstance(held, list):
            for number, machine in enumerate(held):
                yield Nested(field, f"{field}[{number}]", machine)
        elif held:
            yield Nested(field, field, held)


def is_distributed(state: State) -> bool:
    """Whether a state is a Distributed Map, where each item has its own execution."""
    mode: str | None = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
    return mode == "DISTRIBUTED"


def own_fields(state: State) -> dict[str, Any]:
    """A state without its nested machines."""
    return {name: value for name, value in state.items() if name not in NESTED}


def ways(state: State) -> Iterator[Way]:
    """The ways out of a state, in the order in which an execution tries them."""
    if "Next" in state:
        yield Way("next", "Next", str(state["Next"]), {})
    for number, rule in enumerate(state.get("Choices", ())):
        if "Next" in rule:
            yield Way("choice", f"Choices[{number}].Next", str(rule["Next"]), rule)
    if "Default" in state:
        yield Way("default", "Default", str(state["Default"]), {})
    for number, catcher in enumerate(state.get("Catch", ())):
        if "Next" in catcher:
            yield Way("catch", f"Catch[{number}].Next", str(catcher["Next"]), catcher)


def rules(state: State) -> Iterator[Mapping[str, Any]]:
    """The rules of a Choice, including those nested in And, Or and Not."""
    waiting = list(state.get("Choices", ()))[::-1]
    while waiting:
        rule = waiting.pop()
        yield rule
        inside = [*rule.get("And", ()), *rule.get("Or", ()), *([rule["Not"]] if "Not" in rule else ())]
        waiting += inside[::-1]
