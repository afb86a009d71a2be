"""How a state machine is put together: machines in machines, ways from state to state, rules in rules.

Everything that goes through a definition goes through it here, so that no branch is forgotten. Definitions are plain
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
"""A definition, or what stands in a field of `NESTED`: it has States, by name, and the name of one in StartAt."""

State = Mapping[str, Any]
"""One of the States of a machine."""

NESTED = ("Branches", "ItemProcessor", "Iterator")
"""Fields of a state that hold machines. A Parallel has a list of Branches, a Map has an ItemProcessor; Iterator is its
older name."""


class Nested(NamedTuple):
    """A machine in a state.

    Attributes:
        field: one of `NESTED`.
        path: the field, and the place in its list if it has one: `Branches[0]`, `ItemProcessor`.
        machine: the machine itself.
    """

    field: str
    path: str
    machine: Machine


class Way(NamedTuple):
    """A way out of a state.

    Attributes:
        kind: what makes an execution take it.
        path: the field that names the next state: `Next`, `Choices[0].Next`, `Default`, `Catch[0].Next`.
        to: the name of the next state, which may not exist.
        of: the rule or the catcher that leads there; empty for `next` and `default`.
    """

    kind: Literal["next", "choice", "default", "catch"]
    path: str
    to: str
    of: Mapping[str, Any]


def states(machine: Machine) -> Iterator[tuple[str, Any]]:
    """Yield name and state of all states of a machine, those that are nested in a state right after it."""
    for name, state in machine.get("States", {}).items():
        yield name, state
        for inside in nested(state):
            yield from states(inside.machine)


def machines(machine: Machine) -> Iterator[Machine]:
    """Yield a machine, and those that are nested in it, at any depth."""
    yield machine
    for state in machine.get("States", {}).values():
        for inside in nested(state):
            yield from machines(inside.machine)


def nested(state: State) -> Iterator[Nested]:
    """Yield the machines that a state holds, not those that are nested in these."""
    for field in NESTED:
        held = state.get(field)
        if isinstance(held, list):
            for number, machine in enumerate(held):
                yield Nested(field, f"{field}[{number}]", machine)
        elif held:
            yield Nested(field, field, held)


def is_distributed(state: State) -> bool:
    """Whether a state is a Map each of whose items has an execution of its own."""
    mode: str | None = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
    return mode == "DISTRIBUTED"


def own_fields(state: State) -> dict[str, Any]:
    """A state without the machines that it holds."""
    return {name: value for name, value in state.items() if name not in NESTED}


def ways(state: State) -> Iterator[Way]:
    """Yield the ways out of a state, in the order in which an execution tries them."""
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
    """Yield the rules of a Choice, those that And, Or and Not hold right after the rule that has these."""
    waiting = list(state.get("Choices", ()))[::-1]
    while waiting:
        rule = waiting.pop()
        yield rule
        inside = [*rule.get("And", ()), *rule.get("Or", ()), *([rule["Not"]] if "Not" in rule else ())]
        waiting += inside[::-1]
