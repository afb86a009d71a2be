"""Paths in states of the query language JSONPath."""

from __future__ import annotations

import copy
import json
from typing import Any

from sandbox.ministack_patches.variables import referenced
from sandbox.supported import advice, runs_path

__all__ = ["correct", "exists"]


def correct() -> None:
    """Corrects JSONPath."""
    _fail_on_paths_to_nothing()
    _put_results_where_path_says()
    _check_values_of_paths()
    _name_intrinsic_failures()


def _fail_on_paths_to_nothing() -> None:
    """Fails an execution whose path leads nowhere.

    AWS: a path in InputPath, OutputPath, Parameters, ResultSelector, ItemsPath, SecondsPath or an intrinsic function
    that does not lead to a value fails the execution with States.Runtime, which cannot be caught. A path with a
    wildcard gives a list, which can be empty.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: the value is null.
    """
    from ministack.services import stepfunctions

    resolve = stepfunctions._resolve_path

    def resolve_existing(path: str, data: Any) -> Any:
        value = resolve(*referenced(path, data))
        if value is None and not runs_path(path):
            raise stepfunctions._ExecutionError("States.Runtime", advice({}, f"the path {path}"))
        if value is None and not exists(path, data):
            raise stepfunctions._ExecutionError(
                "States.Runtime",
                f"The JSONPath '{path}' could not be found in the input '{json.dumps(data, ensure_ascii=False)}'",
            )
        return value

    stepfunctions._resolve_path = resolve_existing


def exists(path: str, data: Any) -> bool:
    """Says whether a path leads to a value, which may be null. One with a wildcard leads to a list."""
    from ministack.services import stepfunctions

    path, data = referenced(path, data)
    if path in ("$", ""):
        return True
    tokens = stepfunctions._parse_jsonpath_tokens(path) if path.startswith("$") else None
    if tokens is None:
        return False
    for kind, key in tokens:
        if kind == "wildcard":
            return True
        if not isinstance(data, dict if kind == "field" else list):
            return False
        if key not in data if kind == "field" else key >= len(data):
            return False
        data = data[key]
    return True


def _put_results_where_path_says() -> None:
    """Puts the result of a state where its ResultPath says.

    AWS: missing fields of the path are added. A path through something that is not an object fails the state with
    States.ResultPathMatchFailure. (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultpath.html)
    MiniStack: replaces what is in the way, also the input itself, and cannot read `$['name']`.
    """
    from ministack.services import stepfunctions

    def apply(path: str | None, original: Any, result: Any) -> Any:
        if path is None:
            return copy.deepcopy(original)
        if path == "$":
            return result
        output = copy.deepcopy(original)
        place = output
        fields = [key for _, key in stepfunctions._parse_jsonpath_tokens(path) or ()]
        for position, field in enumerate(fields):
            if not isinstance(place, dict):
                raise stepfunctions._ExecutionError(
                    "States.ResultPathMatchFailure",
                    f"Unable to apply step '{field}' to input {json.dumps(original, ensure_ascii=False)}",
                )
            if position + 1 < len(fields):
                place = place.setdefault(field, {})
            else:
                place[field] = result
        return output

    stepfunctions._apply_result_path_raw = apply


def _check_values_of_paths() -> None:
    """Fails an execution whose SecondsPath or TimestampPath leads to a value of another type.

    AWS: SecondsPath must lead to an integer that is not negative, TimestampPath to a timestamp, or the execution fails
    with States.Runtime. (https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html)
    MiniStack: a Wait does not wait.
    """
    from ministack.services import stepfunctions

    wait = stepfunctions._execute_wait
    jsonpath = "JSONPath"

    def value(path: str, state: dict[str, Any], given: Any, ctx: Any) -> Any:
        return stepfunctions._resolve_path_or_ctx(
            path, stepfunctions._apply_input_path(state, given, ctx), ctx
        )

    def refuse(path: str, wanted: str) -> Any:
        return stepfunctions._ExecutionError(
            "States.Runtime", f'Reference path "{path}" must point to {wanted}.'
        )

    def wait_checked(state: dict[str, Any], given: Any, ctx: Any = None) -> Any:
        if stepfunctions._state_query_language(state, ctx) == jsonpath:
            if path := state.get("SecondsPath"):
                seconds = value(path, state, given, ctx)
                if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
                    raise refuse(path, "a positive integer")
            if (path := state.get("TimestampPath")) and not stepfunctions._is_timestamp(
                value(path, state, given, ctx)
            ):
                raise refuse(path, "a timestamp")
        return wait(state, given, ctx)

    stepfunctions._execute_wait = wait_checked


def _name_intrinsic_failures() -> None:
    """Fails a state with States.IntrinsicFailure when an intrinsic function fails.

    AWS: an intrinsic function that gets arguments that it cannot use fails with States.IntrinsicFailure.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: States.Runtime.
    """
    from ministack.services import stepfunctions

    evaluate = stepfunctions._evaluate_intrinsic

    def evaluate_named(expression: str, data: Any, ctx: Any) -> Any:
        try:
            return evaluate(expression, data, ctx)
        except stepfunctions._ExecutionError:
            raise
        except Exception as error:
            raise stepfunctions._ExecutionError(
                "States.IntrinsicFailure", f"The function '{expression}' had the following error: {error}"
            ) from error

    stepfunctions._evaluate_intrinsic = evaluate_named
