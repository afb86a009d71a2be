"""The API TestState, which runs a single state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.ministack_patches import permissions
from sandbox.ministack_patches.executions import handlers
from sandbox.ministack_patches.inspection import inspected
from sandbox.ministack_patches.retries import wait_before
from sandbox.ministack_patches.tasks import result_of
from sandbox.ministack_patches.timeouts import clock
from sandbox.ministack_patches.trial_requests import RefusedTrial, check, read_json, state_of
from sandbox.ministack_patches.walks import Attempt, AttemptEnded, Walk, walking

__all__ = ["correct"]

MAX_SECONDS = 300
"""How long a trial runs."""

_EXCEEDED = "The specified tolerated failure threshold was exceeded"


def correct() -> None:
    """Corrects TestState."""
    _test_states()


def _test_states() -> None:
    """Runs a single state as an execution would, or with a mock of its result or of its error.

    AWS: a state of any type, by its definition alone or by its name in a state machine, with variables and, for a mock,
    with a context object. Only Task, Map and Parallel take a mock; Map and Parallel, activities, and tasks that wait
    for a job or a token need one. Retry comes before Catch: while a retrier that matches has attempts left, the status
    is RETRIABLE. `mapIterationFailureCount` is compared with the tolerated failures of a Map.
    (https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html,
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html; messages as LocalStack's tests
    have recorded)
    A trial that takes more than five minutes fails with States.Timeout.
    The role has to trust Step Functions for other resources than one state machine: there is none.
    MiniStack: knows neither Map nor Parallel nor variables, looks for a catcher before a retrier, and ignores Arguments
    and Output.
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import stepfunctions

    def test(data: dict[str, Any]) -> Any:
        try:
            trial = _Trial.of(data)
            return json_response(trial.run())
        except RefusedTrial as refused:
            return error_response_json(refused.code, str(refused), 400)

    stepfunctions._test_state = test


