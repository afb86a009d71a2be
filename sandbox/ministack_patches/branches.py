"""Parallel and Map states, and what their branches and iterations record."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from typing import Any

from sandbox.ministack_patches.executions import walk_through
from sandbox.ministack_patches.retries import with_retry_and_catch
from sandbox.ministack_patches.variables import assign
from sandbox.ministack_patches.walks import LOCK, Attempt, AttemptEnded, Walk, current, record

__all__ = ["correct"]

_WITH_ABORT = ("Task", "Wait", "Parallel", "Map")
"""Types of states that have an event for their abort."""


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
        return _run(state, given, context, lambda: _parallel(state, given, context), "ParallelStateFailed")

    def map_state(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
        return _run(
            state,
            given,
            context,
            lambda: stepfunctions._run_map_items(state, given, execution, context),
            "MapStateFailed",
        )

    stepfunctions._execute_parallel, stepfunctions._execute_map = parallel, map_state
    stepfunctions._run_map_items = _map


def _run(state: dict[str, Any], given: Any, context: dict[str, Any], attempt: Any, failure: str) -> Any:
    from ministack.services import stepfunctions

    walk, running = _here()

    def try_once() -> Any:
        try:
            return attempt()
        except stepfunctions._ExecutionError as error:
            failed.append(error.error)
            raise

    def try_again() -> Any:
        # A retry begins with all branches. The first attempt after a redrive continues those that are left.
        if failed:
            _set_inner(walk, running, None)
        return try_once()

    def give_up() -> None:
        stepfunctions._add_event(walk.execution, failure)
        if failed[-1] == "States.DataLimitExceeded":
            _set_inner(walk, running, None)

    failed: list[str] = []
    return with_retry_and_catch(state, given, context, try_again, give_up=give_up)


def _here() -> tuple[Walk, Attempt]:
    found = current()
    assert found is not None, "only a walk enters a state"
    return found


def _set_inner(walk: Walk, attempt: Attempt, inner: list[Walk] | None) -> None:
    with LOCK:
        attempt.check()
        walk.inner = inner


def _parallel(state: dict[str, Any], given: Any, context: dict[str, Any]) -> Any:
    from ministack.services import stepfunctions

    walk, attempt = _here()
    if walk.inner is None:
        if stepfunctions._state_query_language(state, context) == "JSONata":
            effective = stepfunctions._apply_jsonata_arguments(state, given, context)
        else:
            effective = stepfunctions._apply_input_path(state, given, context)
            effective = stepfunctions._apply_parameters(state, effective, context)
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
    _Branches(walk, attempt, state, "Parallel").finish()
    return _result(state, given, context, walk)


def _map(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
    from ministack.services import stepfunctions

    walk, attempt = _here()
    jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
    effective = given if jsonata else stepfunctions._apply_input_path(state, given, context)
    machine = state.get("Iterator") or state.get("ItemProcessor", {})
    if (machine.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
        return stepfunctions._run_distributed_map(state, given, effective, machine, execution, context)
    limit = state.get("MaxConcurrency", 0)
    if jsonata and "MaxConcurrency" in state:
        limit = stepfunctions._jsonata_state_field(state, "MaxConcurrency", "number", given, context)
    elif path := state.get("MaxConcurrencyPath"):
        limit = stepfunctions._resolve_path_or_ctx(path, effective, context)
    if walk.inner is None:
        iterations = _iterations(state, given, effective, context, walk, machine)
        length = {"mapStateStartedEventDetails": {"length": len(iterations)}}
        stepfunctions._add_event(walk.execution, "MapStateStarted", length)
        _set_inner(walk, attempt, iterations)
    _Branches(walk, attempt, state, "Map", int(limit)).finish()
    return _result(state, given, context, walk)


def _iterations(
    state: dict[str, Any],
    given: Any,
    effective: Any,
    context: dict[str, Any],
    walk: Walk,
    machine: dict[str, Any],
) -> list[Walk]:
    from ministack.services import stepfunctions

    jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
    if jsonata and "Items" in state:
        items = stepfunctions._jsonata_state_field(state, "Items", "array", given, context)
    else:
        items = stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)
    selector = state.get("ItemSelector") or state.get("Parameters")
    if not isinstance(items, list):  # of JSONPath: see `paths.py`
        raise stepfunctions._ExecutionError(
            "States.QueryEvaluationError",
            f"Map state input must be an array but was: {stepfunctions._json_type(items)}",
        )
    iterations = []
    for index, item in enumerate(items):
        own = {"Map": {"Item": {"Index": index, "Value": item}}}
        if not selector:
            selected = item
        elif jsonata:
            selected = stepfunctions._apply_jsonata_template(selector, given, {**context, **own})
        else:
            selected = stepfunctions._resolve_params_obj(selector, effective, {**context, **own})
        variables = dict(context["variables"])
        iterations.append(Walk(walk.execution, machine, selected, variables, item=own))
    return iterations


def _result(state: dict[str, Any], given: Any, context: dict[str, Any], walk: Walk) -> Any:
    """Returns the output of the state, and the next state, once all branches have succeeded."""
    from ministack.services import stepfunctions

    results = [one.given for one in walk.inner or ()]
    assigned = assign(state, given, context, results)
    if stepfunctions._state_query_language(state, context) == "JSONata":
        output = stepfunctions._apply_jsonata_output(state, given, context, result=results, default=results)
    else:
        result = stepfunctions._apply_result_selector(state, results)
        output = stepfunctions._apply_result_path(state, given, result)
        output = stepfunctions._apply_output_path(state, output, context)
    context["variables"].update(assigned)
    return output, stepfunctions._next_or_end(state)


class _Branches:
    """The branches or iterations of a state that have not finished."""

    def __init__(
        self, walk: Walk, attempt: Attempt, state: dict[str, Any], kind: str, limit: int = 0
    ) -> None:
        self._walk, self._outer, self._kind = walk, attempt, kind
        self._attempt = Attempt(attempt.context, attempt)
        self._begun: list[tuple[int, Walk]] = []
        unfinished = [(index, one) for index, one in enumerate(walk.inner or ()) if one.state is not None]
        self._waiting = deque(unfinished)
        self._limit = min(limit or len(self._waiting), len(self._waiting))
        self._changed = threading.Condition(LOCK)
        self._running = 0
        self._failed: tuple[int, Exception] | None = None
        self._begun_after = walk.last_event

    def finish(self) -> None:
        """Runs all to their ends.

        Raises:
            stepfunctions._ExecutionError: One of them failed.
            AttemptEnded: The attempt that needs them has ended.
        """
        from ministack.services import stepfunctions

        with LOCK:
            self._outer.check()
            first = [self._begin(self._begun_after) for _ in range(self._limit)]
            self._running = len(first)
        if len(first) == 1:
            self._work(*first[0])
        elif first:
            for index, branch in first:
                # A thread does not inherit the account and Region of its parent, nor its walk.
                target = contextvars.copy_context().run
                threading.Thread(target=target, args=(self._work, index, branch), daemon=True).start()
            with self._changed:
                self._changed.wait_for(lambda: self._failed or not self._running)
        with LOCK:
            self._outer.check()
            if self._failed is not None:
                self._record_failure(self._failed[0])
                raise self._failed[1]
        stepfunctions._add_event(self._walk.execution, f"{self._kind}StateSucceeded")

    def _work(self, index: int, branch: Walk) -> None:
        """Runs one, and then others, until none is left or one has failed."""
        try:
            while True:
                try:
                    walk_through(branch, self._attempt)
                except AttemptEnded:
                    raise
                except Exception as error:
                    with LOCK:
                        self._attempt.check()
                        self._failed = (index, error)
                        actions = self._attempt.end()
                    for action in actions:
                        action()
                    return
                with LOCK:
                    self._attempt.check()
                    self._walk.last_event = self._succeed(index, branch)
                    if not self._waiting:
                        return
                    index, branch = self._begin(branch.last_event)
        except AttemptEnded:
            return
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _begin(self, begun_after: int) -> tuple[int, Walk]:
        """Begins the next one. An iteration links to the start of the Map, or to the iteration that it waited for."""
        index, branch = self._waiting.popleft()
        self._begun.append((index, branch))
        if self._kind == "Map":
            branch.last_event = self._record("MapIterationStarted", begun_after, index)
        return index, branch

    def _succeed(self, index: int, branch: Walk) -> int:
        """Returns the event to which the next one of the outer walk links, if this branch is the last."""
        if self._kind == "Parallel":
            return branch.last_event
        return self._record("MapIterationSucceeded", branch.last_event, index)

    def _record_failure(self, failed: int) -> None:
        """Records the failure of one branch, and the abort of the others."""
        previous = self._walk.last_event = dict(self._begun)[failed].last_event
        # The failed one comes first.
        for index, branch in sorted(self._begun, key=lambda one: one[0] != failed):
            if branch.state is None:
                continue
            if self._kind == "Map":
                how = "MapIterationFailed" if index == failed else "MapIterationAborted"
                self._record(how, previous, index)
            self._record_aborts(branch, previous, ("Task", "Wait") if index == failed else _WITH_ABORT)

    def _record_aborts(self, branch: Walk, previous: int, kinds: tuple[str, ...]) -> None:
        for one in branch.inner or ():
            self._record_aborts(one, previous, kinds)
        kind = branch.current.get("Type")
        if branch.entered and kind in kinds:
            self._record(f"{kind}StateAborted", previous)

    def _record(self, kind: str, previous: int, index: int | None = None) -> int:
        details = {}
        if index is not None:
            name = f"m{kind[1:]}EventDetails"
            details = {name: {"name": self._walk.state, "index": index}}
        return int(record(self._walk.execution, kind, details, previous)["id"])
