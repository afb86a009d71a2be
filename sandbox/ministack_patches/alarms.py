"""Alarms of CloudWatch."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from sandbox.ministack_patches import metric_math

__all__ = ["correct"]

_STATES_WITHOUT_DATA = {"notBreaching": "OK", "breaching": "ALARM", "missing": "INSUFFICIENT_DATA"}
"""TreatMissingData → the state of an alarm whose periods have no data. `ignore` keeps the state."""


def correct() -> None:
    """Corrects alarms."""
    _evaluate_own_metric()
    _create_alarms_on_expressions()


def _evaluate_own_metric() -> None:
    """Evaluates an alarm over the metric that it names, whenever that metric changes.

    AWS: a metric is a namespace, a name and a set of dimensions. An alarm is evaluated in each of its periods, and
    TreatMissingData says what periods without data mean.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html)
    MiniStack: ignores the dimensions, so that an alarm goes off for another function or state machine. It evaluates
    alarms after PutMetricData only, so that no alarm on a metric of an AWS service goes off. Periods without data keep
    the state.

    Here, an alarm is evaluated when its metric gets data, and when alarms are described. An alarm on an expression is
    evaluated over the data of its last period.
    """
    from ministack.services import cloudwatch

    record, describe = cloudwatch.record_metric, cloudwatch._describe_alarms
    lock = threading.Lock()

    def evaluate(alarm: dict[str, Any]) -> None:
        if not (alarm.get("Metrics") or (alarm.get("Namespace") and alarm.get("MetricName"))):
            return  # an alarm that was not created by a stack, on an expression: MiniStack does not keep it
        with lock:
            before = alarm["StateValue"]
            state, reason = _state(alarm, before)
            if state == before:
                return
            alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
            cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)

    def record_and_evaluate(
        namespace: str, name: str, value: float, unit: str = "None", dimensions: dict[str, str] | None = None
    ) -> None:
        key = _key(namespace, name, dimensions or {})
        alarms = [alarm for alarm in cloudwatch._alarms.values() if key in _keys_of(alarm)]
        for alarm in alarms:
            evaluate(alarm)  # an alarm whose data is old now goes off again
        record(namespace, name, value, unit, dimensions)
        for alarm in alarms:
            evaluate(alarm)

    def evaluate_and_describe(*request: Any, **more: Any) -> Any:
        cloudwatch._evaluate_all_alarms()
        return describe(*request, **more)

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch.record_metric = record_and_evaluate
    cloudwatch._describe_alarms = evaluate_and_describe


def _create_alarms_on_expressions() -> None:
    """Creates alarms on an expression over metrics, and says that a change of an alarm's name replaces it.

    AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-alarm.html
    MiniStack: refuses `Metrics`, and says of each change that it may replace the alarm.
    """
    from ministack.services.cloudformation import provisioners

    record = provisioners._cw_metric_alarm_record

    def record_with_metrics(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        if not (queries := properties.get("Metrics")):
            return dict(record(name, properties))
        rest = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**rest, "MetricName": "-", "Namespace": "-"})
        return {**alarm, "MetricName": None, "Namespace": None, "Metrics": queries}

    provisioners._cw_metric_alarm_record = record_with_metrics
    provisioners._REPLACING_PROPERTIES["AWS::CloudWatch::Alarm"] = ("AlarmName",)


def _state(alarm: dict[str, Any], before: str) -> tuple[str, str]:
    """Returns the state that an alarm should have, and why."""
    if queries := alarm.get("Metrics"):
        name, value = "Expression", metric_math.result(queries, _value_of_query)
    else:
        name = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        seconds = alarm.get("Period", 60) * alarm.get("EvaluationPeriods", 1)
        value = _value(_key_of(alarm), name, seconds)
    if value is None:
        treated = alarm.get("TreatMissingData") or "missing"
        return _STATES_WITHOUT_DATA.get(treated, before), f"No data: treated as {treated}"
    operator, threshold = alarm.get("ComparisonOperator", ""), alarm.get("Threshold", 0)
    above, below = "Greater" in operator and value > threshold, "Less" in operator and value < threshold
    breaching = above or below or ("OrEqualTo" in operator and value == threshold)
    reason = f"Threshold Crossed: {name} {value} {operator} {threshold}"
    return "ALARM" if breaching else "OK", reason


def _value(key: tuple[str, str, str], statistic: str, seconds: float) -> float | None:
    """Returns the statistic of a metric in the last seconds, or None if it has no data."""
    from ministack.services import cloudwatch

    since = time.time() - seconds
    points = []
    for point in reversed(cloudwatch._metrics.get(key) or []):
        if point["Timestamp"] < since:
            break
        points.append(point)
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None


def _value_of_query(statistic: Mapping[str, Any]) -> float | None:
    return _value(_key_of(statistic["Metric"]), statistic["Stat"], float(statistic["Period"]))


def _keys_of(alarm: dict[str, Any]) -> list[tuple[str, str, str]]:
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics") or () if "MetricStat" in query]
    return [_key_of(metric) for metric in metrics or [alarm]]


def _key_of(alarm: Mapping[str, Any]) -> tuple[str, str, str]:
    from ministack.services import cloudwatch

    dimensions = cloudwatch._dims_from_list(alarm.get("Dimensions") or [])
    return _key(alarm.get("Namespace", ""), alarm.get("MetricName", ""), dimensions)


def _key(namespace: str, name: str, dimensions: dict[str, str]) -> tuple[str, str, str]:
    from ministack.services import cloudwatch

    return (namespace, name, cloudwatch._dims_key(dimensions))