@dataclass
class _Trial:
    """A state, and what it is tested with."""

    name: str
    state: dict[str, Any]
    given: Any
    shared: dict[str, Any]
    variables: dict[str, Any]
    mock: dict[str, Any]
    settings: dict[str, Any]
    role: str | None
    level: str
    context: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> _Trial:
        """Reads the request.

        Raises:
            RefusedTrial: AWS would refuse it.
        """
        from ministack.core.responses import get_account_id, get_region

        name, state, language = state_of(data)
        mock, settings = data.get("mock") or {}, data.get("stateConfiguration") or {}
        check(data, state, mock, settings)
        given = read_json(data.get("input", "{}"), "InvalidExecutionInput", "Invalid JSON in input")
        context = read_json(data.get("context") or "{}", "ValidationException", "Invalid JSON in context")
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}"
        execution = {"Id": f"{arn}:express:Test:test", "Name": "test", "Input": given}
        shared = {
            "Execution": {**execution, "RoleArn": data.get("roleArn")},
            "StateMachine": {"Id": f"{arn}:stateMachine:Test", "Name": "Test"},
            **context,
            "QueryLanguage": language,
        }
        variables = read_json(
            data.get("variables") or "{}", "ValidationException", "Invalid JSON in variables"
        )
        level = data.get("inspectionLevel", "INFO")
        return cls(name, state, given, shared, variables, mock, settings, data.get("roleArn"), level)

    def run(self) -> dict[str, Any]:
        """Returns the answer."""
        from ministack.core.responses import now_iso
        from ministack.services import stepfunctions

        walk = Walk(
            {"events": [], "stateMachineArn": self.shared["StateMachine"].get("Id", "")},
            {"StartAt": self.name, "States": {self.name: self.state}},
            self.given,
            self.variables,
        )
        state = {"Name": self.name, "EnteredTime": now_iso(), **self.shared.get("State", {})}
        self.context = {**self.shared, "State": state, "variables": dict(self.variables)}
        answer: dict[str, Any]
        details: dict[str, Any] = {}
        attempt = Attempt(self.shared)
        cancel = clock.after(MAX_SECONDS, lambda: [action() for action in attempt.end()])
        with (
            walking(walk, attempt),
            permissions.acting_as(self.role, walk.execution["stateMachineArn"]),
        ):
            try:
                output, following = self._once(walk)
                answer = {"status": "SUCCEEDED", "output": json.dumps(output)}
                if following:
                    answer["nextState"] = following
            except AttemptEnded:
                answer = {"status": "FAILED", "error": "States.Timeout"}
            except stepfunctions._ExecutionError as error:
                answer, details = self._failed(error)
            cancel()
            if self.level in ("DEBUG", "TRACE"):
                entered = {**self.context, "variables": self.variables}
                found = inspected(self.state, self.given, entered, self._result(walk))
                if self.context["variables"]:
                    found["variables"] = json.dumps(self.context["variables"])
                if details:
                    found["errorDetails"] = details
                answer["inspectionData"] = found
        return answer

    def _once(self, walk: Walk) -> tuple[Any, str | None]:
        from ministack.services import stepfunctions

        state, kind = self.state, self.state["Type"]
        if not self.mock:
            # Its errors are handled below: only one attempt is made.
            once = {key: value for key, value in state.items() if key not in ("Retry", "Catch")}
            return handlers()[kind](once, self.given, walk.execution, self.context)
        inspected(state, self.given, self.context, None, strict=True)
        if error := self.mock.get("errorOutput"):
            raise stepfunctions._ExecutionError(error.get("error", ""), error.get("cause", ""))
        if self._exceeds_tolerated_failures():
            raise stepfunctions._ExecutionError("States.ExceedToleratedFailureThreshold", _EXCEEDED)
        return result_of(state, self.given, self.context, json.loads(self.mock["result"]))

    def _exceeds_tolerated_failures(self) -> bool:
        failures = self.settings.get("mapIterationFailureCount", 0)
        count = len(json.loads(self.mock["result"])) or 1
        limits = [
            failures > self.state["ToleratedFailureCount"] if "ToleratedFailureCount" in self.state else None,
            failures * 100 > self.state["ToleratedFailurePercentage"] * count
            if "ToleratedFailurePercentage" in self.state
            else None,
        ]
        known = [limit for limit in limits if limit is not None]
        return any(known) if known else failures > 0

    def _result(self, walk: Walk) -> Any:
        """Returns what the service answered, or the mock of it. None if there is none."""
        if "result" in self.mock:
            return json.loads(self.mock["result"])
        for event in walk.execution["events"]:
            if event["type"] == "TaskSucceeded":
                return json.loads(event["taskSucceededEventDetails"]["output"])
        return None

    def _failed(self, error: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the answer for an error, and the details of how it was handled."""
        from ministack.services import stepfunctions

        failed = {"error": error.error, "cause": error.cause}
        matches = stepfunctions._error_matches
        used = self.settings.get("retrierRetryCount", 0)
        for index, retrier in enumerate(self.state.get("Retry", [])):
            if matches(retrier.get("ErrorEquals", []), error.error):
                if used < retrier.get("MaxAttempts", 3):
                    wait = wait_before({**retrier, "JitterStrategy": "NONE"}, used)
                    details = {"retryIndex": index, "retryBackoffIntervalSeconds": int(wait)}
                    return {"status": "RETRIABLE", **failed}, details
                break
        for index, catcher in enumerate(self.state.get("Catch", [])):
            if matches(catcher.get("ErrorEquals", []), error.error):
                language = stepfunctions._state_query_language(self.state, self.context)
                caught = {"Error": error.error, "Cause": error.cause}
                try:
                    output = stepfunctions._apply_catcher(catcher, self.given, self.context, language, caught)
                except stepfunctions._ExecutionError as second:
                    return {"status": "FAILED", "error": second.error, "cause": second.cause}, {}
                answer = {"status": "CAUGHT_ERROR", **failed, "output": json.dumps(output)}
                return {**answer, "nextState": catcher["Next"]}, {"catchIndex": index}
        return {"status": "FAILED", **failed}, {}
