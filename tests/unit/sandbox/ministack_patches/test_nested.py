"""Tasks that start executions."""

from __future__ import annotations

import json
import time

import pytest

START = "arn:aws:states:::states:startExecution"
FAIL = {"Fail": {"Type": "Fail", "Error": "Lost", "Cause": "nothing there"}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}


def start(machine, how="", **arguments):
    return {
        "Type": "Task",
        "Resource": START + how,
        "QueryLanguage": "JSONata",
        "Arguments": {"StateMachineArn": machine, "Input": {"a": 1}, **arguments},
        "End": True,
    }


@pytest.mark.parametrize("how", ["", ".sync", ".sync:2"])
@pytest.mark.parametrize(
    ("machine", "more", "error"),
    [
        ("arn:aws:states:us-east-1:000000000000:stateMachine:no", {}, "StateMachineDoesNotExistException"),
        (None, {"Name": "taken"}, "ExecutionAlreadyExistsException"),
        (None, {"Name": "a b"}, "InvalidNameException"),
    ],
)
def test_refused_start_has_error_of_service(machines, how, machine, more, error):
    if machine is None:
        machine = machines.create(FAIL)
        machines.ended(machines.start(machine, name="taken"))
    execution = machines.run({"Task": start(machine, how, **more)})
    assert execution["error"] == f"StepFunctions.{error}"
    assert execution["cause"]


def test_failed_execution_is_cause_of_task(machines):
    execution = machines.run({"Task": start(machines.create(FAIL), ".sync:2", Name="one")})
    assert execution["error"] == "States.TaskFailed"
    cause = json.loads(execution["cause"])
    assert (cause["Error"], cause["Cause"], cause["Status"]) == ("Lost", "nothing there", "FAILED")
    assert (cause["Name"], cause["Input"]) == ("one", '{"a": 1}')
    # Each execution sends its own events. That of the inner one can be the last.
    machines.wait(lambda _: len(machines.changes) == 4)
    assert [change["status"] for change in machines.changes] == ["RUNNING", "RUNNING", "FAILED", "FAILED"]


@pytest.mark.parametrize(("how", "output"), [(".sync", '{"a": 1}'), (".sync:2", {"a": 1})])
def test_task_waits_for_output(machines, how, output):
    machine = machines.create({"Pass": {"Type": "Pass", "End": True}})
    found = json.loads(machines.run({"Task": start(machine, how)})["output"])
    assert (found["Output"], found["Input"], found["Status"]) == (output, output, "SUCCEEDED")


def test_execution_that_is_stopped_while_it_starts_another_stops_it(machines, monkeypatch):
    from ministack.services import stepfunctions

    stepfunctions._SFN_WAIT_SCALE = 1
    inner = machines.create(WAIT)
    outer = machines.create({"Task": start(inner, ".sync")})
    start_execution = stepfunctions._start_execution

    def start_and_stop(request):
        answer = start_execution(request)
        if request["stateMachineArn"] == inner:
            [running] = machines.call("_list_executions", stateMachineArn=outer)["executions"]
            machines.call("_stop_execution", executionArn=running["executionArn"])
        return answer

    monkeypatch.setattr(stepfunctions, "_start_execution", start_and_stop)
    machines.start(outer)

    machines.wait(lambda change: change["stateMachineArn"] == inner and change["status"] == "ABORTED")


def test_stopped_execution_stops_the_one_it_waits_for(machines):
    from ministack.services import stepfunctions

    stepfunctions._SFN_WAIT_SCALE = 1
    inner = machines.create(WAIT)
    outer = machines.start(machines.create({"Task": start(inner, ".sync")}))
    for _ in range(2000):
        if started := machines.call("_list_executions", stateMachineArn=inner)["executions"]:
            break
        time.sleep(0.005)
    machines.call("_stop_execution", executionArn=outer)
    assert machines.ended(started[0]["executionArn"])["status"] == "ABORTED"
