"""Parallel and Map states, and what their branches and iterations record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.ministack_patches import canned, map_runs
from sandbox.ministack_patches.concurrency import Branches
from sandbox.ministack_patches.retries import with_retry_and_catch
from sandbox.ministack_patches.tasks import arguments_of, result_of
from sandbox.ministack_patches.walks import LOCK, Attempt, Walk, current
from workflow.asl.walk import is_distributed

__all__ = ["correct", "inputs_of", "items_of", "limit_of"]


def correct() -> None:
    """Corrects Parallel and Map."""
    _record_branches()


def _record_branches() -> None:
    """Runs branches and iterations as AWS does, and records them.

    AWS: the history has the start, the success and the failure of the state and of each iteration, and the states in
    them. The state fails as soon as one of its branches fails; the others are aborted. Arguments, Output and Assign
    work in both. A redrive continues only the branches that failed or were aborted, unless the error was
    States.DataLimitExceeded. (https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html)
    MiniStack: records nothing. All branches run to their ends before the state fails. Parallel ignores Arguments,
    Output and Assign.
    """
    from ministack.services import stepfunctions

    def parallel(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
        return _run(state, given, context, "Parallel", lambda: _parallel(state, given, context))

    def map_state(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
        return _run(state, given, context, "Map", lambda: _map(state, given, execution, context))

    stepfunctions._execute_parallel, stepfunctions._execute_map = parallel, map_state


_Result = tuple[Any, str | None]
"""The output of a state, and the name of the next one."""


def _run(
    state: dict[str, Any], given: Any, context: dict[str, Any], kind: str, attempt: Callable[[], _Result]
) -> _Result:
    from ministack.services import stepfunctions

    walk, running = _here()
    errors: list[str] = []

    def try_once() -> _Result:
        # A retry begins with all branches. The first attempt after a redrive continues those that are left.
        if errors:
            _set_inner(walk, running, None)
        try:
            return attempt()
        except stepfunctions._ExecutionError as error:
            errors.append(error.error)
            raise

    def give_up() -> None:
        stepfunctions._add_event(walk.execution, f"{kind}StateFailed")
        if errors[-1] == "States.DataLimitExceeded":
            _set_inner(walk, running, None)

    return with_retry_and_catch(state, given, context, try_once, give_up=give_up)


def _here() -> tuple[Walk, Attempt]:
    found = current()
    assert found is not None, "only a walk enters a state"
    return found


def _set_inner(walk: Walk, attempt: Attempt, inner: list[Walk] | None) -> None:
    with LOCK:
        attempt.check()
        walk.inner = inner


def _parallel(state: dict[str, Any], given: Any, context: dict[str, Any]) -> _Result:
    from ministack.services import stepfunctions

    walk, attempt = _here()
    if walk.inner is None:
        effective = arguments_of(state, given, context)
        stepfunctions._add_event(walk.execution, "ParallelStateStarted")
        branches = [
            Walk(
                walk.execution,
                branch,
                effective,
                dict(context["variables"]),
                last_event=walk.last_event,
                item=walk.item,
            )
            for branch in state["Branches"]
        ]
        _set_inner(walk, attempt, branches)
    Branches(walk, attempt, state, "Parallel").finish()
    return result_of(state, given, context, [one.given for one in walk.inner or ()])


def _map(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> _Result:
    from ministack.services import stepfunctions

    walk, attempt = _here()
    machine = state.get("Iterator") or state.get("ItemProcessor", {})
    if is_distributed(state):
        return result_of(state, given, context, _distributed(state, given, machine, execution, context))
    if walk.inner is None:
        variables = context["variables"]
        iterations = [
            Walk(walk.execution, machine, selected, dict(variables), item=item)
            for selected, item in inputs_of(state, given, context)
        ]
        length = {"mapStateStartedEventDetails": {"length": len(iterations)}}
        stepfunctions._add_event(walk.execution, "MapStateStarted", length)
        _set_inner(walk, attempt, iterations)
    Branches(walk, attempt, state, "Map", limit_of(state, given, context)).finish()
    return result_of(state, given, context, [one.given for one in walk.inner or ()])


def _distributed(
    state: dict[str, Any], given: Any, machine: dict[str, Any], execution: Any, context: dict[str, Any]
) -> Any:
    """Returns the outputs of the children of a Distributed Map.

    AWS: ItemReader, ItemSelector, Assign and Output work in both query languages, as Items does in JSONata. Children do
    not see the variables of the parent.
    (https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html)
    MiniStack: takes all for JSONPath. Children see the variables.
    """
    canned.check_runs(state)
    selected = [one for one, _ in inputs_of(state, given, context, _items_read(state, given, context))]
    limits = {"MaxConcurrency": limit_of(state, given, context)}
    kept = ("Label", "ToleratedFailureCount", "ToleratedFailurePercentage")
    plain = {name: state[name] for name in kept if name in state} | limits
    return map_runs.run(plain, selected, machine, execution, {**context, "variables": {}})


def _items_read(state: dict[str, Any], given: Any, context: dict[str, Any]) -> list[Any] | None:
    """Returns what the ItemReader of a Map reads; None if it has none."""
    from ministack.services import stepfunctions

    reader = state.get("ItemReader")
    if reader is None:
        return None
    if stepfunctions._state_query_language(state, context) == "JSONata":
        resolved = stepfunctions._apply_jsonata_template(reader.get("Arguments", {}), given, context)
        reader = {**reader, "Arguments": resolved}
    effective = stepfunctions._apply_input_path(state, given, context)
    items: list[Any] = stepfunctions._read_map_items(reader, effective, context)
    return items


def limit_of(state: dict[str, Any], given: Any, context: dict[str, Any]) -> int:
    """Returns how many iterations of a Map run at the same time. 0 stands for all."""
    from ministack.services import stepfunctions

    if path := state.get("MaxConcurrencyPath"):
        effective = stepfunctions._apply_input_path(state, given, context)
        return int(stepfunctions._resolve_path_or_ctx(path, effective, context))
    if isinstance(state.get("MaxConcurrency"), str):
        return int(stepfunctions._jsonata_state_field(state, "MaxConcurrency", "number", given, context))
    return int(state.get("MaxConcurrency", 0))


def items_of(state: dict[str, Any], given: Any, context: dict[str, Any]) -> list[Any]:
    """Returns the items of a Map.

    AWS: they must be an array, or for a Distributed Map, an object, whose pairs are the items. Otherwise, the state
    fails with States.Runtime, or in JSONata with States.QueryEvaluationError.
    (https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemspath.html)
    MiniStack: makes anything else an item.
    """
    from ministack.services import stepfunctions

    if is_distributed(state) and isinstance(pairs := _selected(state, given, context), dict):
        return [{"Key": key, "Value": value} for key, value in pairs.items()]
    if stepfunctions._state_query_language(state, context) == "JSONata":
        if "Items" in state:
            return list(stepfunctions._jsonata_state_field(state, "Items", "array", given, context))
        if isinstance(given, list):
            return given
        kind = stepfunctions._json_type(given)
        message = f"Map state input must be an array but was: {kind}"
        raise stepfunctions._ExecutionError("States.QueryEvaluationError", message)
    path = state.get("ItemsPath", "$")
    effective = stepfunctions._apply_input_path(state, given, context)
    items = stepfunctions._resolve_path_or_ctx(path, effective, context)
    if not isinstance(items, list):
        message = f'Reference path "{path}" must point to array.'
        raise stepfunctions._ExecutionError("States.Runtime", message)
    return items


def _selected(state: dict[str, Any], given: Any, context: dict[str, Any]) -> Any:
    """Returns what a Map goes through, whatever it is."""
    from ministack.services import stepfunctions

    if stepfunctions._state_query_language(state, context) == "JSONata":
        if "Items" not in state:
            return given
        return stepfunctions._apply_jsonata_template(state["Items"], given, context)
    effective = stepfunctions._apply_input_path(state, given, context)
    return stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)


def inputs_of(
    state: dict[str, Any], given: Any, context: dict[str, Any], items: list[Any] | None = None
) -> list[tuple[Any, dict[str, Any]]]:
    """Returns for each iteration its input, and what its context object has in addition.

    Args:
        state: The definition of the Map.
        given: Its input.
        context: Its context object.
        items: What an ItemReader has read. Without it, the items are in the input.
    """
    from ministack.services import stepfunctions

    jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
    effective = given if jsonata else stepfunctions._apply_input_path(state, given, context)
    selector = state.get("ItemSelector") or state.get("Parameters")
    inputs = []
    for index, item in enumerate(items_of(state, given, context) if items is None else items):
        own = {"Map": {"Item": {"Index": index, "Value": item}}}
        if not selector:
            selected = item
        elif jsonata:
            selected = stepfunctions._apply_jsonata_template(selector, given, {**context, **own})
        else:
            selected = stepfunctions._resolve_params_obj(selector, effective, {**context, **own})
        inputs.append((selected, own))
    return inputs
