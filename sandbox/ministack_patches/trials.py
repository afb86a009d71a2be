"""The API TestState, which runs a single state."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects TestState."""
    _retry_before_catch()


def _retry_before_catch() -> None:
    """Handles the error of a tested state as an execution would.

    AWS: Retry comes before Catch. While a retrier that matches has attempts left, the status is RETRIABLE, and
    `errorDetails` has the index of the retrier and the seconds before the attempt; `retrierRetryCount` says how many
    attempts there were. A catcher applies its Output. (https://docs.aws.amazon.com/step-functions/latest/dg/
    test-state-isolation.html, https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html)
    MiniStack: looks for a catcher first, never retries errors that are not mocked, and ignores the Output of a catcher.
    """
    from ministack.core.responses import json_response
    from ministack.services import stepfunctions

    run = stepfunctions._test_state

    def run_and_handle(data: dict[str, Any]) -> Any:
        status, headers, body = run(data)
        answer = json.loads(body)
        if status >= 400 or answer.get("status") not in ("FAILED", "CAUGHT_ERROR", "RETRIABLE"):
            return status, headers, body
        definition = json.loads(data["definition"])
        state = definition.get("States", {}).get(
            data.get("stateName") or definition.get("StartAt"), definition
        )
        if state.get("Type") not in ("Task", "Map", "Parallel"):
            return status, headers, body
        language = state.get("QueryLanguage") or definition.get("QueryLanguage", "JSONPath")
        try:
            handled, details = _handled(data, state, language, answer["error"], answer.get("cause", ""))
        except stepfunctions._ExecutionError as error:
            handled, details = {"status": "FAILED", "error": error.error, "cause": error.cause}, {}
        if data.get("inspectionLevel") in ("DEBUG", "TRACE"):
            inspected = {**answer.get("inspectionData", {}), "errorDetails": details}
            handled["inspectionData"] = {key: value for key, value in inspected.items() if value}
        return json_response(handled)

    stepfunctions._test_state = run_and_handle


def _handled(
    data: dict[str, Any], state: dict[str, Any], language: str, error: str, cause: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the answer for an error, and the details of how it was handled."""
    from ministack.services import stepfunctions

    failed = {"error": error, "cause": cause}
    attempts = (data.get("stateConfiguration") or {}).get("retrierRetryCount", 0)
    for index, retrier in enumerate(state.get("Retry", [])):
        if stepfunctions._error_matches(retrier.get("ErrorEquals", []), error):
            if attempts < retrier.get("MaxAttempts", 3):
                wait = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** attempts
                wait = int(min(wait, retrier.get("MaxDelaySeconds", wait)))
                details = {"retryIndex": index, "retryBackoffIntervalSeconds": wait}
                return {"status": "RETRIABLE", **failed}, details
            break
    for index, catcher in enumerate(state.get("Catch", [])):
        if stepfunctions._error_matches(catcher.get("ErrorEquals", []), error):
            context = json.loads(data.get("context") or "{}")
            context["variables"] = json.loads(data.get("variables") or "{}")
            context["QueryLanguage"] = language
            output = stepfunctions._apply_catcher(
                catcher,
                json.loads(data.get("input", "{}")),
                context,
                language,
                {"Error": error, "Cause": cause},
            )
            caught = {
                "status": "CAUGHT_ERROR",
                **failed,
                "output": json.dumps(output),
                "nextState": catcher["Next"],
            }
            return caught, {"catchIndex": index}
    return {"status": "FAILED", **failed}, {}
