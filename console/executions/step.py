"""One step of an execution: what it got and gave, its attempts, and what is inside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from console.executions.causes import cause_of
from console.executions.summary import link_to, seconds_of, where
from console.executions.views import (
    AttemptView,
    InsideView,
    LogsView,
    MapRunView,
    StepView,
    VisitLink,
    VisitView,
)
from workflow.asl.graph import StateStatus
from workflow.asl.walk import own_fields, states
from workflow.operations.executions import Attempt, ExecutionView, Visit

__all__ = ["MAX_ATTEMPTS", "MAX_INSIDE", "UnknownStep", "find_visit", "step_view"]

MAX_ATTEMPTS = 20
"""How many attempts of a visit are shown. A retrier can have thousands."""

MAX_INSIDE = 50
"""How many items of a Map are shown."""

_URGENT = (
    StateStatus.FAILED,
    StateStatus.RUNNING,
    StateStatus.ABORTED,
    StateStatus.CAUGHT,
    StateStatus.RETRIED,
    StateStatus.PASSED,
)
"""The statuses of visits, those that need a look first."""


class UnknownStep(Exception):
    """The execution has no such step, or no such visit to it. The message says so."""


def find_visit(execution: ExecutionView, state: str, number: int | None) -> Visit | None:
    """Returns a visit to a step.

    Args:
        execution: The execution.
        state: The name of the step.
        number: The number of the visit, from 1. None: the last one with the status that the graph shows.

    Returns:
        The visit; None if the execution has not entered the step.

    Raises:
        UnknownStep: There is no such step, or no such visit.
    """
    visits = execution.of(state)
    if not visits and state not in dict(states(execution.definition)):
        raise UnknownStep(f"The execution has no step {state!r}.")
    if number is not None:
        found = next((visit for visit in visits if visit.number == number), None)
        if found is None:
            raise UnknownStep(
                f"The execution has entered {state!r} {_times(len(visits))}; there is no visit {number}."
            )
        return found
    current = [visit for visit in visits if not visit.superseded] or visits
    worst = min((_URGENT.index(visit.status) for visit in current), default=None)
    return next((visit for visit in reversed(current) if _URGENT.index(visit.status) == worst), None)


def _times(count: int) -> str:
    return {0: "not at all", 1: "once"}.get(count, f"{count} times")


def step_view(
    execution: ExecutionView,
    state: str,
    visit: Visit | None,
    *,
    now: datetime,
    logs: LogsView | None = None,
    map_run: MapRunView | None = None,
) -> StepView:
    """Returns what the page shows about a step.

    Args:
        execution: The execution.
        state: The name of the step.
        visit: The visit; None if the execution has not entered the step.
        now: The time.
        logs: The log lines of its function.
    """
    definition: dict[str, Any] = dict(states(execution.definition)).get(state, {})
    figures = execution.figures.get(state)
    kind = str(definition.get("Type") or (visit.kind if visit else ""))
    return StepView(
        name=state,
        kind=kind,
        comment=str(definition.get("Comment", "")),
        status=figures.status if figures else (visit.status if visit else StateStatus.UNKNOWN),
        visits=len(execution.of(state)),
        visit=None if visit is None else _visit_view(execution, visit, now),
        definition=own_fields(definition),
        logs=logs,
        map_run=map_run,
    )


def _visit_view(execution: ExecutionView, visit: Visit, now: datetime) -> VisitView:
    until = now if visit.status is StateStatus.RUNNING else None
    inside, counts = _inside(execution, visit)
    return VisitView(
        number=visit.number,
        status=visit.status,
        superseded=visit.superseded,
        entered=visit.entered,
        exited=visit.exited,
        seconds=seconds_of(visit.entered, visit.exited, until),
        around=tuple(_around(visit)),
        input=visit.input,
        output=visit.output,
        added=visit.added,
        variables=dict(visit.variables),
        missing=tuple(_missing(visit)),
        error=visit.error,
        cause=cause_of(visit.cause),
        attempts=tuple(_attempts(visit, until)),
        earlier_attempts=max(len(visit.attempts) - MAX_ATTEMPTS, 0),
        inside=inside,
        inside_counts=counts,
        events=len(visit.event_ids),
    )


def _around(visit: Visit) -> list[VisitLink]:
    """Returns the visits around a visit, outermost first, each with the item or branch that leads further in."""
    links: list[VisitLink] = []
    inner, outer = visit, visit.outer
    while outer is not None:
        links.insert(0, VisitLink(state=outer.state, visit=outer.number, where=where(inner)))
        inner, outer = outer, outer.outer
    return links


def _missing(visit: Visit) -> Iterator[str]:
    if visit.input_truncated:
        yield "The history has only the beginning of the input."
    if visit.output_truncated:
        yield "The history has only the beginning of the output."


def _attempts(visit: Visit, now: datetime | None) -> Iterator[AttemptView]:
    shown = visit.attempts[-MAX_ATTEMPTS:]
    before: Sequence[Attempt | None] = [None, *visit.attempts][-len(shown) - 1 : -1] if shown else ()
    for previous, attempt in zip(before, shown, strict=True):
        running = now if attempt.status is StateStatus.RUNNING else None
        yield AttemptView(
            number=attempt.number,
            status=attempt.status,
            started=attempt.started,
            seconds=seconds_of(attempt.started, attempt.ended, running),
            pause=None if previous is None else seconds_of(previous.ended, attempt.started, None),
            error=attempt.error,
            cause=cause_of(attempt.cause),
            resource=attempt.resource,
            function=None if attempt.function is None else _function_name(attempt.function),
            request_id=attempt.request_id,
            execution=attempt.execution,
        )


def _function_name(function: str) -> str:
    """Returns the name of a function from its name or ARN, which can end in a version."""
    parts = function.split(":")
    return parts[6] if function.startswith("arn:") and len(parts) > 6 else function


def _inside(execution: ExecutionView, visit: Visit) -> tuple[tuple[InsideView, ...], dict[str, int]]:
    """Returns the items or branches in a visit to a Map or Parallel, and how many have which status."""
    parts: dict[tuple[str, int], list[Visit]] = {}
    for one in execution.visits:
        if one.outer is not visit or one.superseded:
            continue
        if one.index is not None:
            parts.setdefault(("item", one.index), []).append(one)
        elif one.branch is not None:
            parts.setdefault(("branch", one.branch), []).append(one)
    found = []
    for (word, number), visits in parts.items():
        urgency = min(_URGENT.index(one.status) for one in visits)
        step = next(one for one in reversed(visits) if _URGENT.index(one.status) == urgency)
        view = InsideView(
            label=f"{word} {number + 1}",
            status=_URGENT[urgency],
            steps=len(visits),
            step=link_to(step),
            error=step.error,
        )
        found.append((urgency, number, view))
    counts = Counter(str(view.status) for _, _, view in found)
    # In their order, unless some do not fit.
    urgent = (
        sorted(found, key=lambda one: one[:2])
        if len(found) > MAX_INSIDE
        else sorted(found, key=lambda one: one[1])
    )
    return tuple(view for _, _, view in urgent[:MAX_INSIDE]), dict(counts)
