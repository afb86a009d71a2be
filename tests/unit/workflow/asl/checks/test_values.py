"""Values that Step Functions refuses, or that are probably a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.asl.checks import check
from workflow.asl.checks.values import RESERVED, problems_of_token, problems_of_values

TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
NUMBER = "must be a whole number from"


def retry(**fields: Any) -> dict[str, Any]:
    return {**TASK, "Retry": [{"ErrorEquals": ["Own"], **fields}]}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({**TASK, "TimeoutSeconds": "60"}, f"TimeoutSeconds {NUMBER} 1 to 99999999, not '60': write 60 without quotes"),
        ({**TASK, "TimeoutSeconds": "1 minute"}, f"TimeoutSeconds {NUMBER} 1 to 99999999, not '1 minute'"),
        ({**TASK, "TimeoutSeconds": 1.5}, f"TimeoutSeconds {NUMBER} 1 to 99999999, not 1.5"),
        ({**TASK, "TimeoutSeconds": 0}, f"TimeoutSeconds {NUMBER} 1 to 99999999, not 0"),
        ({**TASK, "TimeoutSeconds": True}, f"TimeoutSeconds {NUMBER} 1 to 99999999, not True"),
        (
            {**TASK, "TimeoutSeconds": "$.seconds"},
            f"TimeoutSeconds {NUMBER} 1 to 99999999, not the path '$.seconds': write timeout_seconds_path='$.seconds'",
        ),
        (
            {**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5},
            "HeartbeatSeconds (5) must be less than TimeoutSeconds (5)",
        ),
        ({"Type": "Wait", "Seconds": -1}, f"Seconds {NUMBER} 0 to 99999999, not -1"),
        ({"Type": "Wait", "Seconds": 10**8}, f"Seconds {NUMBER} 0 to 99999999, not 100000000"),
        ({"Type": "Map", "MaxConcurrency": "5"}, f"MaxConcurrency {NUMBER} 0 to 99999999, not '5': write 5 without qu"),
        ({"Type": "Wait", "Timestamp": "tomorrow"}, "Timestamp must be a time such as '2026-01-31T08:15:00Z', not 'to"),
        ({"Type": "Wait", "Timestamp": "2026-01-31 08:15:00"}, "not '2026-01-31 08:15:00'"),
        ({"Type": "Wait", "Timestamp": 1}, "not 1"),
        ({"Type": "Task"}, "a Task needs a resource: use a class such as LambdaStep, or AwsSdkTask for any action of"),
        ({**TASK, "Parameters": "$"}, "Parameters must be a dictionary, not '$'"),
        ({**TASK, "Parameters": [1]}, "Parameters must be a dictionary, not [1]"),
        ({**TASK, "ResultPath": "review"}, "ResultPath must be a path, not 'review': write '$.review'"),
        ({**TASK, "ResultPath": "$review"}, "ResultPath must be a path, not '$review': write '$.review'"),
        (retry(MaxAttempts="2"), f"Retry[0].MaxAttempts {NUMBER} 0 to 99999999, not '2': write 2 without quotes"),
        (retry(MaxAttempts=-1), f"Retry[0].MaxAttempts {NUMBER} 0 to 99999999, not -1"),
        (retry(IntervalSeconds=0), f"Retry[0].IntervalSeconds {NUMBER} 1 to 99999999, not 0"),
        (retry(BackoffRate=0.5), "Retry[0].BackoffRate must be a number from 1, not 0.5"),
        (retry(BackoffRate="2"), "Retry[0].BackoffRate must be a number from 1, not '2'"),
        (retry(MaxDelaySeconds=31_622_400), f"Retry[0].MaxDelaySeconds {NUMBER} 1 to 31622399, not 31622400"),
        (
            retry(IntervalSeconds=10, MaxDelaySeconds=10),
            "Retry[0].MaxDelaySeconds (10) must be greater than IntervalSeconds (10)",
        ),
        (retry(ErrorEquals="States.ALL"), "Retry[0].ErrorEquals must be a list: write ['States.ALL']"),
        (retry(ErrorEquals=[]), "Retry[0].ErrorEquals must be a list with the names of errors, not []"),
        (retry(ErrorEquals=[1]), "Retry[0].ErrorEquals must be a list with the names of errors, not [1]"),
        (retry(ErrorEquals=["States.ALL", "Own"]), "Retry[0].ErrorEquals: States.ALL must be alone, and in the last R"),
        (retry(ErrorEquals=["*"]), "Retry[0].ErrorEquals: no error has the name '*'; for all errors, write 'States.AL"),
        (
            retry(ErrorEquals=["States.TaskFaild"]),
            "Retry[0].ErrorEquals: Step Functions has no error 'States.TaskFaild'; did you mean 'States.TaskFailed'?",
        ),
        (
            {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": {"a": "b"}},
            "nobody gets the task token, so the task never ends: add 'TaskToken.$': '$$.Task.Token' to what is sent",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": {"Payload": "{% $states.context.Execution.Id %}"},
            },
            "so the task never ends: add '{% $states.context.Task.Token %}' to what is sent",
        ),
        (
            {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTE"}}},
            "ProcessorConfig.Mode must be 'DISTRIBUTED' or 'INLINE', not 'DISTRIBUTE'",
        ),
        (
            {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}}},
            "ProcessorConfig.ExecutionType must be 'EXPRESS' or 'STANDARD'; it is missing",
        ),
        (
            {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"ExecutionType": "EXPRESS"}}},
            "ProcessorConfig.ExecutionType must be absent, because it is for Mode 'DISTRIBUTED', not 'EXPRESS'",
        ),
        (retry(ErrorEquals=["states.all"]), "has no error 'states.all'; did you mean 'States.ALL'?"),
        (
            {**TASK, "Catch": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["Own"]}]},
            "Catch[0].ErrorEquals: States.ALL must be alone, and in the last Catch",
        ),
    ],
)  # fmt: skip
def test_value_that_cannot_work_is_an_error(state: dict[str, Any], message: str) -> None:
    ((found, severity),) = (*problems_of_values(state), *problems_of_token(state))
    assert message in found
    assert severity == "error"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (retry(ErrorEquals=["TaskFailed"]), "has no error 'TaskFailed'; did you mean 'States.TaskFailed'?"),
        (retry(ErrorEquals=["States.SomethingNew"]), "Step Functions has no error 'States.SomethingNew'"),
        (
            {**TASK, "Parameters": {"FunctionName": "f", "Payload": '{"a": 1}'}},
            "Parameters.Payload is a text, and so is the event of the function: write a dictionary",
        ),
    ],
)
def test_value_that_may_be_intended_is_a_warning(state: dict[str, Any], message: str) -> None:
    ((found, severity),) = problems_of_values(state)
    assert message in found
    assert severity == "warning"


@pytest.mark.parametrize(
    "state",
    [
        {**TASK, "TimeoutSeconds": 60, "HeartbeatSeconds": 5, "ResultPath": "$.a"},
        {**TASK, "TimeoutSeconds": "{% $states.input.seconds %}", "Arguments": "{% $states.input %}"},
        {**TASK, "ResultPath": None, "Parameters": {"Payload": "text"}},
        {**TASK, "ResultPath": "$"},
        {**TASK, "ResultPath": "$['a']"},
        {"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}}},
        {
            "Type": "Map",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
        },
        {"Type": "Wait", "Seconds": 0},
        {"Type": "Wait", "Timestamp": "2026-01-31T08:15:00.5+02:00"},
        {"Type": "Wait", "Timestamp": "{% $states.input.at %}"},
        {"Type": "Wait", "SecondsPath": "$.seconds"},
        retry(MaxAttempts=0, IntervalSeconds=1, BackoffRate=1, MaxDelaySeconds=2, JitterStrategy="FULL"),
        retry(ErrorEquals=[name for name in RESERVED if name != "States.ALL"]),
        retry(ErrorEquals=["Lambda.TooManyRequestsException", "KeyError", "States"]),
        {**TASK, "Retry": [{"ErrorEquals": ["Own"]}, {"ErrorEquals": ["States.ALL"]}]},
    ],
)
def test_valid_values_are_accepted(state: dict[str, Any]) -> None:
    assert [*problems_of_values(state), *problems_of_token(state)] == []


def test_each_problem_is_reported_once() -> None:
    """The validator knows some of them, too."""
    state = {
        **TASK,
        "TimeoutSeconds": "60",
        "Retry": [{"ErrorEquals": "Own", "MaxAttempts": -1}],
        "ResultPath": "a",
    }
    found = check(
        {"StartAt": "a", "States": {"a": {**state, "Parameters": {"FunctionName": "f"}, "End": True}}}
    )
    assert [str(one).partition(" must")[0] for one in found] == [
        f"state 'a': {field}"
        for field in ("TimeoutSeconds", "ResultPath", "Retry[0].ErrorEquals", "Retry[0].MaxAttempts")
    ]


def test_loop_that_only_an_error_ends_is_a_warning() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "d"}]
    states = {
        "a": {"Type": "Pass", "Next": "b"},
        "b": {**TASK, "Parameters": {"FunctionName": "f"}, "Catch": catch, "Next": "c"},
        "c": {"Type": "Pass", "Next": "b"},
        "d": {"Type": "Succeed"},
    }
    (finding,) = check({"StartAt": "a", "States": states})
    assert (finding.state, finding.severity) == ("b", "warning")
    assert finding.message == "only an error ends this loop; add a Choice that leaves it"
