"""Dashboards of CloudWatch, and the data of metrics that they show."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sandbox.ministack_patches import dashboards, metric_data

GRAPH = {
    "type": "metric",
    "x": 0,
    "y": 0,
    "width": 12,
    "height": 6,
    "properties": {
        "region": "eu-west-1",
        "view": "singleValue",
        "metrics": [
            [{"expression": "100*a/b", "label": "Share"}],
            ["N", "A", "service", "afterloop", {"id": "a", "stat": "Sum", "visible": False}],
            [".", "B", ".", ".", {"id": "b"}],
            ["...", "other"],
        ],
    },
}


@pytest.fixture
def put(ministack):
    """Puts a dashboard with one widget and returns the status."""
    from ministack.services import cloudwatch

    dashboards.correct()

    def call(widget, name="one", **more):
        request = {"DashboardName": name, "DashboardBody": json.dumps({"widgets": [widget], **more})}
        return cloudwatch._put_dashboard({}, request, False, True)[0]

    return call


def test_documented_body_is_accepted(put):
    assert put(GRAPH, start="-P14D", periodOverride="inherit") == 200
    assert put({"type": "text", "x": 0, "y": 0, "properties": {"markdown": "# Hi"}}) == 200
    alarms = {"alarms": ["arn:aws:cloudwatch:eu-west-1:1:alarm:a"], "title": "Alarms"}
    assert put({"type": "alarm", "x": 0, "y": 0, "properties": alarms}) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"type": "chart"},
        {"width": 25},
        {"x": 20},
        {"x": -1},
        {"properties": {**GRAPH["properties"], "heading": "a property that does not exist"}},
        {"properties": {**GRAPH["properties"], "view": "lines"}},
        {"properties": {"metrics": [["N", "A"]]}},
        {"properties": {**GRAPH["properties"], "metrics": [["N", "A", "service"]]}},
        {"properties": {**GRAPH["properties"], "metrics": [[".", "A"]]}},
        {"properties": {**GRAPH["properties"], "metrics": [["N", {"id": "a"}, "A"]]}},
        {"properties": {**GRAPH["properties"], "metrics": [["N", "A", {"expression": "a"}]]}},
        {"properties": {**GRAPH["properties"], "metrics": [["N", "A", {"id": "Upper"}]]}},
    ],
    ids=str,
)
def test_body_that_differs_from_the_structure_is_refused(put, change):
    assert put({**GRAPH, **change}) == 400


def test_name_and_range_are_checked(put):
    assert put(GRAPH, name="a b") == 400
    assert put(GRAPH, start="two weeks") == 400


@pytest.fixture
def data(ministack):
    """GetMetricData, over ten minutes: `A` has 1 and 3 in the second, and `B` 4 in it and in the ninth."""
    from ministack.services import cloudwatch

    metric_data.correct()
    begin = 1_800_000_000.0  # a whole minute
    for name, second, value in (("A", 60, 1), ("A", 70, 3), ("B", 61, 4), ("B", 500, 4)):
        cloudwatch._store_datum("N", name, {"stage": "dev"}, begin + second, "Count", value, None, None, None)

    def get(*queries, period=60, **more):
        times = {"StartTime": begin + 5, "EndTime": begin + 600}
        stats = [
            {
                "Id": name.lower(),
                "MetricStat": {
                    "Metric": {
                        "Namespace": "N",
                        "MetricName": name,
                        "Dimensions": [{"Name": "stage", "Value": "dev"}],
                    },
                    "Period": period,
                    "Stat": "Sum",
                },
                "ReturnData": name in queries,
            }
            for name in ("A", "B")
        ]
        expressions = [
            {"Id": f"e{place}", "Expression": query, "Label": query}
            for place, query in enumerate(query for query in queries if query not in ("A", "B"))
        ]
        request = {"MetricDataQueries": stats + expressions, **times, **more}
        status, _, body = cloudwatch._get_metric_data({}, request, False, True)
        if status != 200:
            return json.loads(body)
        return {
            found["Label"]: [
                (round(datetime.fromtimestamp(moment, UTC).timestamp() - begin), value)
                for moment, value in zip(found["Timestamps"], found["Values"], strict=True)
            ]
            for found in json.loads(body)["MetricDataResults"]
        }

    return get


def test_expression_has_the_periods_in_which_its_metrics_have_data(data):
    assert data("100*a/b", "SUM([a,b])", ScanBy="TimestampAscending") == {
        "100*a/b": [(60, 100.0)],
        "SUM([a,b])": [(60, 8.0), (480, 4.0)],
    }


def test_gaps_of_a_metric_with_data_are_filled(data):
    filled = data("FILL(a,0)", period=120, ScanBy="TimestampAscending")["FILL(a,0)"]
    assert filled == [(0, 4.0), (120, 0.0), (240, 0.0), (360, 0.0), (480, 0.0)]


def test_newest_data_comes_first_and_label_is_the_metric(data):
    assert data("B") == {"B": [(480, 4.0), (60, 4.0)]}


def test_long_period_begins_at_the_start_of_the_range(data):
    assert data("A", "B", period=600) == {"A": [(0, 4.0)], "B": [(0, 8.0)]}


def test_division_by_zero_gives_no_data(data):
    assert data("a/(b-4)") == {"a/(b-4)": []}


@pytest.mark.parametrize("expression", ["a/typo", "a +", "RATE(a)"])
def test_invalid_expression_is_refused(data, expression):
    assert data(expression)["__type"] == "ValidationError"
