"""From the Python of the workflow to what is published: definition, functions, permissions, template.

Nothing here calls AWS or reads a stage: the outcome is the same for all of them.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from troposphere import Template

from workflow import ROOT
from workflow.asl.checks import check
from workflow.asl.integration import integration_of
from workflow.asl.origin import shown_path
from workflow.asl.walk import states
from workflow.errors import WorkflowError
from workflow.machine import POST_REVIEW, build_machine, render
from workflow.parts.state import EVENT, RESULTS
from workflow.stack.functions import Function, camel_case, function
from workflow.stack.grants import Permission
from workflow.stack.permissions import Statement, statements_for
from workflow.stack.permissions.declared import declared_for
from workflow.stack.queries import QUERIES
from workflow.stack.references import astray, leads_nowhere
from workflow.stack.reviews_table import table_input
from workflow.stack.template import NAMES_IN_STEPS, build_template, without_special_names
from workflow.steps import places

__all__ = ["Assembly", "assemble"]

ALWAYS = ("reconcile", "start_loop")
"""Functions that no step names: one runs by the clock, the other is called from outside the workflow."""


@dataclass(frozen=True)
class Assembly:
    """All that is published of one state of the code.

    Attributes:
        definition: The state machine in Amazon States Language; functions and other resources of the stack
            are named by placeholders `${…}` that the template fills in.
        functions: The functions that the definition names, and those that are called from outside.
        places: State name → file:line in which it was made.
        template: The CloudFormation template.
    """

    definition: dict[str, Any]
    functions: tuple[Function, ...]
    places: Mapping[str, str]
    template: Template


def assemble(post_review: Path = POST_REVIEW, root: Path = ROOT) -> Assembly:
    """Build everything from the workflow's code.

    Args:
        post_review: The file with the user's post-review steps.
        root: The folder that holds `lambdas/`.

    Raises:
        WorkflowError: The steps do not make a machine that can run: one line for each thing that is wrong, with
            the state and the line of the file that made it. Or a step names a function that is not there.
        PermissionUnknown: A step does not say which resource it needs.
    """
    machine = build_machine(post_review)
    made_at = places(machine)
    definition, names = _with_functions(render(machine), made_at)
    functions = _functions(names, made_at, root)
    known = [one.name for one in functions]
    own = _own(made_at, post_review)
    if findings := check(definition, functions=known, places=made_at, event=EVENT, results=RESULTS, own=own):
        raise WorkflowError("\n".join(map(str, findings)))
    declared = declared_for(definition, post_review)
    statements = statements_for(definition, declared, places=made_at)
    template = build_template(definition, functions, statements, reviews_table=table_input(), queries=QUERIES)
    made = template.to_dict()
    told = [
        *_astray_in_functions(functions, made),
        *_astray_in_steps(definition, statements, declared, functions, made, made_at, post_review),
    ]
    # The whole template after these, which say where a name stands.
    if lines := told or list(astray(made)):
        raise WorkflowError("\n".join(lines))
    return Assembly(definition=definition, functions=functions, places=made_at, template=template)


def _own(places: Mapping[str, str], post_review: Path) -> set[str]:
    """States that the workflow makes itself, not the user's file: its tests check their calls."""
    files = {place: Path(place.rpartition(":")[0]).resolve() for place in places.values()}
    ours = ROOT / "workflow"
    return {
        name
        for name, place in places.items()
        if files[place].is_relative_to(ours) and files[place] != post_review.resolve()
    }


def _functions(names: Mapping[str, str], places: Mapping[str, str], root: Path) -> tuple[Function, ...]:
    """The functions that steps name, and those that none names; what is wrong is told of all of them."""
    found, wrong = [], []
    for name in sorted({*names, *ALWAYS}):
        try:
            found.append(_function(name, names.get(name), places, root))
        except WorkflowError as error:
            wrong.append(str(error))
    if wrong:
        raise WorkflowError("\n".join(wrong))
    return tuple(found)


def _function(name: str, state: str | None, places: Mapping[str, str], root: Path) -> Function:
    try:
        return function(name, root)
    except WorkflowError as error:
        if state is None:
            raise
        place = f" ({places[state]})" if state in places else ""
        raise WorkflowError(f"state {state!r}{place}: {error}") from None


def _astray_in_functions(functions: Iterable[Function], template: Mapping[str, Any]) -> Iterator[str]:
    """What functions declare that they may do, on names that the template does not have."""
    for one in functions:
        for permission in one.permissions:
            for resource in permission.resources:
                if why := leads_nowhere(without_special_names(resource), template):
                    yield f"{one.place}: permissions: {resource!r}: {why}"


def _astray_in_steps(
    definition: Mapping[str, Any],
    statements: Iterable[Statement],
    declared: Mapping[str, Sequence[Permission]],
    functions: Iterable[Function],
    template: Mapping[str, Any],
    places: Mapping[str, str],
    post_review: Path,
) -> Iterator[str]:
    """The same of steps: what they declare, and what they name."""
    known = [*NAMES_IN_STEPS, *(f"{one.name}Arn" for one in functions)]
    by_name = dict(states(definition))
    written = set()
    for step, permissions in declared.items():
        for resource in [resource for permission in permissions for resource in permission.resources]:
            written.add(resource)
            if why := leads_nowhere(without_special_names(resource, is_step=True), template, known):
                yield f"{shown_path(post_review)}: permissions of {step!r}: {resource!r}: {why}"
    for statement in statements:
        for resource in statement.resources:
            for name in re.findall(r"\$\{(\w+)(?:\.\w+)?\}", "" if resource in written else resource):
                if name not in known:
                    close = get_close_matches(name, known, 1)
                    hint = (
                        f"did you mean {close[0]!r}?" if close else f"it may name {', '.join(NAMES_IN_STEPS)}"
                    )
                    saying = (step for step in statement.steps if f"${{{name}" in json.dumps(by_name[step]))
                    step = next(saying, statement.steps[0])
                    place = f"{places[step]}: " if step in places else ""
                    yield f"{place}state {step!r}: ${{{name}}} is no name that a step knows; {hint}"


def _with_functions(
    definition: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The definition with a placeholder for each function of `lambdas/`; the names of these, each with a state.

    A step names such a function by its file or folder (`"FunctionName": "collect_review"`). What has a colon is the
    ARN of a function from elsewhere, and stays.
    """
    filled = copy.deepcopy(dict(definition))
    names: dict[str, str] = {}
    for state_name, state in states(filled):
        called = integration_of(state)
        if called is None or (called.service, called.action, called.is_sdk) != ("lambda", "invoke", False):
            continue
        for field in ("Parameters", "Arguments"):
            named = state.get(field)
            if not isinstance(named, dict) or not isinstance(named.get("FunctionName"), str):
                continue
            name = named["FunctionName"]
            if ":" in name or name.startswith(("$", "{%")):
                continue
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                place = f" ({places[state_name]})" if state_name in places else ""
                raise WorkflowError(
                    f"state {state_name!r}{place}: {name!r} is neither a function of lambdas/ "
                    "(lower-case letters, digits, underscores) nor an ARN"
                )
            if any(key.startswith("Qualifier") for key in named):
                place = f" ({places[state_name]})" if state_name in places else ""
                raise WorkflowError(
                    f"state {state_name!r}{place}: leave out Qualifier: an execution runs {name} in the version "
                    "that was published with the workflow"
                )
            names.setdefault(name, state_name)
            named["FunctionName"] = "${" + camel_case(name) + "Arn}"
    return filled, names
