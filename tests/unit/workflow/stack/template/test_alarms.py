"""The stack's alarms: what each of them watches, and whom it calls."""

from __future__ import annotations

from typing import Any

import pytest
from troposphere import Template

from workflow.stack.template.alarms import add_alarms

# A new alarm is a line here, before it is in the template.
WATCHED = {
    "EventsUndelivered": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "ExecutionsAborted": ("AWS/States", "ExecutionsAborted"),
    "ExecutionsFailed": ("AWS/States", "ExecutionsFailed"),
    "ExecutionsTimedOut": ("AWS/States", "ExecutionsTimedOut"),
    "ReconcileErrors": ("AWS/Lambda", "Errors"),
}


@pytest.fixture(scope="module")
def alarms() -> dict[str, dict[str, Any]]:
    template = Template()
    add_alarms(template)
    return {name: one["Properties"] for name, one in template.to_dict()["Resources"].items()}


def test_alarms_watch_these_metrics(alarms: dict[str, dict[str, Any]]) -> None:
    assert {name: (one["Namespace"], one["MetricName"]) for name, one in alarms.items()} == WATCHED


def test_every_alarm_notifies_the_topic_that_nobody_filters(alarms: dict[str, dict[str, Any]]) -> None:
    for name, one in alarms.items():
        assert one["AlarmName"] == {"Fn::Sub": f"afterloop-${{Stage}}-{name}"}
        assert one["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert one["TreatMissingData"] == "notBreaching", f"{name}: a quiet stage has no data points"
        assert one["Dimensions"], f"{name}: without a dimension it watches the whole account"
