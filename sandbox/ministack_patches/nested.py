"""Tasks that start executions: `arn:aws:states:::states:startExecution`, also with `.sync` and `.sync:2`."""

from __future__ import annotations

import json
from typing import Any

from sandbox.ministack_patches.executions import wait_for_end
from sandbox.ministack_patches.integrations import error_name
from sandbox.ministack_patches.walks import current

__all__ = ["correct"]


def correct() -> None:
    """Corrects tasks that start executions."""
    _start_as_others_do()


def _start_as_others_do() -> None:
    """Starts an execution as StartExecution does, and waits for its end if the task says so.

    AWS: a refused start fails the task with the exception of the SDK for Java, `StepFunctions.
    ExecutionAlreadyExistsException`. If the execution that a `.sync` task waits for does not succeed, the task fails
    with States.TaskFailed, and the cause is the execution as JSON. With `.sync`, input and output are texts; with
    `.sync:2`, they are JSON. When the task is aborted, the execution is stopped.
    (https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html; causes and outputs as in histories of
    AWS that LocalStack's tests have recorded)
    MiniStack: names the error as the API does. An execution with `.sync` sends no events and ignores versions; its own
    error becomes that of the task.
    """
    from ministack.services import stepfunctions

    def start(resource: str, arguments: Any) -> dict[str, Any]:
        given = arguments if isinstance(arguments, dict) else {}
        machine = given.get("StateMachineArn") or given.get("stateMachineArn")
        text = given.get("Input", given.get("input", {}))
        request = {
            "stateMachineArn": str(machine or ""),
            "input": text if isinstance(text, str) else json.dumps(text),
        }
        if name := given.get("Name") or given.get("name"):
            request["name"] = name
        status, _, body = stepfunctions._start_execution(request)
        answer = json.loads(body)
        if status >= 400:
            raise stepfunctions._ExecutionError(
                error_name("StepFunctions", answer.get("__type", "")), answer.get("message", "")
            )
        return {"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"]}

    def start_and_wait(resource: str, arguments: Any) -> dict[str, Any]:
        # By its name, since faults are added to it.
        started = stepfunctions._invoke_nested_start_execution(resource, arguments)
        arn = started["ExecutionArn"]
        if (found := current()) is not None:
            found[1].at_end(lambda: stepfunctions._stop_execution({"executionArn": arn}))
        ended = stepfunctions._executions[arn]
        wait_for_end(ended)
        described = _described(ended, as_json=resource.endswith(":2"))
        if ended["status"] != "SUCCEEDED":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
        return described

    stepfunctions._invoke_nested_start_execution = start
    stepfunctions._invoke_nested_start_execution_sync = start_and_wait


def _described(execution: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    from ministack.services import stepfunctions

    def data(text: str) -> Any:
        return json.loads(text) if as_json and execution["status"] == "SUCCEEDED" else text

    found = {
        "Cause": execution.get("cause"),
        "Error": execution.get("error"),
        "ExecutionArn": execution["executionArn"],
        "Input": data(execution["input"]),
        "InputDetails": {"Included": True},
        "Name": execution["name"],
        "StartDate": stepfunctions._iso_to_epoch_ms(execution["startDate"]),
        "StateMachineArn": execution["stateMachineArn"],
        "Status": execution["status"],
        "StopDate": stepfunctions._iso_to_epoch_ms(execution["stopDate"]),
    }
    if execution["status"] == "SUCCEEDED":
        found |= {"Output": data(execution["output"]), "OutputDetails": {"Included": True}}
    return {name: value for name, value in found.items() if value is not None}
