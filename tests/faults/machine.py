"""Runs state machines: the real definition, its real JSONata, one state after the other in an actor.

It knows the parts of Amazon States Language that Afterloop uses. Errors match retriers and catchers as the developer
guide says ("Handling errors in Step Functions workflows"). JSONata is evaluated by the library that the local engine
uses, with the engine's functions; an expression is parsed once.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jsonata  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]
from ministack.services.stepfunctions import _register_sfn_jsonata_functions

__all__ = ["Run", "StateError", "Tasks"]

MAX_STATE_BYTES = 262_144
_NO_CALLBACKS = {"__evaluate_entry": None, "__evaluate_exit": None}
"""jsonata-python looks these up twice for each part of an expression. It finds them faster here than nowhere."""
UNCATCHABLE = ("States.Runtime", "States.DataLimitExceeded")


class StateError(Exception):
    """A state failed."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class Tasks(Protocol):
    """What a state machine does to the world."""

    def task(self, run: Run, name: str, state: Mapping[str, Any], arguments: Any) -> Any:
        """Runs a Task. Raises StateError."""

    def sleep(self, run: Run, seconds: float) -> None:
        """Waits."""

    def token(self, run: Run) -> str:
        """Returns a new task token."""

    def now(self) -> str:
        """Returns the time, as the context object writes it."""


