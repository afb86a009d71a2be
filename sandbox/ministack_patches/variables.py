"""Variables of state machines: `Assign`, and paths that begin with the name of a variable."""

from __future__ import annotations

import re
from typing import Any

from sandbox.ministack_patches.evaluation import located
from sandbox.ministack_patches.walks import current

__all__ = ["assign", "correct", "referenced"]

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)")


def correct() -> None:
    """Corrects variables."""
    _assign_at_once()
    _assign_with_paths()


def assign(
    state: dict[str, Any], given: Any, context: dict[str, Any], result: Any, error: Any = None
) -> dict[str, Any]:
    """Returns the variables that a state, a rule or a catcher sets.

    AWS: `Assign` works in both query languages. In JSONPath, `$` is the result of the state, before ResultSelector, or
    the input of a state without a result. All expressions see the variables as they were when the state was entered.
    (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html; what `$` is, according to the
    executions on AWS that LocalStack's tests have recorded)

    Args:
        state: What may have `Assign`. Its language is that of the state machine if it names none.
        given: The input of the state.
        context: The context object.
        result: The result of the state; in a catcher, the error.
        error: In a catcher, the error.
    """
    from ministack.services import stepfunctions

    wanted = state.get("Assign")
    if not wanted:
        return {}
    with located("Assign"):
        if stepfunctions._state_query_language(state, context) == "JSONata":
            values = stepfunctions._apply_jsonata_template(
                wanted, given, context, result=result, error_output=error
            )
        else:
            values = stepfunctions._resolve_params_obj(wanted, result, context)
    if (walking := current()) is not None:
        walking[0].assigned.update(values)
    return dict(values)


def referenced(path: str, data: Any) -> tuple[str, Any]:
    """Returns a path without the name of a variable, and what it is relative to: `$name.x` gives `$.x` and its value.

    Other paths are relative to the data. A variable that is not set has no value, so that its path leads nowhere.
    (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html)
    """
    found = _REFERENCE.match(path)
    if found is None:
        return path, data
    walking = current()
    variables = walking[0].variables if walking else {}
    if found[1] not in variables:
        return f"$.{found[1]}", {}
    return f"${path[found.end() :]}", variables[found[1]]


def _assign_at_once() -> None:
    """Sets the variables of a JSONata state together. MiniStack sets one after the other, and the next sees it."""
    from ministack.services import stepfunctions

    def set_all(
        state: dict[str, Any], given: Any, context: Any, result: Any = None, error_output: Any = None
    ) -> None:
        if context is not None and stepfunctions._state_query_language(state, context) == "JSONata":
            values = assign(state, given, context, result, error_output)
            context.setdefault("variables", {}).update(values)

    stepfunctions._apply_state_assign = set_all


def _assign_with_paths() -> None:
    """Sets the variables of a JSONPath Pass and Wait (of the others: see `tasks.py`, `branches.py`, `states.py`).

    MiniStack: `Assign` needs JSONata.
    """
    from ministack.services import stepfunctions

    execute_pass, execute_wait = stepfunctions._execute_pass, stepfunctions._execute_wait

    def with_paths(state: dict[str, Any], context: Any) -> bool:
        return "Assign" in state and stepfunctions._state_query_language(state, context) == "JSONPath"

    def pass_and_assign(state: dict[str, Any], given: Any, context: Any = None) -> Any:
        values = {}
        if with_paths(state, context):
            result = stepfunctions._apply_input_path(state, given, context)
            result = state.get("Result", stepfunctions._apply_parameters(state, result, context))
            values = assign(state, given, context, result)
        done = execute_pass(state, given, context)
        if values:
            context["variables"].update(values)
        return done

    def wait_and_assign(state: dict[str, Any], given: Any, context: Any = None) -> Any:
        done = execute_wait(state, given, context)
        if with_paths(state, context):
            effective = stepfunctions._apply_input_path(state, given, context)
            context["variables"].update(assign(state, given, context, effective))
        return done

    stepfunctions._execute_pass, stepfunctions._execute_wait = pass_and_assign, wait_and_assign
