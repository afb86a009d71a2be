"""The states that a step leads to, and those nested in it, as objects of the SDK.

`walk` does the same for a rendered definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow.asl.sdk import SDK, State
from workflow.errors import WorkflowError

__all__ = ["everything", "expect_step", "first", "inside", "reachable"]


def reachable(start: Any) -> Iterator[Any]:
    """The states that a step or chain leads to, including itself, in the order of the SDK's Graph.

    States nested in a Parallel or Map are left out.
    """
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        step = waiting.pop()
        if isinstance(step, SDK.Chain):
            waiting.extend(reversed(step.steps))
        elif id(step) not in seen:
            expect_step(step, "definition")
            seen.add(id(step))
            yield step
            waiting.extend(reversed(list(_following(step))))


def inside(state: Any) -> Iterator[Any]:
    """The states nested in a Parallel or Map, at any depth."""
    for start in _nested(state):
        yield from everything(start)


def everything(start: Any) -> Iterator[Any]:
    """All states, nested ones after the state that holds them. A state in two machines comes twice."""
    for state in reachable(start):
        yield state
        yield from inside(state)


def _following(state: Any) -> Iterator[Any]:
    if isinstance(state, SDK.Choice):
        if state.default is not None:
            yield state.default
        for _, next_step in state.choices:
            yield next_step
    else:
        if state.next_step is not None:
            yield state.next_step
        for catch in state.catches:
            yield catch.next_step


def _nested(state: Any) -> list[Any]:
    if isinstance(state, SDK.Parallel):
        return list(state.branches)
    if isinstance(state, SDK.Map):
        processor = vars(state).get("item_processor") or state.iterator
        return [processor] if processor is not None else []
    return []


def first(step: Any) -> Any:
    """The first state of a step or chain."""
    return step.steps[0] if isinstance(step, SDK.Chain) else step


def expect_step(step: Any, who: str) -> None:
    """Raises an error unless the value is a step or a chain with steps.

    Args:
        step: The value.
        who: What received it, for the error message.

    Raises:
        WorkflowError: The value is neither, or an empty chain.
    """
    if isinstance(step, SDK.Chain):
        if not step.steps:
            raise WorkflowError(f"{who}: a chain needs at least one step")
    elif not isinstance(step, State):
        raise WorkflowError(f"{who}: expected a step or a Chain, not {step!r}")
