"""What a dashboard of CloudWatch shows: the data of its widgets, as the console of AWS reads them.

A row of `metrics` becomes a query of GetMetricData. The format of rows:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Graph", "Series", "read_body", "read_graph"]


@dataclass(frozen=True)
class Series:
    """The data of one row.

    Attributes:
        label: What the legend says. Empty for a row that only expressions use.
        points: The begin of each period that has data, and the value, oldest first.
        visible: Whether the row is shown.
        name: The name of the metric, or the expression.
    """

    label: str
    points: tuple[tuple[datetime, float], ...]
    visible: bool
    name: str


@dataclass(frozen=True)
class Graph:
    """A metric widget with its data."""

    properties: Mapping[str, Any]
    series: tuple[Series, ...]

    @property
    def shown(self) -> list[Series]:
        """The series that are shown."""
        return [one for one in self.series if one.visible]


def read_body(cloudwatch: Any, name: str) -> dict[str, Any]:
    """Returns the body of a dashboard."""
    body: dict[str, Any] = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    return body


def read_graph(
    cloudwatch: Any, properties: Mapping[str, Any], start: datetime, end: datetime, *, speed: float = 1
) -> Graph:
    """Reads the data of a metric widget.

    Args:
        cloudwatch: The client.
        properties: The properties of the widget.
        start: The start of the time range.
        end: The end of the time range.
        speed: How many times faster time has passed: a period of the widget is this much shorter.
    """
    rows = _expanded(properties["metrics"])
    start = start.replace(second=0 if speed == 1 else start.second)  # as CloudWatch rounds it
    whole = math.ceil((end - start).total_seconds() / 60) * 60
    queries = []
    for number, (texts, rendering) in enumerate(rows):
        period = rendering.get("period", properties["period"]) / speed
        queries.append(
            {
                "Id": rendering.get("id", f"row{number}"),
                **(
                    {"Expression": rendering["expression"]}
                    if "expression" in rendering
                    else {
                        "MetricStat": {
                            "Metric": _metric(texts),
                            "Period": whole
                            if properties.get("setPeriodToTimeRange")
                            else max(1, round(period)),
                            "Stat": rendering.get("stat", properties["stat"]),
                        }
                    }
                ),
            }
        )
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )
    data = {one["Id"]: one for one in answer["MetricDataResults"]}
    found = []
    for query, (texts, rendering) in zip(queries, rows, strict=True):
        points = tuple(zip(data[query["Id"]]["Timestamps"], data[query["Id"]]["Values"], strict=True))
        name = rendering["expression"] if "expression" in rendering else " ".join(texts[1:])
        found.append(Series(rendering.get("label", ""), points, rendering.get("visible", True), name))
    return Graph(properties, tuple(found))


def _metric(texts: Sequence[str]) -> dict[str, Any]:
    namespace, name, *pairs = texts
    dimensions = [{"Name": key, "Value": value} for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}


def _expanded(rows: Sequence[Sequence[Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    """Returns the texts and the object of each row. A text `.` is that of the row above."""
    above: list[str] = []
    expanded = []
    for row in rows:
        rendering = row[-1] if isinstance(row[-1], dict) else {}
        short = [text for text in row if isinstance(text, str)]
        texts = [above[place] if text == "." else text for place, text in enumerate(short)]
        expanded.append((texts, rendering))
        above = texts
    return expanded
