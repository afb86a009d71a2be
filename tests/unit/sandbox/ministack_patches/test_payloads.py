"""Limits of the data of executions, and of what starts them."""

from __future__ import annotations

import json
import threading

import pytest

LIMIT = 262_144
PASS = {"Pass": {"Type": "Pass", "End": True}}


def text(size):
    """A text of that many bytes, in characters of two bytes each."""
    return "ä" * (size // 2)


@pytest.mark.parametrize(("more", "status"), [(0, "SUCCEEDED"), (4, "FAILED")])
def test_output_of_state_has_limit_in_bytes(machines, more, status):
    double = {"Type": "Pass", "Parameters": {"a.$": "States.Format('{}{}', $.a, $.a)"}, "End": True}
    execution = machines.run({"Double": double}, {"a": text((LIMIT - len('{"a":""}') + more) // 2)})
    assert (execution["status"], execution.get("error")) == (
        status,
        "States.DataLimitExceeded" if more else None,
    )


def test_large_arguments_of_task_are_not_caught(machines):
    double = {"Message.$": "States.Format('{}{}', $.a, $.a)", "TopicArn": "arn:aws:sns:us-east-1:0:t"}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": double,
        "Retry": [{"ErrorEquals": ["States.ALL"]}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Pass"}],
        "End": True,
    }
    execution = machines.run({"Task": task, **PASS}, {"a": text(200_000)})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_cause_is_cut_to_its_limit(machines):
    fail = {"Type": "Fail", "Error": "Lost", "CausePath": "$.a"}
    assert len(machines.run({"Fail": fail}, {"a": "x" * 60_000})["cause"]) == 32_768


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"input": json.dumps(text(LIMIT + 2), ensure_ascii=False)}, "ValidationException"),
        ({"input": "{no"}, "InvalidExecutionInput"),
        ({"name": "a" * 81}, "InvalidName"),
        ({"name": "a b"}, "InvalidName"),
        ({"name": ""}, "InvalidName"),
    ],
)
def test_start_refuses_what_is_no_execution(machines, parameters, error):
    machine = machines.create(PASS)
    assert machines.call("_start_execution", stateMachineArn=machine, **parameters)["__type"] == error


@pytest.mark.parametrize(
    ("operation", "parameters", "error"),
    [
        ("_send_task_success", {"output": "no"}, "InvalidOutput"),
        ("_send_task_success", {"output": f'"{"a" * LIMIT}"'}, "ValidationException"),
        ("_send_task_failure", {"error": "a" * 257}, "ValidationException"),
        ("_send_task_failure", {"cause": "a" * 32_769}, "ValidationException"),
    ],
)
def test_answer_to_task_has_limits(machines, operation, parameters, error):
    from ministack.services import stepfunctions

    stepfunctions._task_tokens["token"] = {"event": threading.Event(), "result": None, "error": None}
    assert machines.call(operation, taskToken="token", **parameters)["__type"] == error


def test_repeated_start_gives_running_execution(machines):
    from ministack.services import stepfunctions

    release = threading.Event()
    stepfunctions._scaled_sleep = lambda seconds: release.wait(20)
    machine = machines.create({"Wait": {"Type": "Wait", "Seconds": 9, "End": True}})
    request = {"stateMachineArn": machine, "name": "a" * 80, "input": '{"a": 1}'}
    first = machines.call("_start_execution", **request)
    assert machines.call("_start_execution", **request) == first
    other = machines.call("_start_execution", **{**request, "input": '{"a": 2}'})
    release.set()
    machines.ended(first["executionArn"])
    again = machines.call("_start_execution", **request)
    assert [other["__type"], again["__type"]] == ["ExecutionAlreadyExists"] * 2
