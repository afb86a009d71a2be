"""Alarms of CloudWatch."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def alarm(machines):
    """An alarm on failed executions of the state machine `one`, and what it sends."""
    from ministack.services import cloudwatch, sns

    sent = []
    topic = "arn:aws:sns:us-east-1:000000000000:alarms"
    alarm = {
        "AlarmName": "failed",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:failed",
        "Namespace": "AWS/States",
        "MetricName": "ExecutionsFailed",
        "Dimensions": [{"Name": "StateMachineArn", "Value": "one"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "",
        "AlarmActions": [topic],
        "OKActions": [],
    }
    sns._fanout = lambda topic, number, message, *more: sent.append(json.loads(message))
    cloudwatch.cloudformation_put_metric_alarm(alarm)
    return alarm, sent


def failed(machine, value=1):
    from ministack.services import cloudwatch

    cloudwatch.record_metric("AWS/States", "ExecutionsFailed", value, "Count", {"StateMachineArn": machine})


def describe():
    from ministack.services import cloudwatch

    return json.loads(cloudwatch._describe_alarms({}, {}, False, True)[2])["MetricAlarms"][0]


def test_alarm_goes_off_when_its_metric_gets_data(alarm):
    _, sent = alarm
    failed("one")
    assert describe()["StateValue"] == "ALARM"
    assert [(message["AlarmName"], message["NewStateValue"]) for message in sent] == [("failed", "ALARM")]


@pytest.mark.parametrize(("machine", "value"), [("another", 1), ("one", 0)])
def test_alarm_ignores_other_dimensions_and_values(alarm, machine, value):
    _, sent = alarm
    failed(machine, value)
    assert (describe()["StateValue"], sent) == ("OK", [])


def test_alarm_goes_off_again_when_older_data_has_passed(alarm, monkeypatch):
    from ministack.services import cloudwatch

    _, sent = alarm
    failed("one")
    failed("one")
    assert len(sent) == 1
    now = cloudwatch.time.time()
    monkeypatch.setattr("sandbox.ministack_patches.alarms.time.time", lambda: now + 61)
    assert describe()["StateValue"] == "OK"
    failed("one")
    assert [message["NewStateValue"] for message in sent] == ["ALARM", "ALARM"]


@pytest.mark.parametrize(
    ("treated", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("ignore", "INSUFFICIENT_DATA")],
)
def test_alarm_without_data_has_state_of_its_setting(alarm, treated, state):
    alarm[0].update(TreatMissingData=treated, StateValue="INSUFFICIENT_DATA")
    assert describe()["StateValue"] == state
