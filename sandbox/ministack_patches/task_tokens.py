"""Tasks of state machines that wait for a token."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.ministack_patches.walks import current

__all__ = ["correct"]


def correct() -> None:
    """Corrects tasks that wait for a token."""
    _fail_failed_callbacks()
    _check_task_tokens()


_waiting = threading.local()
"""Per thread: the token of the task that it starts."""


def _fail_failed_callbacks() -> None:
    """Fails a task that waits for a token when its function fails.

    AWS: the task fails at once if the function that should pass on the token fails.
    MiniStack: waits for the token until the task's timeout, by default for a day.
    """
    from ministack.services import stepfunctions

    invoke_with_callback = stepfunctions._invoke_with_callback
    call_lambda = stepfunctions._call_lambda

    def invoke(resource: str, input_data: Any, token: str, state: dict[str, Any]) -> Any:
        with _waiting_for(token):
            return invoke_with_callback(resource, input_data, token, state)

    def call(function: Any, event: Any) -> Any:
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            entry = stepfunctions._task_tokens.get(getattr(_waiting, "token", None))
            if entry is not None:
                entry["error"] = {"Error": error.error, "Cause": error.cause}
                entry["event"].set()
            raise

    stepfunctions._invoke_with_callback = invoke
    stepfunctions._call_lambda = call


@contextlib.contextmanager
def _waiting_for(token: str) -> Iterator[None]:
    _waiting.token = token
    try:
        yield
    finally:
        _waiting.token = None


_machines: dict[str, str] = {}
"""Task token → ARN of the state machine whose task has or had it."""


def _check_task_tokens() -> None:
    """Checks permissions on, and the existence of, task tokens.

    AWS: IAM checks the call with a token on the state machine whose task has the token. An unknown token is
    `InvalidToken`, that of a task that has ended `TaskTimedOut`. (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html)
    MiniStack: derives no resource from a token, so policies with a resource never allow the call. Both tokens are
    `TaskDoesNotExist`.
    """
    from ministack.core import iam_actions
    from ministack.core.responses import error_response_json
    from ministack.services import stepfunctions

    invoke_with_callback = stepfunctions._invoke_with_callback
    resource_arn = iam_actions.extract_resource_arn

    def invoke(resource: str, input_data: Any, token: str, state: dict[str, Any]) -> Any:
        walking = current()
        assert walking is not None, "only a walk waits for a token"
        _machines[token] = walking[0].execution["stateMachineArn"]
        return invoke_with_callback(resource, input_data, token, state)

    def resource_of(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        region: str,
        account_id: str,
    ) -> Any:
        if service == "states" and (token := iam_actions._safe_json_field(body, "taskToken")):
            unknown = f"arn:aws:states:{region}:{account_id}:stateMachine:unknown"
            return _machines.get(token, unknown)
        return resource_arn(service, method, path, headers, body, query, region, account_id)

    def only_known(send: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def checked(data: dict[str, Any]) -> Any:
            token = data.get("taskToken", "")
            # The tokens of activities are only in MiniStack's own table.
            if token in stepfunctions._task_tokens:
                return send(data)
            if token in _machines:
                message = "Task Timed Out: 'Provided task does not exist anymore'"
                return error_response_json("TaskTimedOut", message, 400)
            return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)

        return checked

    stepfunctions._invoke_with_callback = invoke
    iam_actions.extract_resource_arn = resource_of
    for operation in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        setattr(stepfunctions, operation, only_known(getattr(stepfunctions, operation)))
