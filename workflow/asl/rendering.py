"""Renders the machine that begins with a step.

The SDK's `Graph` is not used: it renders nested branches several times, recurses along the chain, and silently drops
one of two states with the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workflow.asl.blocks import Step
from workflow.asl.origin import made_at, name_of
from workflow.asl.plain import machine_language, plain_state
from workflow.asl.reach import everything, expect_step, first, reachable
from workflow.asl.sdk import StepInput
from workflow.errors import WorkflowError

__all__ = ["definition", "machine_of"]


def definition(
    start: Any,
    *,
    comment: str | None = None,
    query_language: str | None = None,
    timeout_seconds: int | None = None,
) -> dict[str, Any]:
    """Renders the machine that begins with a step or chain.

    Args:
        start: The first step, or a chain of steps. The machine has all states that it leads to.
        comment: The purpose of the machine, shown in the console.
        query_language: "JSONPath" (ASL's default) or "JSONata", for states that do not set their own.
        timeout_seconds: The time after which an execution fails with States.Timeout.

    Returns:
        The ASL definition as plain JSON values. Keys have a fixed order, and states the order of the SDK's `Graph`.
        Resources always begin with `arn:aws`, in any Region.

    Raises:
        WorkflowError: Two states have the same name (names are unique across branches), two nested machines share a
            state, a value is not JSON, or a placeholder is used where none is possible.
    """
    expect_step(start, "definition")
    _expect_unique_names(everything(start))
    machine: dict[str, Any] = {}
    if comment is not None:
        machine["Comment"] = comment
    if query_language is not None:
        machine["QueryLanguage"] = query_language
    if timeout_seconds is not None:
        machine["TimeoutSeconds"] = timeout_seconds
    token = machine_language.set(query_language or "JSONPath")
    try:
        return machine | machine_of(start)
    finally:
        machine_language.reset(token)


def machine_of(start: Any) -> dict[str, Any]:
    """StartAt and States of a machine, also of one nested in a Parallel or Map."""
    members = list(reachable(start))
    # For the SDK's Graph and Workflow, which do not call `definition`.
    _expect_unique_names(members)
    states: dict[str, Any] = {}
    for state in members:
        _expect_placeholders_of_the_step_before(state)
        rendered = state.to_dict()
        states[state.state_id] = rendered if isinstance(state, Step) else plain_state(rendered, state)
    return {"StartAt": first(start).state_id, "States": states}


def _expect_unique_names(states: Iterable[Any]) -> None:
    known: dict[str, Any] = {}
    for state in states:
        other = known.get(state.state_id)
        known[state.state_id] = state
        if other is state:
            raise WorkflowError(
                f"{name_of(state)} belongs to two machines, but no transition can lead into, out of, or between the"
                " branches of a Parallel or Map; create one state for each, with its own name"
            )
        if other is not None:
            raise WorkflowError(
                f"two states have the name {state.state_id!r}{made_at(other, state)}; give each state of a machine"
                " its own name, including states in branches"
            )


def _expect_placeholders_of_the_step_before(state: Any) -> None:
    """Rejects, as the SDK does, a placeholder for the output of any step but the previous one."""
    if state.next_step is None:
        return
    following = first(state.next_step)
    for field in ("parameters", "arguments"):
        template = following.fields.get(field)
        for placeholder in _step_inputs(template):
            if placeholder is not state.step_output and not state.step_output.contains(placeholder):
                path = placeholder.to_jsonpath()
                raise WorkflowError(
                    f"{name_of(following)}: the placeholder {path} in {field} does not refer to the output of the"
                    f" previous step, {state.state_id!r}; use a path instead"
                )


def _step_inputs(template: Any) -> Iterator[Any]:
    if isinstance(template, StepInput):
        yield template
    elif isinstance(template, Mapping | list):
        for value in template.values() if isinstance(template, Mapping) else template:
            yield from _step_inputs(value)
