"""The waits before retries."""

from __future__ import annotations

import threading

import pytest


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        ({}, [1, 2, 4, 8, 16, 32, 64, 128]),
        ({"IntervalSeconds": 5, "BackoffRate": 3.0, "MaxDelaySeconds": 40}, [5, 15, 40, 40, 40, 40, 40, 40]),
    ],
)
def test_wait_grows_up_to_its_maximum(machines, given, waits):
    assert slept(machines, given, len(waits)) == waits


def test_jitter_spreads_the_waits(machines):
    waits = slept(machines, {"JitterStrategy": "FULL", "MaxDelaySeconds": 8}, 60)
    assert all(0 <= wait <= min(2**number, 8) for number, wait in enumerate(waits))
    assert len(set(waits)) == len(waits)
    assert min(waits) < 2
    assert max(waits) > 6


def test_throttled_function_gets_time_although_waits_are_skipped(machines):
    from ministack.services import stepfunctions

    free = threading.Event()
    threading.Timer(0.2, free.set).start()

    def call(resource, data):
        if not free.is_set():
            raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", "Rate Exceeded.")
        return {}

    stepfunctions._invoke_resource = call
    retrier = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "MaxAttempts": 30}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}}
    assert machines.run({"Task": {**task, "Retry": [retrier], "End": True}})["status"] == "SUCCEEDED"


def slept(machines, given, times):
    """Returns how long a task waits before each of its retries."""
    from ministack.services import stepfunctions

    sleeps = []
    stepfunctions._scaled_sleep, stepfunctions._invoke_resource = sleeps.append, refuse
    retrier = {"ErrorEquals": ["States.ALL"], "MaxAttempts": times, **given}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"Message": "", "TopicArn": ""},
    }
    execution = machines.run({"Task": {**task, "Retry": [retrier], "End": True}})
    assert (execution["status"], execution["error"]) == ("FAILED", "Busy")
    return sleeps


def refuse(resource, data):
    from ministack.services import stepfunctions

    raise stepfunctions._ExecutionError("Busy", "")
