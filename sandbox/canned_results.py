"""Canned results: what tasks of state machines get in place of a call, as a file or a test gives it.

    {
      "services": {
        "bedrock:invokeModel": {"result": {"Body": {"summary": "A complaint."}}},
        "aws-sdk:comprehend:detectSentiment": [
          {"error": "Comprehend.ThrottlingException", "cause": "Rate exceeded"},
          {"result": {"Sentiment": "NEGATIVE"}}
        ]
      },
      "states": {"Tell the shop": {"result": {"ResponseBody": {"id": 7}}}}
    }

A service is named by what follows `arn:aws:states:::` in the Resource, without `.sync` or `.waitForTaskToken`. A state
counts before its service. Each call takes the next answer of a list; the last one repeats. A result is what the service
would return, before ResultSelector. An error is handled as if the service had raised it: by Retry, and by Catch.

Arguments and permissions of the call are checked as without a canned result.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.integration_names import integration_problem
from workflow.asl.checks.problem import hint
from workflow.asl.integration import integration_of

__all__ = [
    "Answer",
    "CannedResults",
    "Given",
    "GivenResults",
    "Results",
    "key_of",
    "parse_results",
    "read_results",
]


class Answer(BaseModel):
    """What one call gets: a result, or an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    result: Any = None
    error: str | None = Field(default=None, min_length=1, max_length=256)
    cause: str = Field(default="", max_length=32_768)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Answer:
        if ("result" in self.model_fields_set) == (self.error is not None):
            raise ValueError("an answer has either a result or an error")
        if self.cause and self.error is None:
            raise ValueError("only an error has a cause")
        return self


class Results(BaseModel):
    """The answers to calls, by service and by state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    services: dict[str, list[Answer]] = {}
    states: dict[str, list[Answer]] = {}

    @field_validator("services", "states", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for name, answers in value.items():
            if answers == []:
                raise ValueError(f"{name}: the list of answers is empty")
        return {name: answers if isinstance(answers, list) else [answers] for name, answers in value.items()}

    def check_states(self, known: Collection[str], where: str = "canned results") -> None:
        """Checks that there is a state for each name.

        Args:
            known: The names of all states of the state machine, nested ones, too.
            where: What to name in the error.

        Raises:
            SandboxError: There is no such state.
        """
        for name in self.states:
            if name not in known:
                raise SandboxError(f"{where}: states: there is no state {name!r}{hint(name, known)}")


def read_results(path: Path) -> Results:
    """Reads a file of canned results.

    Raises:
        SandboxError: The file cannot be read, or is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SandboxError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SandboxError(f"{path} is not JSON: {error}") from None
    return parse_results(value, str(path))


def parse_results(value: Any, where: str = "canned results") -> Results:
    """Reads canned results.

    Args:
        value: The content of a file.
        where: What to name in the error.

    Raises:
        SandboxError: There is no such service or action, or the value has another form.
    """
    try:
        results = Results.model_validate(value)
    except ValidationError as error:
        raise SandboxError(f"{where}: {_first_problem(error)}") from None
    for name in results.services:
        if problem := integration_problem(name):
            raise SandboxError(f"{where}: services: {problem}")
    return results


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"unknown key{hint(str(first['loc'][-1]), _keys(first['loc']))}"
    return f"{place}: {message}" if place else message


def _keys(place: tuple[int | str, ...]) -> list[str]:
    model = Answer if len(place) > 1 else Results
    return list(model.model_fields)


def key_of(resource: str) -> str | None:
    """Returns the name of a Resource's service in canned results: `bedrock:invokeModel`.

    Returns:
        None for the ARN of a function or an activity, whose states can only be given results by name.
    """
    called = integration_of({"Resource": resource})
    return called and f"{'aws-sdk:' if called.is_sdk else ''}{called.service}:{called.action}"


class CannedResults:
    """Gives canned results to a running engine: `sandbox.canned_results`. Threads may share it."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @contextmanager
    def given(self, results: Results | Mapping[str, Any], *, machine: str | None = None) -> Iterator[Given]:
        """Gives results to tasks until the `with` block ends. What is given last counts first.

        Args:
            results: The results, as in a file.
            machine: ARN of the only state machine whose executions get them. None means all.

        Yields:
            An object whose `replace` changes the results.

        Raises:
            SandboxError: There is no such service or action, or the results have another form.
        """
        added = self._control.call("POST", "/_sandbox/results", _request(results) | {"machine": machine})
        path = f"/_sandbox/results/{added['id']}"
        try:
            yield Given(self._control, path)
        finally:
            self._control.call("DELETE", path)


@dataclass(frozen=True)
class Given:
    """Canned results that a running engine has."""

    _control: Control
    _path: str

    def replace(self, results: Results | Mapping[str, Any]) -> None:
        """Gives other results instead. Each list begins with its first answer again.

        Raises:
            SandboxError: See `CannedResults.given`.
        """
        self._control.call("PUT", self._path, _request(results))


def _request(results: Results | Mapping[str, Any]) -> dict[str, Any]:
    parsed = results if isinstance(results, Results) else parse_results(results)
    return {"results": parsed.model_dump(exclude_unset=True)}


@dataclass
class _Taken:
    results: Results
    machine: str | None
    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many answers were taken, by kind and name."""


class GivenResults:
    """The canned results that the engine has: in the child process. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[int, _Taken] = {}
        self._numbers = count(1)

    def add(self, results: Results, machine: str | None) -> int:
        """Adds results, and returns their number."""
        with self._lock:
            number = next(self._numbers)
            self._given[number] = _Taken(results, machine)
        return number

    def replace(self, number: int, results: Results) -> bool:
        """Replaces results. Returns whether they exist."""
        with self._lock:
            found = self._given.get(number)
            if found is not None:
                self._given[number] = _Taken(results, found.machine)
        return found is not None

    def remove(self, number: int) -> None:
        """Removes results."""
        with self._lock:
            self._given.pop(number, None)

    def has(self, state: str | None, resource: str, machine: str | None = None) -> bool:
        """Says whether a task would get a canned result. See `take`; without a machine, results for any count."""
        with self._lock:
            return any(self._matching(state, resource, machine))

    def take(self, state: str | None, resource: str, machine: str) -> Answer | None:
        """Returns the next answer for a task, or None if there is none.

        Args:
            state: The name of the state.
            resource: The Resource of the task.
            machine: ARN of the state machine.
        """
        with self._lock:
            for given, kind, name, answers in self._matching(state, resource, machine):
                taken = given.taken.get((kind, name), 0)
                given.taken[kind, name] = taken + 1
                return answers[min(taken, len(answers) - 1)]
        return None

    def states(self) -> set[str]:
        """Returns the names of states that have results for executions of all state machines."""
        with self._lock:
            everywhere = [given.results.states for given in self._given.values() if given.machine is None]
        return {name for results in everywhere for name in results}

    def _matching(
        self, state: str | None, resource: str, machine: str | None
    ) -> Iterator[tuple[_Taken, str, str, list[Answer]]]:
        key = key_of(resource)
        for _, given in sorted(self._given.items(), reverse=True):
            if given.machine is not None and machine is not None and given.machine != machine:
                continue
            for kind, name, answers in (
                ("states", state, given.results.states),
                ("services", key, given.results.services),
            ):
                if name in answers:
                    yield given, kind, str(name), answers[str(name)]
