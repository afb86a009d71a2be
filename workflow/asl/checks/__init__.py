"""What is wrong with a machine, found before anything is sent.

structure.py   size, names, transitions, ends
tasks.py       functions and API actions that do not exist
calls.py       fields that an API action does not have, or needs
syntax.py      JSONata that does not parse
paths.py       paths that nothing before provides
shapes.py      what a value may hold
validator.py   what an independent ASL validator (`statelint`) says
problem.py     what these hand over

Every finding is one line that names the state and, where it is known, the line of the user's file that made it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from workflow.asl.checks.calls import problems_of_call
from workflow.asl.checks.paths import problems_of_paths
from workflow.asl.checks.problem import Problem
from workflow.asl.checks.shapes import Shape
from workflow.asl.checks.structure import problems_of_structure
from workflow.asl.checks.syntax import problems_of_syntax
from workflow.asl.checks.tasks import problems_of_action, problems_of_function
from workflow.asl.checks.validator import problems_of_validator
from workflow.asl.walk import Machine, State, machines

__all__ = ["Finding", "Shape", "check"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        message: what, and what to do.
        state: the state's name; None for the machine.
        place: "file:line" where the state was made, if that is known.
    """

    message: str
    state: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        where = f"state {self.state!r}: " if self.state is not None else ""
        return f"{self.place}: {where}{self.message}" if self.place else f"{where}{self.message}"


def check(
    definition: Machine,
    *,
    functions: Collection[str] = (),
    places: Mapping[str, str] = {},
    event: Shape = None,
    results: Mapping[str, Shape] = {},
    own: Collection[str] = (),
) -> list[Finding]:
    """Look for what is wrong with a machine.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        functions: names of the functions that exist, as their files are called (`collect_review`) or in
            CamelCase; none to leave functions unchecked.
        places: state name to "file:line", as `workflow.steps.places` gives it.
        event: what the machine's input may hold; None for anything.
        results: state name to what it is known to add, key by key: of a function's result, say.
        own: names of states whose calls of APIs are known to be right: models of services are not read for them.

    Returns:
        Findings, in the order of the states; none if all is well.
    """
    found: dict[tuple[str | None, str], None] = {}
    for state, message in _problems(definition, functions, event, results, own):
        found[state, message] = None
    order = {name: number for number, (name, _) in enumerate(_in_order(definition), 1)}
    return sorted(
        (Finding(message, state, places.get(state) if state else None) for state, message in found),
        key=lambda finding: order.get(finding.state or "", 0),
    )


def _problems(
    definition: Machine,
    functions: Collection[str],
    event: Shape,
    results: Mapping[str, Shape],
    own: Collection[str],
) -> Iterator[Problem]:
    yield from problems_of_structure(definition)
    for name, state in _in_order(definition):
        for message in _problems_of_state(state, functions, is_own=name in own):
            yield name, message
    yield from problems_of_paths(definition, event, results)
    yield from problems_of_validator(definition)


def _problems_of_state(state: State, functions: Collection[str], *, is_own: bool) -> Iterator[str]:
    yield from problems_of_function(state, functions)
    if not is_own:
        yield from problems_of_action(state)
        yield from problems_of_call(state)
    yield from problems_of_syntax(state)


def _in_order(definition: Machine) -> Iterator[tuple[str, State]]:
    """Name and state of all states, those of a machine before those that are nested in them."""
    for machine in machines(definition):
        yield from machine["States"].items()
