"""The API TestState."""

from __future__ import annotations

import json

import pytest

STATE = {
    "Type": "Task",
    "QueryLanguage": "JSONata",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "nowhere", "Payload": {}},
    "Retry": [
        {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2},
        {"ErrorEquals": ["Lambda.ResourceNotFoundException"], "MaxAttempts": 1},
    ],
    "Catch": [
        {
            "ErrorEquals": ["States.ALL"],
            "Output": "{% {'why': $states.errorOutput.Error, 'id': $states.input.id} %}",
            "Next": "Other",
        }
    ],
    "End": True,
}


def tried(machines, error, attempts=0):
    mock = {"mock": {"errorOutput": {"error": error, "cause": "c"}}} if error else {}
    return machines.call(
        "_test_state",
        definition=json.dumps(STATE),
        input='{"id": 7}',
        inspectionLevel="DEBUG",
        stateConfiguration={"retrierRetryCount": attempts},
        **mock,
    )


@pytest.mark.parametrize(("error", "index"), [("Busy", 0), (None, 1)])
def test_error_is_retried_before_it_is_caught(machines, error, index):
    answer = tried(machines, error)
    assert answer["status"] == "RETRIABLE"
    assert answer["inspectionData"]["errorDetails"]["retryIndex"] == index


def test_wait_grows_with_attempts(machines):
    details = tried(machines, "Busy", 1)["inspectionData"]["errorDetails"]
    assert details["retryBackoffIntervalSeconds"] == 4


@pytest.mark.parametrize(("error", "attempts"), [("Busy", 2), ("Lost", 0)])
def test_catcher_gives_its_output(machines, error, attempts):
    answer = tried(machines, error, attempts)
    assert (answer["status"], answer["nextState"]) == ("CAUGHT_ERROR", "Other")
    assert json.loads(answer["output"]) == {"why": error, "id": 7}
    assert answer["inspectionData"]["errorDetails"] == {"catchIndex": 0}
