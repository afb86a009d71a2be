"""The stack's alarms: what each of them watches, and whom it calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from troposphere import Template

from workflow.stack.functions import Function
from workflow.stack.template.alarms import add_alarms

# A new alarm is a line here, before it is in the template, and a fault in tests/engine/test_alarms.py.
WATCHED = {
    "ClaimsOverdue": {"Afterloop ClaimsOverdue"},
    "EventsLeft": {"AWS/SQS ApproximateAgeOfOldestMessage"},
    "EventsUndelivered": {"AWS/SQS ApproximateNumberOfMessagesVisible"},
    "ExecutionsAborted": {"AWS/States ExecutionsAborted"},
    "ExecutionsFailed": {"AWS/States ExecutionsFailed"},
    "ExecutionsTimedOut": {"AWS/States ExecutionsTimedOut"},
    "FunctionErrors": {"AWS/Lambda Errors"},
    "FunctionsThrottled": {"AWS/Lambda Throttles"},
    "InvocationsFailed": {
        "AWS/Events FailedInvocations",
        "AWS/Events InvocationsFailedToBeSentToDlq",
        "AWS/Lambda DeadLetterErrors",
    },
    "LoopsOverdue": {"Afterloop LoopsOverdue"},
    "NotificationsFailed": {"AWS/SNS NumberOfNotificationsFailed"},
    "ReconcilerSilent": {"Afterloop ReconciliationsCompleted"},
    "StartsFailing": {"AWS/Lambda Errors", "AWS/Lambda Invocations"},
    "StatusChangesMissed": {"Afterloop StatusChangesMissed"},
}


def template_with_alarms(functions: int = 7) -> Template:
    template = Template()
    names = [
        "Reconcile",
        "ReleaseClaim",
        "StartLoop",
        *(f"Function{number}" for number in range(functions - 3)),
    ]
    add_alarms(template, [Function(name, f"lambdas.{name}.handler") for name in names])
    return template


@pytest.fixture(scope="module")
def alarms() -> dict[str, dict[str, Any]]:
    resources = template_with_alarms().to_dict()["Resources"]
    return {name: one["Properties"] for name, one in resources.items()}


def metrics_of(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
    yield from queries or [alarm]


def test_alarms_watch_these_metrics(alarms: dict[str, dict[str, Any]]) -> None:
    assert {
        name: {f"{one['Namespace']} {one['MetricName']}" for one in metrics_of(alarm)}
        for name, alarm in alarms.items()
    } == WATCHED


def test_every_alarm_notifies_the_topic_of_alarms(alarms: dict[str, dict[str, Any]]) -> None:
    for name, one in alarms.items():
        assert one["AlarmName"] == {"Fn::Sub": f"afterloop-${{Stage}}-{name}"}
        assert one["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert one["ActionsEnabled"] is True, "drift detection compares only what the template says"
        for metric in metrics_of(one):
            assert metric["Dimensions"], f"{name}: without a dimension it watches the whole account"


def test_only_the_silence_of_the_reconciler_is_an_alarm_for_a_quiet_stage(
    alarms: dict[str, dict[str, Any]],
) -> None:
    assert [name for name, one in alarms.items() if one["TreatMissingData"] == "breaching"] == [
        "ReconcilerSilent"
    ]
    silent = alarms["ReconcilerSilent"]
    hours = silent["EvaluationPeriods"] * silent["Metrics"][0]["MetricStat"]["Period"] / 3600
    assert (hours, silent["WarmUpConfiguration"]["WarmUpPeriodDurationInMinutes"] / 60) == (2, 3)
    assert silent["WarmUpConfiguration"]["OnlyStartEvaluatingAfterWarmUpPeriodEnds"] is True


@pytest.mark.parametrize(("functions", "expected"), [(10, [10]), (23, [10, 10, 3])])
def test_throttles_of_all_functions_are_watched_ten_in_an_alarm(functions: int, expected: list[int]) -> None:
    resources = template_with_alarms(functions).to_dict()["Resources"]
    found = [one for name, one in resources.items() if name.startswith("FunctionsThrottled")]
    assert [len(list(metrics_of(one["Properties"]))) for one in found] == expected


def test_no_alarm_watches_more_metrics_than_cloudwatch_allows(alarms: dict[str, dict[str, Any]]) -> None:
    assert max(len(list(metrics_of(one))) for one in alarms.values()) <= 10
