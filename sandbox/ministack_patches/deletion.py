"""Deleting state machines that have executions."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects the deletion of state machines."""
    _delete_after_executions()


def _delete_after_executions() -> None:
    """Deletes a state machine when its executions have ended.

    AWS: DeleteStateMachine sets the status DELETING. An execution is terminated at its next state transition; one that
    waits goes on waiting. The state machine is deleted, with versions and aliases, when the last has ended. Until then,
    StartExecution, UpdateStateMachine and CreateStateMachine with its name fail with StateMachineDeleting, and a stack
    stays in DELETE_IN_PROGRESS.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html)
    MiniStack: deletes the state machine and its executions at once; versions and aliases stay.
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners, stacks

    delete, start, update = (
        stepfunctions._delete_state_machine,
        stepfunctions._start_execution,
        stepfunctions._update_state_machine,
    )
    create, emit = stepfunctions._create_state_machine, stepfunctions._emit_execution_status_event
    add_event, on_thread = stepfunctions._add_event, stacks._runs_on_worker_thread
    deleted = threading.Condition()

    def is_deleting(arn: Any) -> bool:
        return bool((stepfunctions._state_machines.get(arn) or {}).get("status") == "DELETING")

    def refused(arn: Any) -> Any:
        return error_response_json("StateMachineDeleting", f"State Machine is being deleted: '{arn}'", 400)

    def finish(arn: str) -> None:
        with deleted:
            executions = stepfunctions._executions.values()
            if any(one["stateMachineArn"] == arn and one["status"] == "RUNNING" for one in executions):
                return
            delete({"stateMachineArn": arn})
            for table in (stepfunctions._state_machine_aliases, stepfunctions._state_machine_versions):
                for qualified in [key for key in table if key.rpartition(":")[0] == arn]:
                    table.pop(qualified, None)
            deleted.notify_all()

    def begin(data: dict[str, Any]) -> Any:
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn"))
        if machine is None:
            return delete(data)
        machine["status"] = "DELETING"
        finish(machine["stateMachineArn"])
        return json_response({})

    def create_if_free(data: dict[str, Any]) -> Any:
        from ministack.core.responses import get_account_id, get_region

        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{data.get('name')}"
        return refused(arn) if is_deleting(arn) else create(data)

    def start_unless_deleting(data: dict[str, Any]) -> Any:
        arn = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        return refused(arn) if is_deleting(arn) else start(data)

    def update_unless_deleting(data: dict[str, Any]) -> Any:
        arn = data.get("stateMachineArn")
        return refused(arn) if is_deleting(arn) else update(data)

    def emit_and_finish(execution: dict[str, Any]) -> None:
        emit(execution)
        if execution["status"] != "RUNNING" and is_deleting(execution["stateMachineArn"]):
            finish(execution["stateMachineArn"])

    def add_and_terminate(execution: dict[str, Any], kind: str, details: Any = None) -> Any:
        event = add_event(execution, kind, details)
        running = kind.endswith("StateExited") and execution["status"] == "RUNNING"
        if running and is_deleting(execution["stateMachineArn"]):
            stepfunctions._stop_execution({"executionArn": execution["executionArn"]})
        return event

    def delete_resource(physical_id: str, properties: dict[str, Any]) -> None:
        if physical_id not in stepfunctions._state_machines:
            return
        stepfunctions._delete_state_machine({"stateMachineArn": physical_id})
        with deleted:
            deleted.wait_for(lambda: physical_id not in stepfunctions._state_machines)

    stepfunctions._delete_state_machine, stepfunctions._create_state_machine = begin, create_if_free
    stepfunctions._start_execution, stepfunctions._update_state_machine = (
        start_unless_deleting,
        update_unless_deleting,
    )
    stepfunctions._emit_execution_status_event = emit_and_finish
    stepfunctions._add_event = add_and_terminate
    provisioners._sfn_state_machine_delete = delete_resource
    resource = "AWS::StepFunctions::StateMachine"
    provisioners._RESOURCE_HANDLERS = {
        **provisioners._RESOURCE_HANDLERS,
        resource: {**provisioners._RESOURCE_HANDLERS[resource], "delete": delete_resource},
    }
    # The deletion waits, which the event loop must not.
    stacks._runs_on_worker_thread = lambda kind: kind == resource or on_thread(kind)
