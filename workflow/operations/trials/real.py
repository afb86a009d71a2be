"""The state that a step got, or would have got, in a real execution."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workflow.asl.walk import Machine, machines, ways
from workflow.errors import AfterloopError
from workflow.operations.executions import ExecutionView, Visit
from workflow.operations.trials.step import Step

__all__ = ["real_state"]


def real_state(execution: ExecutionView, step: Step, definition: Machine) -> tuple[Any, dict[str, Any]]:
    """Returns the input of a step in an execution, and the workflow variables.

    A step that the execution did not enter, because it is new, gets the output of the last state before it.

    Args:
        execution: The execution, with its data.
        step: The step.
        definition: The state machine of today.

    Raises:
        AfterloopError: The execution entered neither the step nor a state before it, or its data cannot be read.
    """
    for name, is_before in _candidates(definition, step.name):
        visits = [visit for visit in execution.of(name) if not (is_before and visit.output is None)]
        if visits:
            visit = visits[-1]
            text, cut = (
                (visit.output, visit.output_truncated) if is_before else (visit.input, visit.input_truncated)
            )
            if text is None or cut:
                raise AfterloopError(f"the history of {execution.arn} does not have the data of {name!r}")
            return json.loads(text), _variables(execution, visit, with_own=is_before)
    entered = ", ".join(dict.fromkeys(visit.state for visit in execution.visits)) or "none"
    raise AfterloopError(
        f"the execution {execution.name} did not come to step {step.name!r}; the states that it entered: {entered}"
    )


def _candidates(definition: Machine, name: str) -> Iterator[tuple[str, bool]]:
    """The state itself, and then those before it, the nearest first, each with whether it comes before."""
    yield name, False
    states: Machine = next(
        (one["States"] for one in machines(definition) if name in one.get("States", {})), {}
    )
    seen, nearest = {name}, [name]
    while nearest:
        before = [
            other
            for other, state in states.items()
            if other not in seen and any(way.to in nearest and way.kind != "catch" for way in ways(state))
        ]
        yield from ((other, True) for other in before)
        seen |= set(before)
        nearest = before


def _variables(execution: ExecutionView, until: Visit, *, with_own: bool) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for visit in execution.visits:
        if visit is until and not with_own:
            break
        # Variables of a branch or an iteration are not visible outside of it.
        if visit.outer is None or visit.outer is until.outer:
            known |= {name: json.loads(value) for name, value in visit.variables.items()}
        if visit is until:
            break
    return known
