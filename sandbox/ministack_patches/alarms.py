"""Alarms of CloudWatch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
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

    Here, an alarm is evaluated when its metric gets data, and when alarms are described.
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

    # `at`: the time of the data, if it is not new.
    def record_and_evaluate(
        namespace: str,
        name: str,
        value: float,
        unit: str = "None",
        dimensions: dict[str, str] | None = None,
        at: float | None = None,
    ) -> None:
        key = _key(namespace, name, dimensions or {})
        alarms = [alarm for alarm in cloudwatch._alarms.values() if key in _keys_of(alarm)]
        for alarm in alarms:
            evaluate(alarm)  # an alarm whose data is old now goes off again
        record(namespace, name, value, unit, dimensions)
        if at is not None:
            points = cloudwatch._metrics[key]
            points[-1]["Timestamp"] = at
            points.sort(key=lambda point: point["Timestamp"])
        for alarm in alarms:
            evaluate(alarm)

    def evaluate_and_describe(*request: Any, **more: Any) -> Any:
        cloudwatch._evaluate_all_alarms()
        return describe(*request, **more)

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch.record_metric = record_and_evaluate
    cloudwatch._describe_alarms = evaluate_and_describe


def _create_alarms_on_expressions() -> None:
    """Creates alarms on an expression over metrics, and with a warm-up period. Another name replaces an alarm.

    AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-alarm.html
    MiniStack: refuses `Metrics`, and says of each change that it may replace the alarm.
    """
    from ministack.services import cloudwatch
    from ministack.services.cloudformation import provisioners

    record = provisioners._cw_metric_alarm_record

    def record_with_all(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        created = cloudwatch._alarms.get(name, {}).get("CreatedAt", time.time())
        more = {"CreatedAt": created, "WarmUpConfiguration": properties.get("WarmUpConfiguration")}
        if not (queries := properties.get("Metrics")):
            return {**record(name, properties), **more}
        rest = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**rest, "MetricName": "-", "Namespace": "-"})
        return {**alarm, "MetricName": None, "Namespace": None, "Metrics": queries, **more}

    provisioners._cw_metric_alarm_record = record_with_all
    provisioners._REPLACING_PROPERTIES["AWS::CloudWatch::Alarm"] = ("AlarmName",)


def _state(alarm: dict[str, Any], before: str) -> tuple[str, str]:
    """Returns the state that an alarm should have, and why."""
    periods = int(alarm.get("EvaluationPeriods") or 1)
    found = [value for value in _values(alarm, periods) if value is not None][:periods]
    missing = periods - len(found)
    treated = alarm.get("TreatMissingData") or "missing"
    if _warms_up(alarm, missing):
        return "INSUFFICIENT_DATA", "The alarm is in its warm-up period"
    if not found:
        return _STATES_WITHOUT_DATA.get(treated, before), f"No data: treated as {treated}"
    operator, threshold = alarm.get("ComparisonOperator", ""), alarm.get("Threshold", 0)
    breaching = [value for value in found if _breaches(value, operator, threshold)]
    reason = f"Threshold Crossed: {found} {operator} {threshold}"
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    if len(breaching) + (missing if treated == "breaching" else 0) >= needed:
        return "ALARM", reason
    if missing and treated == "missing" and len(breaching) == len(found):
        return "ALARM", reason
    return before if missing and treated == "ignore" else "OK", reason


def _breaches(value: float, operator: str, threshold: float) -> bool:
    above, below = "Greater" in operator and value > threshold, "Less" in operator and value < threshold
    return above or below or ("OrEqualTo" in operator and value == threshold)


def _warms_up(alarm: dict[str, Any], missing: int) -> bool:
    """Whether an alarm was created so recently that it is not evaluated.

    AWS: WarmUpConfiguration. During the warm-up period, the alarm stays in INSUFFICIENT_DATA and performs no actions.
    The period ends early when enough data fills the evaluation window, unless OnlyStartEvaluatingAfterWarmUpPeriodEnds.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-warm-up.html)
    MiniStack: has no warm-up period.
    """
    warm_up = alarm.get("WarmUpConfiguration") or {}
    ends: float = alarm.get("CreatedAt", 0) + int(warm_up.get("WarmUpPeriodDurationInMinutes", 0)) * 60
    waits = str(warm_up.get("OnlyStartEvaluatingAfterWarmUpPeriodEnds")).lower() == "true"
    return time.time() < ends and (waits or missing > 0)


def _values(alarm: dict[str, Any], periods: int) -> list[float | None]:
    """Returns the values of an alarm's periods, the newest first; None without data.

    AWS: CloudWatch retrieves more data points than EvaluationPeriods, and treats data as missing only if fewer of these
    exist. How many more is documented by an example only: two for three periods.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html)
    Here, two more for several periods, and none for a single one.
    """
    now, windows = time.time(), range(periods + (2 if periods > 1 else 0))
    queries = alarm.get("Metrics")
    if not queries:
        name, period = (
            alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average"),
            alarm.get("Period", 60),
        )
        key = _key_of(alarm)
        return [_value(key, name, now - window * period, period) for window in windows]

    def value(statistic: Mapping[str, Any], window: int) -> float | None:
        period = float(statistic["Period"])
        return _value(_key_of(statistic["Metric"]), statistic["Stat"], now - window * period, period)

    def has_data(statistic: Mapping[str, Any]) -> bool:
        return any(value(statistic, window) is not None for window in windows)

    def in_window(window: int) -> Callable[[Mapping[str, Any]], float | None]:
        return lambda statistic: value(statistic, window)

    return [metric_math.result(queries, in_window(window), has_data) for window in windows]


def _value(key: tuple[str, str, str], statistic: str, end: float, seconds: float) -> float | None:
    """Returns the statistic of a metric in the seconds before a time, or None if it has no data."""
    from ministack.services import cloudwatch

    points = []
    for point in reversed(cloudwatch._metrics.get(key) or []):
        if point["Timestamp"] < end - seconds:
            break
        if point["Timestamp"] <= end:
            points.append(point)
    return cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points) if points else None


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
