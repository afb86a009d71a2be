"""What TestState shows of the data of a state, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.ministack_patches.branches import inputs_of, items_of, limit_of
from sandbox.ministack_patches.tasks import arguments_of

__all__ = ["inspected"]


def inspected(
    state: dict[str, Any], given: Any, context: dict[str, Any], result: Any, *, strict: bool = False
) -> dict[str, Any]:
    """Returns `inspectionData` of a state: its data after each step that it has, until one fails.

    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_InspectionData.html; which steps a type of state
    shows, according to answers of AWS that LocalStack's tests have recorded)

    Args:
        state: The definition of the state.
        given: Its input.
        context: Its context object, with the variables as they were when it was entered.
        result: What its service or its mock answered. None if there is no answer.
        strict: Whether to raise the error of a step.
    """
    from ministack.services import stepfunctions

    jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
    found: dict[str, Any] = {"input": json.dumps(given)}
    try:
        for name, value in (_of_jsonata if jsonata else _of_jsonpath)(state, given, context, result):
            found[name] = value
    except stepfunctions._ExecutionError:
        if strict:
            raise
    return found


_Step = Iterator[tuple[str, Any]]


def _of_jsonata(state: dict[str, Any], given: Any, context: dict[str, Any], result: Any) -> _Step:
    if state["Type"] == "Task" and "Arguments" in state:
        yield "afterArguments", json.dumps(arguments_of(state, given, context))
    yield from _of_map(state, given, context)
    if state["Type"] == "Task" and result is not None:
        yield "result", json.dumps(result)


def _of_jsonpath(state: dict[str, Any], given: Any, context: dict[str, Any], result: Any) -> _Step:
    from ministack.services import stepfunctions

    kind = state["Type"]
    if kind not in ("Parallel", "Fail"):
        effective = stepfunctions._apply_input_path(state, given, context)
        yield "afterInputPath", json.dumps(effective)
    if kind in ("Task", "Pass"):
        effective = arguments_of(state, given, context)
        yield "afterParameters", json.dumps(effective)
    yield from _of_map(state, given, context)
    if kind == "Task" and result is not None:
        yield "result", json.dumps(result)
    if kind == "Pass":
        result = state.get("Result", effective)
    if kind in ("Task", "Pass", "Map", "Parallel") and result is not None:
        selected = stepfunctions._apply_result_selector(state, result)
        yield "afterResultSelector", json.dumps(selected)
        yield "afterResultPath", json.dumps(stepfunctions._apply_result_path(state, given, selected))


def _of_map(state: dict[str, Any], given: Any, context: dict[str, Any]) -> _Step:
    from ministack.services import stepfunctions

    if state["Type"] != "Map":
        return
    if "ItemReader" not in state:
        items = items_of(state, given, context)
        if stepfunctions._state_query_language(state, context) != "JSONata":
            yield "afterItemsPath", json.dumps(items)
        if state.get("ItemSelector") or state.get("Parameters"):
            yield "afterItemSelector", json.dumps([one for one, _ in inputs_of(state, given, context)])
    yield "maxConcurrency", limit_of(state, given, context)
    for name in ("ToleratedFailureCount", "ToleratedFailurePercentage"):
        if name in state:
            yield f"t{name[1:]}", state[name]
