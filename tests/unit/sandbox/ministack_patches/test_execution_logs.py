"""What state machines log, and metrics that are counted in their lines."""

from __future__ import annotations

import json

import pytest

GROUP = "/aws/vendedlogs/states/one"
STATES = {
    "Route": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.way", "StringEquals": "left", "Next": "Go left"}],
        "Default": "Go right",
    },
    "Go left": {"Type": "Pass", "End": True},
    "Go right": {"Type": "Pass", "End": True},
}


@pytest.fixture
def logged(machines):
    """A state machine that logs all events, the lines of its log group, and how often a filter has counted."""
    from ministack.services import cloudwatch, cloudwatch_logs

    cloudwatch_logs._create_log_group({"logGroupName": GROUP})
    arn = cloudwatch_logs._log_groups[GROUP]["arn"]
    machine = machines.create(STATES)
    machines.call(
        "_update_state_machine",
        stateMachineArn=machine,
        loggingConfiguration={
            "level": "ALL",
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
        },
    )

    def run(way):
        machines.ended(machines.start(machine, {"way": way}))

    def lines():
        streams = cloudwatch_logs._log_groups[GROUP]["streams"]
        return [json.loads(event["message"]) for one in streams.values() for event in one["events"]]

    def counted():
        return {
            key[2]: sum(point["Value"] for point in points)
            for key, points in cloudwatch._metrics.items()
            if key[0] == "Afterloop/one"
        }

    return run, lines, counted


def put_filter(pattern):
    from ministack.services import cloudwatch_logs

    to = {"metricNamespace": "Afterloop/one", "metricName": "Ways", "metricValue": "1"}
    return cloudwatch_logs._put_metric_filter(
        {
            "logGroupName": GROUP,
            "filterName": "ways",
            "filterPattern": pattern,
            "metricTransformations": [{**to, "dimensions": {"step": "$.details.name"}}],
        }
    )[0]


def test_events_of_an_execution_are_logged_without_data(logged):
    run, lines, _ = logged
    run("left")
    assert [(line["type"], line["details"].get("name")) for line in lines()] == [
        ("ChoiceStateEntered", "Route"),
        ("ChoiceStateExited", "Route"),
        ("PassStateEntered", "Go left"),
        ("PassStateExited", "Go left"),
        ("ExecutionSucceeded", None),
    ]


def test_filter_counts_lines_by_the_value_of_a_field(logged):
    run, _, counted = logged
    names = '$.details.name = "Go left" || ($.details.name = "Go right")'
    assert put_filter(f'{{ ($.type = "*StateEntered") && ({names}) }}') == 200
    for way in ("left", "right", "left"):
        run(way)
    assert counted() == {"step=Go left": 2, "step=Go right": 1}


@pytest.mark.parametrize(
    "pattern", ['{ $.a = "b" ', "{ }", '{ $.a = "b" && }', '{ ($.a = "b" }', "{ $.a > 1 }"]
)
def test_invalid_pattern_is_refused(logged, pattern):
    assert put_filter(pattern) == 400
