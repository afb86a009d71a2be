"""What an execution did: the states that it went through, and the calls that it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from workflow.operations.executions import ExecutionView
from workflow.operations.executions import Visit as VisitRead

__all__ = ["Call", "Run", "Visit"]


@dataclass(frozen=True)
class Call:
    """One call of a service, or an attempt at it.

    Attributes:
        state: The name of the state that made it.
        service: The service and the action: `sqs:sendMessage`, `aws-sdk:comprehend:detectSentiment`.
        arguments: What the service was given.
        result: What it answered, before ResultSelector; None if it failed.
        error: The error; None if it succeeded.
        cause: The cause of the error.
    """

    state: str
    service: str
    arguments: Any
    result: Any = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Visit:
    """One visit to a state.

    Attributes:
        state: The name of the state.
        input: Its input.
        output: Its output; None if an error ended the execution there.
        error: The error that it caught, or that ended the execution there; None if it succeeded.
        cause: The cause of the error.
        calls: The calls that it made: more than one if it was retried.
        variables: The variables that it assigned.
    """

    state: str
    input: Any
    output: Any
    error: str | None
    cause: str | None
    calls: tuple[Call, ...]
    variables: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """An execution that has ended.

    Attributes:
        status: SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
        output: Its output; None unless it succeeded.
        error: The error that it ended with.
        cause: The cause of the error.
        visits: The visits to states, in the order in which they were entered, those inside a Map or Parallel too.
    """

    status: str
    output: Any
    error: str | None
    cause: str | None
    visits: tuple[Visit, ...]

    @property
    def states(self) -> list[str]:
        """The names of the states, in the order in which they were entered."""
        return [visit.state for visit in self.visits]

    def calls(self, of: str | None = None) -> list[Call]:
        """Returns the calls, in the order of the visits that made them.

        Args:
            of: The name of a state, or a service such as `sqs:sendMessage`. None returns all calls.
        """
        made = [call for visit in self.visits for call in visit.calls]
        return [call for call in made if of is None or of in (call.state, call.service)]

    def visit(self, state: str) -> Visit:
        """Returns the last visit to a state.

        Raises:
            AssertionError: The state was not entered. The message lists those that were.
        """
        found = [visit for visit in self.visits if visit.state == state]
        assert found, f"{state!r} was not entered; these states were: {', '.join(self.states)}"
        return found[-1]

    @classmethod
    def of(cls, view: ExecutionView) -> Run:
        """Returns an execution that was read."""
        visits = tuple(map(_visit, view.visits))
        return cls(view.status, _json(view.output), view.error, view.cause, visits)


def _visit(read: VisitRead) -> Visit:
    calls = tuple(
        Call(
            state=read.state,
            service=_service(attempt.resource),
            arguments=_json(attempt.parameters),
            result=_json(attempt.result),
            error=attempt.error,
            cause=attempt.cause,
        )
        for attempt in read.attempts
        if attempt.resource is not None
    )
    variables = {name: _json(value) for name, value in read.variables.items()}
    return Visit(read.state, _json(read.input), _json(read.output), read.error, read.cause, calls, variables)


def _service(resource: str) -> str:
    """The name of a service as in canned results: without what the task waits for."""
    return resource if resource.startswith("arn:") else resource.partition(".")[0]


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
