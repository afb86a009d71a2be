"""How large the data of executions may be, and which errors end an execution for good."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["MAX_BYTES", "correct"]

MAX_BYTES = 262_144
"""Bytes of a state's input or output, and of a task's arguments or result, in UTF-8."""

_MAX_CAUSE = 32_768
_MAX_ERROR = 256
"""Characters of the cause and of the name of an error."""


def correct() -> None:
    """Corrects limits of data, and terminal errors."""
    _fail_on_large_data()
    _refuse_large_answers()
    _keep_terminal_errors()


def _fail_on_large_data() -> None:
    """Fails an execution whose data is too large.

    AWS: a state's input or output, or a task's arguments or result, of more than 262,144 bytes fails with
    States.DataLimitExceeded. A cause has at most 32,768 characters.
    (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)
    MiniStack: knows no limit.
    """
    from ministack.services import stepfunctions

    add_event, begin = stepfunctions._add_event, stepfunctions._ExecutionError.__init__
    invoke, invoke_with_callback = stepfunctions._invoke_resource, stepfunctions._invoke_with_callback

    def add_checked(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        if kind.endswith(("StateExited", "TaskSucceeded")):
            for given in (details or {}).values():
                _check(given.get("output"), given.get("name") or given.get("resource"))
        return add_event(execution, kind, details)

    def invoke_checked(resource: str, parameters: Any) -> Any:
        _check(json.dumps(parameters), resource)
        return invoke(resource, parameters)

    def invoke_checked_with_callback(
        resource: str, parameters: Any, token: str, state: dict[str, Any]
    ) -> Any:
        _check(json.dumps(parameters), resource)
        return invoke_with_callback(resource, parameters, token, state)

    def fail(self: Any, error: Any, cause: Any) -> None:
        begin(self, error, cause[:_MAX_CAUSE] if isinstance(cause, str) else cause)

    stepfunctions._add_event = add_checked
    stepfunctions._invoke_resource = invoke_checked
    stepfunctions._invoke_with_callback = invoke_checked_with_callback
    stepfunctions._ExecutionError.__init__ = fail


def _check(text: str | None, what: str) -> None:
    """Raises an error if JSON is too large. MiniStack's text is never smaller than the one that AWS measures."""
    from ministack.services import stepfunctions

    if text is None or len(text) <= MAX_BYTES:
        return
    compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    if len(compact.encode(errors="replace")) > MAX_BYTES:
        raise stepfunctions._ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service"
            " limit.",
        )


def _refuse_large_answers() -> None:
    """Refuses answers to tasks that are too large, or no JSON.

    AWS: the output of SendTaskSuccess is JSON (InvalidOutput) of at most 262,144 bytes; the error of SendTaskFailure
    has at most 256 characters, its cause 32,768 (ValidationException).
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html)
    MiniStack: accepts everything.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import stepfunctions

    succeed, fail = stepfunctions._send_task_success, stepfunctions._send_task_failure

    def refused(field: str, limit: int) -> Any:
        message = (
            f"Value at '{field}' failed to satisfy constraint: Member must have length less than or equal to"
        )
        return error_response_json(
            "ValidationException", f"1 validation error detected: {message} {limit}", 400
        )

    def succeed_checked(data: dict[str, Any]) -> Any:
        output = str(data.get("output", ""))
        if len(output.encode(errors="replace")) > MAX_BYTES:
            return refused("output", MAX_BYTES)
        try:
            json.loads(output)
        except ValueError as error:
            return error_response_json("InvalidOutput", f"Invalid Output: '{error}'", 400)
        return succeed(data)

    def fail_checked(data: dict[str, Any]) -> Any:
        for field, limit in (("error", _MAX_ERROR), ("cause", _MAX_CAUSE)):
            if len(data.get(field) or "") > limit:
                return refused(field, limit)
        return fail(data)

    stepfunctions._send_task_success, stepfunctions._send_task_failure = succeed_checked, fail_checked


def _keep_terminal_errors() -> None:
    """Lets errors pass that Retry and Catch cannot handle.

    AWS: States.Runtime always fails the execution. States.ALL does not match States.DataLimitExceeded.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: States.ALL and States.TaskFailed match both.
    """
    from ministack.services import stepfunctions

    matches = stepfunctions._error_matches

    def matches_handled(names: list[str], error: str) -> bool:
        if error == "States.Runtime":
            return False
        if error == "States.DataLimitExceeded":
            return error in names
        return bool(matches(names, error))

    stepfunctions._error_matches = matches_handled
