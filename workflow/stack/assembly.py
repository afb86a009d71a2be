"""From the Python of the workflow to what is published: definition, functions, permissions, template.

Nothing here calls AWS or reads a stage: the result is the same for all stages.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import Any

from troposphere import Template

from workflow import ROOT
from workflow.asl.integration import integration_of
from workflow.asl.walk import states
from workflow.errors import WorkflowError
from workflow.machine import POST_REVIEW, build_machine, render
from workflow.parts.state import EVENT, RESULTS
from workflow.parts.user_permissions import place_of_permissions
from workflow.stack.checked import checked
from workflow.stack.functions import Function, camel_case, function, names_in, source_of
from workflow.stack.grants import Permission
from workflow.stack.handlers import is_function
from workflow.stack.permissions import Statement, statements_for
from workflow.stack.permissions.declared import declared_for, problems_of_declared
from workflow.stack.queries import QUERIES
from workflow.stack.references import broken_references, why_broken, why_no_resource
from workflow.stack.reviews_table import table_input
from workflow.stack.template import NAMES_IN_STEPS, build_template, without_special_names
from workflow.steps import places

__all__ = ["Assembly", "assemble", "own_states"]

ALWAYS = ("reconcile", "release_claim", "start_loop")
"""Functions that no step names: a schedule and a rule run the first two, code outside the workflow the third."""


@dataclass(frozen=True)
class Assembly:
    """Everything that is published.

    Attributes:
        definition: The state machine in Amazon States Language. Functions and other resources of the stack
            are placeholders `${…}` that the template fills in.
        functions: The functions that the definition names, and those of `ALWAYS`.
        places: State name → file:line where it was made.
        template: The CloudFormation template.
        content: The same as a document. It takes a while to make, so it is made once.
        warnings: What may be a mistake in a step, each with the state and the line that made it.
    """

    definition: dict[str, Any]
    functions: tuple[Function, ...]
    places: Mapping[str, str]
    template: Template
    content: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def assemble(post_review: Path = POST_REVIEW, root: Path = ROOT, *, cache: Path | None = None) -> Assembly:
    """Builds everything from the workflow's code.

    Args:
        post_review: The file with the user's post-review steps.
        root: The folder that has `lambdas/`.
        cache: Where findings of checks are kept; `.build/` in the root by default.

    Raises:
        WorkflowError: The steps do not make a valid state machine, or a function is missing or invalid. The
            message has one line for each problem, with the state and the line of the file that made it.
        PermissionUnknown: The permissions of a step can neither be derived nor are they declared.
    """
    machine = build_machine(post_review)
    made_at = places(machine)
    definition, names = _with_functions(render(machine), made_at, root)
    functions = _functions(names, made_at, root)
    known = [one.name for one in functions]
    own = own_states(made_at, post_review)  # Our tests check the arguments of their calls.
    declared = declared_for(definition, post_review)
    findings = checked(
        cache or root / ".build",
        definition,
        functions=known,
        places=made_at,
        event=EVENT,
        results=RESULTS,
        own=own,
        declared=sorted(declared),
    )
    # The tests of the workflow's own functions use each of their permissions.
    theirs = {camel_case(name) for name, state in names.items() if state not in own}
    actions = problems_of_declared(declared, post_review, [one for one in functions if one.name in theirs])
    problems = [*((str(finding), finding.severity) for finding in findings), *actions]
    if errors := [message for message, severity in problems if severity == "error"]:
        raise WorkflowError("\n".join(errors))
    statements = statements_for(definition, declared, places=made_at)
    template = build_template(definition, functions, statements, reviews_table=table_input(), queries=QUERIES)
    made = template.to_dict()
    broken = [
        *_broken_in_functions(functions, made),
        *_broken_in_declared(
            declared, made, [*NAMES_IN_STEPS, *(f"{name}Arn" for name in known)], post_review
        ),
        *_broken_in_steps(definition, statements, declared, known, made_at),
    ]
    # These name a file, so the check of the whole template comes after them.
    if lines := broken or list(broken_references(made)):
        raise WorkflowError("\n".join(dict.fromkeys(lines)))
    warnings = [message for message, severity in problems if severity == "warning"]
    return Assembly(
        definition=definition,
        functions=functions,
        places=made_at,
        template=template,
        content=made,
        warnings=(*warnings, *_unnamed(functions, root)),
    )


def own_states(places: Mapping[str, str], post_review: Path) -> set[str]:
    """The names of the workflow's own states, not those of the user's file.

    Args:
        places: State name → file:line where it was made.
        post_review: The user's file.
    """
    files = {place: Path(place.rpartition(":")[0]).resolve() for place in places.values()}
    ours = ROOT / "workflow"
    return {
        name
        for name, place in places.items()
        if files[place].is_relative_to(ours) and files[place] != post_review.resolve()
    }


def _state(name: str, places: Mapping[str, str]) -> str:
    return f"state {name!r}" + (f" ({places[name]})" if name in places else "")


def _functions(names: Mapping[str, str], places: Mapping[str, str], root: Path) -> tuple[Function, ...]:
    """The functions that steps name, and those of `ALWAYS`. All problems are in one error."""
    found, wrong = [], []
    for name in sorted({*names, *ALWAYS}):
        try:
            found.append(function(name, root))
        except WorkflowError as error:
            wrong.append(f"{_state(names[name], places)}: {error}" if name in names else str(error))
    for name, several in groupby(sorted(found, key=_name), _name):
        if len(twice := [one.place.partition(":")[0] for one in several]) > 1:
            wrong.append(f"{' and '.join(twice)}: both would be the function {name}; rename one of the files")
    if wrong:
        raise WorkflowError("\n".join(wrong))
    return tuple(found)


def _name(one: Function) -> str:
    return one.name


def _unnamed(functions: Iterable[Function], root: Path) -> Iterator[str]:
    """Warnings about functions in `lambdas/` that no step names."""
    published = {one.handler for one in functions}
    for name in names_in(root):
        try:
            source, module = source_of(name, root)
        except WorkflowError:
            continue  # A file and a folder have the same name. A step that names them gets the error.
        if f"{module}.handler" not in published and is_function(source, root):
            yield (
                f"{source.relative_to(root).as_posix()}: no step names this function, so it is not published; add a "
                f'step with "FunctionName": "{name}", or remove the function'
            )


def _broken_in_functions(functions: Iterable[Function], template: Mapping[str, Any]) -> Iterator[str]:
    """Permissions of functions on resources that the template does not have."""
    for one in functions:
        for permission in one.permissions:
            for resource in permission.resources:
                plain = without_special_names(resource)
                why = why_broken(plain, template)
                if why or (plain == resource and (why := why_no_resource(resource, template))):
                    yield f"{one.place}: permissions: {resource!r}: {why}"


def _broken_in_declared(
    declared: Mapping[str, Sequence[Permission]],
    template: Mapping[str, Any],
    known: Sequence[str],
    post_review: Path,
) -> Iterator[str]:
    """Declared permissions of steps on resources that the template does not have."""
    for step, permissions in declared.items():
        for permission in permissions:
            for resource in permission.resources:
                plain = without_special_names(resource, is_step=True)
                why = why_broken(plain, template, known)
                if why or (plain == resource and (why := why_no_resource(resource, template))):
                    yield f"{place_of_permissions(post_review, step)}: {resource!r}: {why}"


def _broken_in_steps(
    definition: Mapping[str, Any],
    statements: Iterable[Statement],
    declared: Mapping[str, Sequence[Permission]],
    functions: Iterable[str],
    places: Mapping[str, str],
) -> Iterator[str]:
    """Names in `${…}` in the steps themselves that do not exist."""
    known = [*NAMES_IN_STEPS, *(f"{name}Arn" for name in functions)]
    written = {
        resource for permissions in declared.values() for one in permissions for resource in one.resources
    }
    by_name = dict(states(definition))
    for statement in statements:
        for resource in [one for one in statement.resources if one not in written]:
            for name in re.findall(r"\$\{(\w+)(?:\.\w+)?\}", resource):
                if name in known:
                    continue
                close = get_close_matches(name, known, 1)
                hint = (
                    f"did you mean {close[0]!r}?" if close else f"the names are {', '.join(NAMES_IN_STEPS)}"
                )
                # Steps with the same permissions share a statement: look for the one with the name.
                having = (step for step in statement.steps if f"${{{name}" in json.dumps(by_name[step]))
                step = next(having, statement.steps[0])
                yield f"{_state(step, places)}: ${{{name}}} is not a name that a step can use; {hint}"


def _with_functions(
    definition: Mapping[str, Any], places: Mapping[str, str], root: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """The definition with a placeholder for each function of `lambdas/`, and the functions' names, each with a state.

    A step names such a function by its file or folder (`"FunctionName": "collect_review"`). A name with a colon is the
    ARN of another function and stays.
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
                continue  # An ARN, a placeholder, or an expression.
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise WorkflowError(
                    f"{_state(state_name, places)}: {name!r} is neither a function of lambdas/ "
                    f"(lowercase letters, digits, underscores) nor an ARN{_meant(name, root)}"
                )
            if any(key.startswith("Qualifier") for key in named):
                raise WorkflowError(
                    f"{_state(state_name, places)}: remove Qualifier: an execution runs the version of {name} "
                    "that was published with the workflow"
                )
            names.setdefault(name, state_name)
            named["FunctionName"] = "${" + camel_case(name) + "Arn}"
    return filled, names


def _meant(name: str, root: Path) -> str:
    """The function that a name resembles: `score.py`, `lambdas/score.py`, `lambdas.score.handler`, `Score`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    inner = re.sub(r"^.*lambdas[./]|(/handler)?\.py$|\.(lambda_)?handler$", "", words)
    close = get_close_matches(re.sub(r"\W+", "_", inner), names_in(root), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
