"""Finds mistakes in a machine before anything is sent to AWS.

structure.py   names, transitions, ends
tasks.py       functions, services and API actions that do not exist
arns.py        ARNs and URLs that AWS refuses
calls.py       unknown and missing fields of an API action; optimized_fields.py has those that no API has
literals.py    values of such fields with another type, or that the API does not have
syntax.py      JSONata that does not parse, texts that contain Python objects
templates.py   paths and expressions that are taken for text
intrinsics.py  calls of intrinsic functions that fail
paths.py       paths that no earlier step provides, with flow, jsonpath, jsonata, expressions, results and lookup
shapes.py      the known structure of a value
values.py      numbers, times and names of errors
waits.py       waits that end after the execution does
validator.py   findings of an independent ASL validator, `statelint`
problem.py     the type of a problem, and suggestions for misspelled names

Every finding is an error or a warning, in one line that names the state and, if known, the line of the user's file
that made it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow.asl.checks.arns import problems_of_arguments
from workflow.asl.checks.calls import problems_of_call
from workflow.asl.checks.literals import problems_of_literals
from workflow.asl.checks.paths import problems_of_paths
from workflow.asl.checks.problem import Problem, Severity
from workflow.asl.checks.shapes import Shape
from workflow.asl.checks.structure import problems_of_structure
from workflow.asl.checks.syntax import problems_of_syntax
from workflow.asl.checks.tasks import problems_of_function, problems_of_resource
from workflow.asl.checks.templates import problems_of_templates
from workflow.asl.checks.validator import problems_of_validator
from workflow.asl.checks.values import problems_of_token, problems_of_values
from workflow.asl.checks.waits import problems_of_waits
from workflow.asl.walk import Machine, State, machines

__all__ = ["Finding", "Severity", "Shape", "check"]


@dataclass(frozen=True)
class Finding:
    """A mistake in a machine, or what looks like one.

    Attributes:
        message: What is wrong, and what to do.
        state: The state's name; None for the machine as a whole.
        place: "file:line" where the state was made, if known.
        severity: "error" for what would fail every execution that reaches the state; "warning" for what may be
            intended. A machine with warnings can be published.
    """

    message: str
    state: str | None = None
    place: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"state {self.state!r}: " if self.state is not None else ""
        return f"{self.place}: {where}{self.message}" if self.place else f"{where}{self.message}"


def check(
    definition: Machine,
    *,
    functions: Collection[str] = (),
    places: Mapping[str, str] = {},
    event: Any = None,
    results: Mapping[str, Mapping[str, Any]] = {},
    own: Collection[str] = (),
    declared: Collection[str] = (),
) -> list[Finding]:
    """Finds mistakes in a machine.

    Args:
        definition: ASL, as `workflow.steps.definition` renders it.
        functions: The names of existing functions, as their files are named (`collect_review`) or in CamelCase. If
            empty, functions are not checked.
        places: State name to "file:line", from `workflow.steps.places`.
        event: The structure of the machine's input: key to structure, a `Shape`, or None if unknown.
        results: State name to the structure of its result, by the key that it adds.
        own: Names of states whose API calls, expressions and paths are not checked, because they are known to be
            right. Reading the models of their services takes time.
        declared: Names of states whose permissions the user declares. They can call what botocore does not know yet.

    Returns:
        The findings in the order of the states.
    """
    found = dict.fromkeys(_problems(definition, functions, event, results, own, declared))
    order = {name: number for number, (name, _) in enumerate(_in_order(definition), 1)}
    return sorted(
        (
            Finding(message, state, places.get(state) if state else None, severity)
            for state, message, severity in found
        ),
        key=lambda finding: order.get(finding.state or "", 0),
    )


def _problems(
    definition: Machine,
    functions: Collection[str],
    event: Any,
    results: Mapping[str, Mapping[str, Any]],
    own: Collection[str],
    declared: Collection[str],
) -> Iterator[Problem]:
    yield from problems_of_structure(definition)
    language = str(definition.get("QueryLanguage", "JSONPath"))
    for name, state in _in_order(definition):
        if name not in own:
            for message, severity in problems_of_resource(state, is_declared=name in declared):
                yield Problem(name, message, severity)
        for message in _problems_of_state(state, functions, is_own=name in own):
            yield Problem(name, message)
        if name not in own:
            for message, severity in (
                *problems_of_literals(state),
                *problems_of_templates(state, language),
                *problems_of_values(state),
                *problems_of_token(state),
            ):
                yield Problem(name, message, severity)
    yield from problems_of_waits(definition)
    yield from problems_of_paths(definition, event, results, own)
    yield from problems_of_validator(definition)


def _problems_of_state(state: State, functions: Collection[str], *, is_own: bool) -> Iterator[str]:
    yield from problems_of_function(state, functions)
    if not is_own:
        yield from problems_of_arguments(state)
        yield from problems_of_call(state)
        yield from problems_of_syntax(state)


def _in_order(definition: Machine) -> Iterator[tuple[str, State]]:
    """Name and state of all states; all states of a machine come before the nested ones."""
    for machine in machines(definition):
        yield from machine["States"].items()
