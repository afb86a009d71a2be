"""How a machine is rendered, from the step that it begins with.

The SDK's `Graph` renders nested branches several times over, recurses along the chain, and keeps one of two states that
share a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """Render the machine that begins at a step or chain.

    Args:
        start: the first step, or a chain of steps; everything that it leads to is rendered.
        comment: what the machine is for, shown in the console.
        query_language: "JSONPath" (ASL's default) or "JSONata", for the states that do not say it.
        timeout_seconds: seconds after which an execution fails with States.Timeout.

    Returns:
        The ASL definition: plain JSON values, keys in a fixed order whatever the order of keyword arguments,
        states in the order of the SDK's own `Graph`. Resources say `arn:aws` wherever it is rendered.

    Raises:
        WorkflowError: two states have one name (ASL wants names unique across branches, too), a state is
            shared by two nested machines, a value is not JSON, or a placeholder stands where none can.
    """
    expect_step(start, "definition")
    _expect_unique_names(start)
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
    """Render what is nested in a Parallel or Map, or the States of a whole machine: StartAt and States."""
    states: dict[str, Any] = {}
    for state in reachable(start):
        _expect_placeholders_of_the_step_before(state)
        rendered = state.to_dict()
        states[state.state_id] = rendered if isinstance(state, Step) else plain_state(rendered, state)
    return {"StartAt": first(start).state_id, "States": states}


def _expect_unique_names(start: Any) -> None:
    known: dict[str, Any] = {}
    for state in everything(start):
        other = known.setdefault(state.state_id, state)
        if other is not state:
            raise WorkflowError(
                f"two states have the name {state.state_id!r}{made_at(other, state)}; names are unique in a"
                " whole machine, branches included"
            )
    counted: dict[int, int] = {}
    for state in everything(start):
        counted[id(state)] = counted.get(id(state), 0) + 1
        if counted[id(state)] > 1:
            raise WorkflowError(
                f"{name_of(state)} belongs to two machines: no transition leads into, out of, or between the"
                " branches of a Parallel or Map; make it once for each, with its own name"
            )


def _expect_placeholders_of_the_step_before(state: Any) -> None:
    """Refuse, as the SDK does, a placeholder for the output of a step that is not the one before."""
    if state.next_step is None:
        return
    following = first(state.next_step)
    for field in ("parameters", "arguments"):
        template = following.fields.get(field)
        for placeholder in _step_inputs(template):
            if placeholder is not state.step_output and not state.step_output.contains(placeholder):
                path = placeholder.to_jsonpath()
                raise WorkflowError(
                    f"{name_of(following)}: the placeholder {path} in {field} is not for the output of"
                    f" {state.state_id!r}, the step before it; write the path itself"
                )


def _step_inputs(template: Any) -> Iterator[Any]:
    if isinstance(template, StepInput):
        yield template
    elif isinstance(template, Mapping | list):
        for value in template.values() if isinstance(template, Mapping) else template:
            yield from _step_inputs(value)
