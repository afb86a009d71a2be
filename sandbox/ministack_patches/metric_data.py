"""Data of metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.ministack_patches import metric_math

__all__ = ["correct"]


def correct() -> None:
    """Corrects GetMetricData."""
    _calculate_expressions()


def _calculate_expressions() -> None:
    """Answers GetMetricData with expressions, the newest data first.

    AWS: a query is a metric or an expression over the others. Only those with ReturnData are in the answer, with the
    name of the metric as the label unless the query has one. The newest data comes first unless ScanBy says otherwise.
    The start is rounded down to a minute, and periods begin there. A metric is the one that has exactly the dimensions.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html)
    MiniStack: calculates no expressions, puts the oldest data first, begins periods at multiples of their length, and
    takes a query without dimensions to be about all metrics of that name.
    """
    from ministack.services import cloudwatch

    by_form = cloudwatch._get_metric_data

    def get(params: dict[str, Any], request: dict[str, Any], is_cbor: bool, is_json: bool = False) -> Any:
        if not (is_cbor or is_json):
            return by_form(params, request, is_cbor, is_json)
        start, end = cloudwatch._parse_ts(request["StartTime"]), cloudwatch._parse_ts(request["EndTime"])
        queries = request["MetricDataQueries"]
        try:
            data = metric_math.series(
                queries,
                lambda statistic: _points(statistic, start, end),
                lambda statistic: _periods(statistic, start, end),
            )
        except (ValueError, SyntaxError) as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        newest_first = request.get("ScanBy") != "TimestampAscending"
        results = [
            _result(query, data[query["Id"]], newest_first)
            for query in queries
            if query.get("ReturnData", True)
        ]
        if is_cbor:
            cbor = [cloudwatch._cbor_metric_data_result(result) for result in results]
            return cloudwatch._cbor_ok({"MetricDataResults": cbor})
        return cloudwatch._json_ok({"MetricDataResults": results})

    cloudwatch._get_metric_data = get


def _begin(start: float, period: int) -> float:
    return start - start % min(period, 60)


def _periods(statistic: Mapping[str, Any], start: float, end: float) -> Iterator[float]:
    """Yields the begin of each period."""
    period = int(statistic["Period"])
    begin = _begin(start, period)
    while begin < end:
        yield begin
        begin += period


def _points(statistic: Mapping[str, Any], start: float, end: float) -> dict[float, float]:
    """Returns the data of a metric: the begin of each period with data → the value."""
    from ministack.services import cloudwatch

    metric, period = statistic["Metric"], int(statistic["Period"])
    start = _begin(start, period)
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    periods = defaultdict(list)
    for point in cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []:
        if start <= point["Timestamp"] < end:
            periods[start + (point["Timestamp"] - start) // period * period].append(point)
    values = {
        begin: cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic["Stat"], points)
        for begin, points in periods.items()
    }
    return {begin: value for begin, value in values.items() if value is not None}


def _result(query: Mapping[str, Any], data: Mapping[float, float], newest_first: bool) -> dict[str, Any]:
    from ministack.services import cloudwatch

    moments = sorted(data, reverse=newest_first)
    name = query.get("MetricStat", {}).get("Metric", {}).get("MetricName", query["Id"])
    return {
        "Id": query["Id"],
        "Label": query.get("Label", name),
        "Timestamps": [cloudwatch._ts_iso(moment) for moment in moments],
        "Values": [data[moment] for moment in moments],
        "StatusCode": "Complete",
    }
