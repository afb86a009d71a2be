"""An execution with its visits to states, and the attempts of each visit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from workflow.asl.graph import StateFigures, StateStatus
from workflow.errors import AfterloopError

__all__ = [
    "Attempt",
    "ExecutionGone",
    "ExecutionUnreadable",
    "ExecutionView",
    "Visit",
    "is_final",
    "why",
]


class ExecutionGone(AfterloopError):
    """Step Functions does not have the execution: it deletes executions 90 days after their end."""


class ExecutionUnreadable(AfterloopError):
    """Step Functions has the execution, but not in a form that can be shown. The message says why."""


@dataclass(eq=False)
class Attempt:
    """One attempt of a state: the first, a retry, or one after a redrive.

    Tasks have attempts, and so have Parallel and Map states, which begin anew with each retry.

    Attributes:
        number: 1 for the first attempt of the visit.
        started: When it was scheduled.
        ended: When it ended. None while it runs, or if the execution ended first.
        status: PASSED, FAILED, RUNNING or ABORTED.
        error: The name of the error, such as `Lambda.TooManyRequestsException`.
        cause: Details of the error. For a function, this is often JSON text with its traceback.
        resource: The called service and action, such as `lambda:invoke`, or the ARN of a function or an activity.
        parameters: What the service was called with, as JSON text.
        result: The response of the service, as JSON text.
        function: The name or ARN of the called function. None for other services.
        request_id: The id of the request, from the service's response. A failed attempt has none.
        execution: The ARN of the execution that the attempt started, if it called Step Functions.
        working: When the service began to work. None if it never did, or if the history does not say so.
        event_ids: The ids of its events.
    """

    number: int
    started: datetime | None = None
    ended: datetime | None = None
    status: StateStatus = StateStatus.RUNNING
    error: str | None = None
    cause: str | None = None
    resource: str | None = None
    parameters: str | None = None
    result: str | None = None
    function: str | None = None
    request_id: str | None = None
    execution: str | None = None
    working: datetime | None = None
    event_ids: list[int] = field(default_factory=list)

    @property
    def duration(self) -> timedelta | None:
        """How long the attempt took, with the time until the service began."""
        return _between(self.started, self.ended)


@dataclass(eq=False)
class Visit:
    """One visit of an execution to a state.

    Attributes:
        state: The name of the state.
        kind: The type of the state, such as `Task`.
        number: 1 for the first visit of the execution to the state, and so on.
        status: PASSED, RETRIED, CAUGHT, FAILED, RUNNING or ABORTED. RETRIED is a success after at least one retry.
        entered: When the state was entered.
        exited: When it was exited. None if it was not, as after an error that nothing caught.
        input: The input as JSON text. None if the history does not have it.
        output: The output as JSON text. None if there is none, or if the history does not have it.
        input_truncated: Whether the history has only the beginning of the input.
        output_truncated: Whether the history has only the beginning of the output.
        variables: The variables that the state assigned, as JSON texts.
        error: The name of the error that ended the state, also if it was caught.
        cause: Details of that error.
        attempts: The attempts, oldest first. Only states of the types Task, Parallel and Map have any.
        outer: The visit to the Parallel or Map that the state is in.
        branch: The index of the branch of that Parallel.
        index: The index of the item of that Map.
        map_run: The ARN of the Map Run, if the state is a Distributed Map. Its items are executions of their own.
        superseded: Whether a retry or a redrive of the state around began the state anew.
        event_ids: The ids of its events, without those of the states inside.
    """

    state: str
    kind: str
    number: int = 1
    status: StateStatus = StateStatus.RUNNING
    entered: datetime | None = None
    exited: datetime | None = None
    input: str | None = None
    output: str | None = None
    input_truncated: bool = False
    output_truncated: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    cause: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    outer: Visit | None = field(default=None, repr=False)
    branch: int | None = None
    index: int | None = None
    map_run: str | None = None
    superseded: bool = False
    event_ids: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        words = {
            StateStatus.RETRIED: f"{self.retries} {'retry' if self.retries == 1 else 'retries'}",
            StateStatus.CAUGHT: f"caught {self.error or 'an error'}",
            StateStatus.FAILED: f"failed: {self.error}" if self.error else "failed",
            StateStatus.RUNNING: f"running, attempt {len(self.attempts)}" if self.retries else "running",
            StateStatus.ABORTED: "stopped",
        }.get(self.status)
        return f"{self.state} ({words})" if words else self.state

    @property
    def retries(self) -> int:
        """How often the state was tried again, also after a redrive."""
        return max(len(self.attempts) - 1, 0)

    @property
    def duration(self) -> timedelta | None:
        """How long the visit took; None while it lasts, or if the state was not exited."""
        return _between(self.entered, self.exited)

    @cached_property
    def added(self) -> str | None:
        """What the output has that the input lacks, as JSON text; values that changed included.

        None if there is nothing, or if input and output are not both JSON objects.
        """
        if self.input is None or self.output is None or self.input_truncated or self.output_truncated:
            return None
        try:
            before, after = json.loads(self.input), json.loads(self.output)
            if not isinstance(before, dict) or not isinstance(after, dict):
                return None
            more = _more(before, after)
            return json.dumps(more, ensure_ascii=False) if more else None
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, eq=False)
class ExecutionView:
    """An execution as Step Functions describes it, with its history.

    Attributes:
        arn: Its ARN.
        name: Its name.
        machine: The ARN of its state machine.
        version: The ARN of the version of the state machine that it runs, if there is one.
        status: One of Step Functions' own: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE.
        started: When it started.
        stopped: When it ended.
        input: Its input as JSON text. None if it cannot be read.
        output: Its output as JSON text.
        error: The name of the error that it ended with.
        cause: Details of that error.
        definition: The definition that it runs; empty if Step Functions no longer has it.
        events: The events of its history as `GetExecutionHistory` returns them, oldest first.
        visits: The visits to states, in the order in which they were entered.
        figures: For each state of the definition, its visits summed up.
        redrives: How often it was redriven.
        map_run: The ARN of the Map Run, if the execution processes items of a Distributed Map.
        link: The address of the execution in the console; None on a local engine.
        gaps: What could not be read, and why, in sentences for people.
    """

    arn: str
    name: str
    machine: str
    status: str
    started: datetime
    version: str | None = None
    stopped: datetime | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)
    events: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    visits: Sequence[Visit] = field(default=(), repr=False)
    figures: Mapping[str, StateFigures] = field(default_factory=dict, repr=False)
    redrives: int = 0
    map_run: str | None = None
    link: str | None = None
    gaps: Sequence[str] = ()

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended. Only a redrive changes it then."""
        return is_final(self.status)

    @cached_property
    def statuses(self) -> dict[str, StateStatus]:
        """The status of each state of the definition."""
        return {name: figures.status for name, figures in self.figures.items()}

    def of(self, state: str) -> list[Visit]:
        """The visits to one state, oldest first."""
        return [visit for visit in self.visits if visit.state == state]


def is_final(status: str) -> bool:
    """Whether an execution of this status has ended."""
    return status not in ("RUNNING", "PENDING_REDRIVE")


def why(error: str | None, cause: str | None, longest: int) -> str:
    """An error and its cause, of which the message is enough if a function raised it; empty if there is neither.

    Args:
        error: The name of the error.
        cause: Its details; JSON text if a function raised it.
        longest: Characters of the cause to keep.
    """
    if cause and cause.startswith("{"):
        with suppress(ValueError, LookupError, TypeError):
            cause = str(json.loads(cause)["errorMessage"])
    if cause and len(cause) > longest:
        cause = f"{cause[:longest]}…"
    return ": ".join(filter(None, [error, cause]))


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start is not None and end is not None else None


def _more(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    for key, value in after.items():
        known = before.get(key)
        if key in before and _same(known, value):
            continue
        if isinstance(known, dict) and isinstance(value, dict) and value:
            if inside := _more(known, value):  # Otherwise, the value only has fewer keys.
                more[key] = inside
        else:
            more[key] = value
    return more


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal. For Python, `true` also equals 1."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
