"""Starting executions."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from sandbox.ministack_patches.payloads import MAX_BYTES

__all__ = ["correct"]

_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")


def correct() -> None:
    """Corrects StartExecution."""
    _refuse_or_repeat_starts()


def _refuse_or_repeat_starts() -> None:
    """Refuses what cannot be an execution, and answers a repeated request with the running execution.

    AWS: with the name and the input of an execution that is running, StartExecution gives that execution. With another
    input, or once it has ended, the request fails with ExecutionAlreadyExists. A name has 1 to 80 characters
    (InvalidName), an input is JSON (InvalidExecutionInput) of at most 262,144 bytes.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)
    MiniStack: refuses each name that is taken, and accepts any name and input.
    """
    from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
    from ministack.services import stepfunctions

    start = stepfunctions._start_execution
    lock = threading.Lock()

    def running(machine_arn: str, name: str) -> dict[str, Any] | None:
        machine = stepfunctions._state_machines.get(stepfunctions._resolve_state_machine_arn(machine_arn))
        if machine is None:
            return None
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{name}"
        execution: dict[str, Any] | None = stepfunctions._executions.get(arn)
        return execution if execution is not None and execution["status"] == "RUNNING" else None

    def start_once(data: dict[str, Any]) -> Any:
        name, given = data.get("name"), data.get("input", "{}")
        if name is not None and not _NAME.fullmatch(str(name)):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        if len(given) > MAX_BYTES or len(given.encode()) > MAX_BYTES:
            message = (
                "Value at 'input' failed to satisfy constraint: Member must have length less than or equal to"
            )
            return error_response_json(
                "ValidationException", f"1 validation error detected: {message} {MAX_BYTES}", 400
            )
        try:
            json.loads(given)
        except ValueError as error:
            return error_response_json(
                "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'", 400
            )
        with lock:
            execution = running(str(data.get("stateMachineArn", "")), str(name)) if name else None
            if execution is not None and execution["input"] == given:
                answer = {"executionArn": execution["executionArn"], "startDate": execution["startDate"]}
                return json_response(answer)
            return start(data)

    stepfunctions._start_execution = start_once
