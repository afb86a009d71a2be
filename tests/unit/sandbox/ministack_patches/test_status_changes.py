"""What is sent when the status of an execution changes."""

from __future__ import annotations

import json
import time

PASS = {"Pass": {"Type": "Pass", "End": True}}
FAIL = {"Fail": {"Type": "Fail", "Error": "Lost", "Cause": "nothing there"}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}


def totals(machine):
    from ministack.services import cloudwatch

    return {
        key[1]: sum(point["Value"] for point in points)
        for key, points in cloudwatch._metrics.items()
        if key[0] == "AWS/States" and key[2] == f"StateMachineArn={machine}" and key[1] != "ExecutionTime"
    }


def test_event_of_failure_says_error_and_redrivable(machines):
    machines.run(FAIL, {"a": "ä"})
    started, failed = machines.changes
    assert (started["status"], started["stopDate"], started["redriveStatus"]) == (
        "RUNNING",
        None,
        "NOT_REDRIVABLE",
    )
    assert (failed["status"], failed["error"], failed["cause"]) == ("FAILED", "Lost", "nothing there")
    assert (failed["redriveStatus"], failed["redriveStatusReason"]) == ("REDRIVABLE", None)
    assert json.loads(failed["input"]) == {"a": "ä"}
    assert failed["inputDetails"] == {"included": True}
    assert (failed["output"], failed["outputDetails"]) == (None, None)


def test_event_names_version_and_alias(machines):
    machine = machines.create(PASS)
    version = machines.call("_publish_state_machine_version", stateMachineArn=machine)[
        "stateMachineVersionArn"
    ]
    alias = machines.call(
        "_create_state_machine_alias",
        name="live",
        routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}],
    )["stateMachineAliasArn"]
    machines.ended(machines.start(alias))
    for change in machines.changes:
        assert (change["stateMachineVersionArn"], change["stateMachineAliasArn"]) == (version, alias)


def test_event_leaves_out_input_that_is_too_large_when_escaped(machines):
    machines.run(PASS, '"' * 100_000)
    [_, succeeded] = machines.changes
    assert (succeeded["input"], succeeded["inputDetails"]) == (None, {"included": False})
    assert (succeeded["output"], succeeded["outputDetails"]) == (None, {"included": False})


def test_stopped_execution_stays_aborted_when_its_state_fails(machines, waiting):
    states = {"Wait": {"Type": "Wait", "Seconds": 3600, "Next": "Fail"}, **FAIL}
    execution = machines.start(machines.create(states))
    while [event["type"] for event in machines.history(execution)][-1] != "WaitStateEntered":
        time.sleep(0.01)
    machines.call("_stop_execution", executionArn=execution, error="Operator", cause="not needed")
    waiting.set()
    described = machines.ended(execution)
    assert [change["status"] for change in machines.changes] == ["RUNNING", "ABORTED"]
    assert (machines.changes[1]["error"], machines.changes[1]["cause"]) == ("Operator", "not needed")
    assert described["status"] == "ABORTED"
    assert machines.history(execution)[-1]["type"] == "ExecutionAborted"


def test_metrics_count_executions_by_end(machines, waiting):
    machine = machines.create(FAIL)
    machines.ended(machines.start(machine))
    assert totals(machine) == {"ExecutionsStarted": 1, "ExecutionsFailed": 1}
    machine = machines.create(PASS)
    for _ in range(2):
        machines.ended(machines.start(machine))
    assert totals(machine) == {"ExecutionsStarted": 2, "ExecutionsSucceeded": 2}
    machine = machines.create(WAIT)
    machines.call("_stop_execution", executionArn=machines.start(machine))
    assert totals(machine) == {"ExecutionsStarted": 1, "ExecutionsAborted": 1}


def test_events_of_history_name_the_one_before(machines):
    execution = machines.run({"Pass": {"Type": "Pass", "Next": "End"}, "End": {"Type": "Succeed"}})
    history = machines.history(execution["executionArn"])
    links = [(event["previousEventId"], event["id"]) for event in history]
    # The first state links to nothing, as the start does.
    assert links == [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
