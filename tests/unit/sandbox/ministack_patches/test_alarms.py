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


def on_expression(expression, period=60, **more):
    """An alarm on an expression over the executions that failed and succeeded, as a stack creates it."""
    from ministack.services.cloudformation import provisioners

    def metric(name):
        dimensions = [{"Name": "StateMachineArn", "Value": "one"}]
        found = {"Namespace": "AWS/States", "MetricName": f"Executions{name}", "Dimensions": dimensions}
        return {"Metric": found, "Period": period, "Stat": "Sum"}

    properties = {
        "AlarmName": "rate",
        "Metrics": [
            {"Id": "f", "MetricStat": metric("Failed"), "ReturnData": False},
            {"Id": "s", "MetricStat": metric("Succeeded"), "ReturnData": False},
            {"Id": "r", "Expression": expression},
        ],
        "Threshold": 0.5,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **more,
    }
    provisioners._cw_metric_alarm_create("Alarm", properties, "stack")


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("f", "ALARM"),
        ("f+s", "OK"),  # no data
        ("f/(f+FILL(s,0))", "OK"),  # AWS does not say that it fills a metric that has never had data
        ("f/SUM([f,FILL(s,0)])", "ALARM"),
        ("SUM([FILL(s,0)])", "OK"),
        ("IF(f>2 AND f<=3, -1*f, 0)", "OK"),
        ("IF(f>2 && (SUM([s,TIME_SERIES(1)])==2 OR f^2>8.5), 1, 0)", "ALARM"),
    ],
)
def test_alarm_on_an_expression_goes_off_when_a_metric_of_it_gets_data(machines, expression, state):
    from ministack.services import cloudwatch

    on_expression(expression)
    failed("another")
    assert cloudwatch._alarms["rate"]["StateValue"] == "OK"
    failed("one", 3)
    assert cloudwatch._alarms["rate"]["StateValue"] == state


HOUR = 3600


def hourly(*ages, expression="FILL(f,0)", **more):
    """An alarm on less than one failed execution in each of two hours, with data of these ages in hours."""
    from ministack.services import cloudwatch

    on_expression(
        expression, period=HOUR,
        **{
            "EvaluationPeriods": 2, "Threshold": 1, "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "breaching", **more,
        },
    )  # fmt: skip
    for age in ages:
        cloudwatch.record_metric(
            "AWS/States", "ExecutionsFailed", 1, "Count", {"StateMachineArn": "one"},
            at=cloudwatch.time.time() - age * HOUR,
        )  # fmt: skip
    return describe()["StateValue"]


@pytest.mark.parametrize(
    ("ages", "state"),
    [((0.5, 1.5), "OK"), ((1.5,), "OK"), ((2.5,), "ALARM"), ((3.5, 2.5), "ALARM"), ((), "ALARM")],
)
def test_alarm_goes_off_after_several_periods_without_data(machines, ages, state):
    assert hourly(*ages) == state


def test_data_of_earlier_periods_delays_an_alarm_on_missing_data(machines):
    """CloudWatch evaluates the newest data of a longer range first. FILL avoids that."""
    assert hourly(2.5, 3.5, expression="f") == "OK"


@pytest.mark.parametrize(
    ("needed", "state"), [({}, "OK"), ({"DatapointsToAlarm": 1}, "ALARM"), ({"DatapointsToAlarm": 2}, "OK")]
)
def test_datapoints_to_alarm_is_how_many_periods_have_to_breach(machines, needed, state):
    assert hourly(0.5, **needed) == state


@pytest.mark.parametrize(
    ("treated", "state"), [("missing", "INSUFFICIENT_DATA"), ("notBreaching", "OK"), ("ignore", "ALARM")]
)
def test_periods_without_any_data_are_treated_as_the_alarm_says(machines, treated, state):
    from ministack.services import cloudwatch

    hourly()
    cloudwatch._alarms["rate"]["TreatMissingData"] = treated
    assert describe()["StateValue"] == state


@pytest.mark.parametrize(
    ("ages", "minutes", "state"),
    [((), 179, "INSUFFICIENT_DATA"), ((), 181, "ALARM"), ((0.5,), 1, "OK"), ((2.5,), 1, "ALARM")],
)
def test_alarm_does_not_go_off_for_missing_data_while_it_warms_up(
    machines, monkeypatch, ages, minutes, state
):
    from ministack.services import cloudwatch

    warm_up = {"WarmUpPeriodDurationInMinutes": 180}
    assert hourly(*ages, WarmUpConfiguration=warm_up) == ("INSUFFICIENT_DATA" if not ages else state)
    cloudwatch._alarms["rate"]["CreatedAt"] -= minutes * 60
    assert describe()["StateValue"] == state


@pytest.mark.parametrize(("minutes", "state"), [(1, "INSUFFICIENT_DATA"), (181, "ALARM")])
def test_alarm_can_wait_for_the_end_of_its_warm_up_period(machines, minutes, state):
    """Otherwise, data ends it early. AWS does not say whether what FILL fills is data."""
    from ministack.services import cloudwatch

    warm_up = {"WarmUpPeriodDurationInMinutes": 180, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True}
    assert hourly(2.5, WarmUpConfiguration=warm_up) == "INSUFFICIENT_DATA"
    cloudwatch._alarms["rate"]["CreatedAt"] -= minutes * 60
    assert describe()["StateValue"] == state


def test_alarm_on_an_unknown_function_is_refused(machines):
    with pytest.raises(ValueError, match="does not run this part of an expression: METRICS"):
        on_expression("METRICS()")
