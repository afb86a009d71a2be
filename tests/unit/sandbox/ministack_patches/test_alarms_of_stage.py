"""The alarms of a stage on the engine's CloudWatch: which data sets each of them off.

Tests on the engine produce the faults. Here are, beside the data of each alarm, those that take hours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.test_alarms import FAULTS
from tests.unit.workflow.stack.template.test_alarms import WATCHED, metrics_of, template_with_alarms

HOUR = 3600

_ENGINE = "tests/engine/test_alarms.py"
_RECONCILING = "tests/unit/lambdas/loops/test_reconciling.py"
_HERE = "tests/unit/sandbox/ministack_patches/test_alarms_of_stage.py"

PROVEN = {
    **{name: f"{_ENGINE}::test_fault_sets_off_its_alarm[{name}]" for name in FAULTS},
    "ClaimsOverdue": f"{_RECONCILING}::test_claim_of_a_running_execution_is_overdue_after_the_longest_wait",
    "EventsLeft": f"{_HERE}::test_event_that_nobody_processes_sets_off_an_alarm_after_four_hours",
    "EventsUndelivered": f"{_ENGINE}::test_event_that_a_rule_cannot_deliver_sets_off_both_alarms",
    "InvocationsFailed": f"{_ENGINE}::test_event_that_a_rule_cannot_deliver_sets_off_both_alarms",
    "LoopsOverdue": f"{_RECONCILING}::test_loop_that_is_open_for_too_long_is_overdue",
    "ReconcilerSilent": f"{_HERE}::test_reconciler_that_is_silent_for_two_hours_sets_off_an_alarm",
    "StartsFailing": f"{_HERE}::test_starts_that_all_fail_set_off_an_alarm",
    "StatusChangesMissed": "tests/engine/test_workflow.py::test_lost_status_change_is_reconciled",
}
"""Alarm → the test that produces its fault, or that measures it."""


def resolved(value: Any) -> Any:
    """A property as CloudFormation resolves it: a resource by its name, an attribute as `NAME.ATTRIBUTE`."""
    match value:
        case {"Ref": name}:
            return "dev" if name == "Stage" else name
        case {"Fn::GetAtt": parts}:
            return ".".join(parts)
        case {"Fn::Sub": text}:
            return text.replace("${Stage}", "dev")
        case dict():
            return {key: resolved(one) for key, one in value.items()}
        case list():
            return [resolved(one) for one in value]
    return value


@pytest.fixture
def alarms(machines):
    """The alarms by their names in the template, as a stack creates them, and what they send."""
    from ministack.services import cloudwatch, sns
    from ministack.services.cloudformation import provisioners

    resources = template_with_alarms().to_dict()["Resources"]
    for name, one in resources.items():
        provisioners._cw_metric_alarm_create(name, resolved(one["Properties"]), "stack")
    cloudwatch._is_sns_action_arn = lambda arn: True
    sent = []
    sns._fanout = lambda topic, number, message, *more: sent.append((topic, json.loads(message)))
    return {name: cloudwatch._alarms[f"afterloop-dev-{name}"] for name in resources}, sent


def record(metric: dict[str, Any], value: float, hours_ago: float = 0) -> None:
    from ministack.services import cloudwatch

    dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
    at = {"at": cloudwatch.time.time() - hours_ago * HOUR} if hours_ago else {}
    cloudwatch.record_metric(metric["Namespace"], metric["MetricName"], value, "None", dimensions, **at)


def states() -> dict[str, str]:
    from ministack.services import cloudwatch

    described = json.loads(cloudwatch._describe_alarms({}, {}, False, True)[2])["MetricAlarms"]
    return {one["AlarmName"].removeprefix("afterloop-dev-"): one["StateValue"] for one in described}


def on() -> set[str]:
    return {name for name, state in states().items() if state == "ALARM"}


def test_every_alarm_has_a_proof_that_it_goes_off() -> None:
    assert set(PROVEN) == set(WATCHED)


def test_no_alarm_goes_off_for_a_stage_that_was_just_published(alarms):
    from ministack.services import cloudwatch

    assert on() == set()
    for hours in (1, 2):
        for alarm in cloudwatch._alarms.values():
            alarm["CreatedAt"] -= HOUR
        assert on() == set(), f"{hours} hours"


def test_each_metric_of_an_alarm_sets_it_off_alone_and_calls_with_the_command(alarms):
    from ministack.services import cloudwatch

    found, sent = alarms
    for name in set(found) - {"ReconcilerSilent", "StartsFailing"}:
        for metric in metrics_of(found[name]):
            threshold = found[name]["Threshold"]
            record(
                {**metric, "Dimensions": [{**one, "Value": "another"} for one in metric["Dimensions"]]},
                threshold,
            )
            record(metric, threshold - 1)
            assert on() == set(), name
            record(metric, threshold)
            assert on() == {name}
            ((topic, message),) = sent
            assert (topic, message["AlarmDescription"]) == ("AlarmTopic", found[name]["AlarmDescription"])
            sent.clear()
            cloudwatch._metrics.clear()
            found[name]["StateValue"] = "OK"


@pytest.mark.parametrize(
    ("errors", "calls", "state"), [(3, 3, "ALARM"), (3, 4, "OK"), (2, 2, "OK"), (0, 9, "OK"), (0, 0, "OK")]
)
def test_starts_that_all_fail_set_off_an_alarm(alarms, errors, calls, state):
    failed, all_calls = metrics_of(alarms[0]["StartsFailing"])
    for _ in range(calls):
        record(all_calls, 1)
    record(failed, errors)
    assert states()["StartsFailing"] == state


@pytest.mark.parametrize(
    ("hours_ago", "state"),
    [([0.5, 1.5], "OK"), ([1.9], "OK"), ([2.1], "ALARM"), ([3.1, 2.1], "ALARM")],
)
def test_reconciler_that_is_silent_for_two_hours_sets_off_an_alarm(alarms, hours_ago, state):
    found, sent = alarms
    (completed,) = metrics_of(found["ReconcilerSilent"])
    for hours in hours_ago:
        record(completed, 1, hours)
    assert states()["ReconcilerSilent"] == "INSUFFICIENT_DATA", (
        "a stage that was just published is not silent"
    )
    sent.clear()
    found["ReconcilerSilent"].update(
        StateValue="OK", CreatedAt=found["ReconcilerSilent"]["CreatedAt"] - 3 * HOUR
    )
    assert states()["ReconcilerSilent"] == state
    assert len(sent) == (1 if state == "ALARM" else 0)


def test_reconciler_that_never_completes_sets_off_an_alarm_after_three_hours(alarms):
    alarms[0]["ReconcilerSilent"]["CreatedAt"] -= 3 * HOUR
    assert on() == {"ReconcilerSilent"}


def test_alarm_that_is_measured_hourly_stays_on_until_it_is_measured_again(alarms):
    from ministack.services import cloudwatch

    (overdue,) = metrics_of(alarms[0]["LoopsOverdue"])
    record(overdue, 1, 0.5)
    assert on() == {"LoopsOverdue"}
    for points in cloudwatch._metrics.values():
        for point in points:
            point["Timestamp"] -= HOUR
    assert on() == {"LoopsOverdue"}
    record(overdue, 0)
    assert on() == set()


def test_event_that_nobody_processes_sets_off_an_alarm_after_four_hours(alarms):
    from ministack.services import cloudwatch, sqs

    sqs._act_create_queue({"QueueName": "UndeliveredEvents.QueueName"}, "")
    url = sqs._queue_url("UndeliveredEvents.QueueName")
    sqs._act_send_message({"MessageBody": "{}"}, url)
    assert on() == {"EventsUndelivered"}
    sqs._queues[url]["messages"][0]["sent_at"] -= 4 * HOUR
    assert on() == {"EventsUndelivered", "EventsLeft"}
    sqs._queues[url]["messages"].clear()
    cloudwatch._metrics.clear()
    assert on() == set()