class Run:
    """One execution.

    Attributes:
        entered: The names of the states that were entered, in order.
        history: The events of its history: type, and name of the state.
    """

    def __init__(self, definition: Mapping[str, Any], arn: str, name: str, given: Any, tasks: Tasks) -> None:
        self.definition, self.arn, self.name, self.given = definition, arn, name, given
        self.entered: list[str] = []
        self.history: list[tuple[str, str]] = []
        self.token: str | None = None
        self._tasks = tasks
        self._variables: dict[str, Any] = {}
        self._entered_time = ""
        self._retries = 0
        self._next: tuple[str, Any] = definition["StartAt"], given

    def run(self, on_state: Callable[[str], None] = lambda name: None) -> Any:
        """Returns the output. Raises StateError if the execution fails.

        Called again, it continues from the state that failed, with the same input and variables, as RedriveExecution
        does ("Restarting state machine executions with redrive", AWS Step Functions Developer Guide). A failure that
        was caught is none: then it continues from the Fail state.
        """
        while True:
            name, data = self._next
            on_state(name)
            self.entered.append(name)
            self._entered_time = self._tasks.now()
            state = self.definition["States"][name]
            self.history.append((f"{state['Type']}StateEntered", name))
            following, data = self._one(name, state, data)
            self.history.append((f"{state['Type']}StateExited", name))
            if len(json.dumps(data)) > MAX_STATE_BYTES:
                raise StateError("States.DataLimitExceeded", f"the output of {name!r} is too large")
            if following is None:
                return data
            self._next = following, data

    def _one(self, name: str, state: Mapping[str, Any], data: Any) -> tuple[str | None, Any]:
        kind = state["Type"]
        if kind == "Task":
            return self._task(name, state, data)
        if kind == "Choice":
            return self._choice(state, data)
        if kind == "Wait":
            self._tasks.sleep(self, float(self._seconds(state, data)))
            return state.get("Next"), data
        if kind == "Pass":
            output = self._template(state["Output"], data) if "Output" in state else data
            self._assign(state.get("Assign"), data)
            return state.get("Next"), output
        if kind == "Succeed":
            return None, data
        if kind == "Fail":
            error = _at(state["ErrorPath"], data) if "ErrorPath" in state else state.get("Error", "")
            cause = _at(state["CausePath"], data) if "CausePath" in state else state.get("Cause", "")
            raise StateError(str(error), str(cause))
        raise NotImplementedError(f"state {name!r} of type {kind}")

    def _task(self, name: str, state: Mapping[str, Any], data: Any) -> tuple[str | None, Any]:
        tried: dict[int, int] = {}
        while True:
            if state["Resource"].endswith(".waitForTaskToken"):
                self.token = self._tasks.token(self)
            try:
                arguments = self._template(state.get("Arguments", {}), data)
                self.history.append(("TaskScheduled", name))
                result = self._tasks.task(self, name, state, arguments)
                self.history.append(("TaskSucceeded", name))
                output = self._template(state["Output"], data, result=result) if "Output" in state else result
                self._assign(state.get("Assign"), data, result=result)
                return state.get("Next"), output
            except StateError as error:
                self.history.append(("TaskFailed", name))
                wait = _wait(state.get("Retry", ()), error.error, tried)
                if wait is not None:
                    self._tasks.sleep(self, wait)
                    continue
                catcher = next(
                    (one for one in state.get("Catch", ()) if _matches(one["ErrorEquals"], error.error)), None
                )
                if catcher is None:
                    raise
                failure = {"Error": error.error, "Cause": error.cause}
                output = (
                    self._template(catcher["Output"], data, error=failure) if "Output" in catcher else failure
                )
                self._assign(catcher.get("Assign"), data, error=failure)
                return catcher["Next"], output

    def _choice(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        for rule in state["Choices"]:
            if "Condition" in rule:
                met = self._template(rule["Condition"], data)
                if not isinstance(met, bool):
                    raise StateError("States.QueryEvaluationError", f"the condition gives {met!r}")
            else:
                met = self._rule(rule, data)
            if met:
                return self._chosen(rule, str(rule["Next"]), data)
        if "Default" not in state:
            raise StateError("States.NoChoiceMatched")
        # The state's own Assign and Output are those of the default.
        return self._chosen(state, str(state["Default"]), data)

    def _chosen(self, rule: Mapping[str, Any], following: str, data: Any) -> tuple[str, Any]:
        output = self._template(rule["Output"], data) if "Output" in rule else data
        self._assign(rule.get("Assign"), data)
        return following, output

    def _rule(self, rule: Mapping[str, Any], data: Any) -> bool:
        value = _at(rule["Variable"], data)
        if "StringEquals" in rule:
            return isinstance(value, str) and value == rule["StringEquals"]
        if "BooleanEquals" in rule:
            return isinstance(value, bool) and value == rule["BooleanEquals"]
        raise NotImplementedError(f"choice rule {rule}")

    def _seconds(self, state: Mapping[str, Any], data: Any) -> Any:
        if "SecondsPath" in state:
            return _at(state["SecondsPath"], data)
        return self._template(state["Seconds"], data)

    def _assign(self, assign: Mapping[str, Any] | None, data: Any, **more: Any) -> None:
        # All expressions see the values from before.
        if assign:
            self._variables |= {name: self._template(value, data, **more) for name, value in assign.items()}

    def _template(self, value: Any, data: Any, *, result: Any = None, error: Any = None) -> Any:
        if isinstance(value, str):
            if not value.startswith("{%"):
                return value
            states = {"input": data, "result": result, "errorOutput": error, "context": self._context()}
            bindings = {
                name: Utils.NULL_VALUE if one is None else one for name, one in self._variables.items()
            }
            return _evaluate(value[2:-2].strip(), {**bindings, "states": states, **_NO_CALLBACKS})
        if isinstance(value, Mapping):
            return {
                name: self._template(one, data, result=result, error=error) for name, one in value.items()
            }
        if isinstance(value, list):
            return [self._template(one, data, result=result, error=error) for one in value]
        return value

    def _context(self) -> dict[str, Any]:
        execution = {"Id": self.arn, "Name": self.name, "Input": self.given, "StartTime": self._entered_time}
        state = {"Name": self.entered[-1], "EnteredTime": self._entered_time, "RetryCount": self._retries}
        return {"Execution": execution, "State": state, "Task": {"Token": self.token}}


def _wait(retriers: Any, error: str, tried: dict[int, int]) -> float | None:
    """Returns how long to wait before the next try, or None if there is none. The jitter is the longest wait."""
    for number, retrier in enumerate(retriers):
        if _matches(retrier["ErrorEquals"], error):
            before = tried.get(number, 0)
            if before >= retrier.get("MaxAttempts", 3):
                return None
            tried[number] = before + 1
            seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** before
            return float(min(seconds, retrier.get("MaxDelaySeconds", seconds)))
    return None


def _matches(names: list[str], error: str) -> bool:
    if error in names:
        return True
    if error in UNCATCHABLE:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def _at(path: str, data: Any) -> Any:
    """Returns the value at a JSONPath of plain names."""
    for name in re.findall(r"\w+", path):
        if not isinstance(data, Mapping) or name not in data:
            raise StateError("States.Runtime", f"Invalid path {path!r}")
        data = data[name]
    return data


@functools.cache
def _parsed(expression: str) -> Any:
    parsed = jsonata.Jsonata.jsonata(expression, timeout=None)
    _register_sfn_jsonata_functions(parsed)
    return parsed


def _evaluate(expression: str, bindings: Mapping[str, Any]) -> Any:
    try:
        value = _parsed(expression).evaluate(None, bindings)
        if value is None and not _parsed(f"$exists(({expression}))").evaluate(None, bindings):
            raise StateError("States.QueryEvaluationError", f"the expression gives nothing: {expression}")
    except StateError:
        raise
    except Exception as error:
        raise StateError("States.QueryEvaluationError", str(error)) from error
    return value
