"""Deleting state machines that have executions."""

from __future__ import annotations

import threading

import pytest

NEXT = {"Next": {"Type": "Pass", "End": True}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 9, "Next": "Next"}, **NEXT}


@pytest.fixture
def waiting(machines):
    """A state machine, and an execution of it that waits until the event is set."""
    from ministack.services import stepfunctions

    release = threading.Event()
    stepfunctions._scaled_sleep = lambda seconds: release.wait(20)
    machine = machines.create(WAIT)
    version = machines.call("_publish_state_machine_version", stateMachineArn=machine)
    yield machine, machines.start(version["stateMachineVersionArn"]), release
    release.set()


def test_machine_is_deleted_when_its_execution_has_ended(machines, waiting):
    machine, execution, release = waiting
    machines.call("_delete_state_machine", stateMachineArn=machine)
    assert machines.call("_describe_state_machine", stateMachineArn=machine)["status"] == "DELETING"
    described = machines.call("_describe_execution", executionArn=execution)
    assert described["status"] == "RUNNING"
    release.set()
    machines.wait(lambda change: change["status"] == "ABORTED")
    assert not any(change["status"] == "SUCCEEDED" for change in machines.changes)
    gone = machines.call("_describe_state_machine", stateMachineArn=f"{machine}:1")
    assert gone["__type"] == "StateMachineDoesNotExist"


def test_machine_that_is_being_deleted_refuses_executions(machines, waiting):
    machine, _, _ = waiting
    machines.call("_delete_state_machine", stateMachineArn=machine)
    for operation, more in (
        ("_start_execution", {}),
        ("_update_state_machine", {"roleArn": machines.role}),
        ("_create_state_machine", {"name": machine.rpartition(":")[2]}),
    ):
        assert machines.call(operation, stateMachineArn=machine, **more)["__type"] == "StateMachineDeleting"


def test_machine_without_executions_is_deleted_at_once(machines):
    machine = machines.create(NEXT)
    machines.ended(machines.start(machine))
    machines.call("_delete_state_machine", stateMachineArn=machine)
    assert machines.call("_describe_state_machine", stateMachineArn=machine)["status"] == 400


def test_stack_waits_for_executions_of_its_machine(machines, waiting):
    from ministack.services.cloudformation import provisioners, stacks

    machine, _, release = waiting
    kind = "AWS::StepFunctions::StateMachine"
    assert stacks._runs_on_worker_thread(kind)
    deleting = threading.Thread(target=provisioners._delete_resource, args=(kind, machine, {}))
    deleting.start()
    while machines.call("_describe_state_machine", stateMachineArn=machine)["status"] != "DELETING":
        pass
    assert deleting.is_alive()
    release.set()
    deleting.join(20)
    assert not deleting.is_alive()
