"""Metrics in log lines, in the embedded metric format."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["correct"]

_Metric = tuple[str, str, float, str, dict[str, str]]
"""Namespace, name, value, unit, dimensions."""

_NEW_SECONDS = 60
"""Up to which age data has the time at which it is logged."""


def correct() -> None:
    """Corrects what happens to log lines that have metrics.

    AWS: CloudWatch Logs extracts the metrics of a line in the embedded metric format: a JSON object whose
    `_aws.CloudWatchMetrics` names the namespace, sets of dimensions, and metrics. Their values are members of the
    object, each a number or a list of numbers. Each set of dimensions is a metric of its own.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)
    MiniStack: keeps the line only.
    """
    from ministack.services import cloudwatch, cloudwatch_logs

    append = cloudwatch_logs._append_log_events

    def append_and_count(
        stream: dict[str, Any], events: list[dict[str, Any]], *more: Any, **named: Any
    ) -> Any:
        result = append(stream, events, *more, **named)
        for event in events:
            line = str(event.get("message", ""))
            for metric in _metrics(line):
                cloudwatch.record_metric(*metric, **_time(line))
        return result

    cloudwatch_logs._append_log_events = append_and_count


def _time(line: str) -> dict[str, float]:
    """Returns the time of a line's metrics, as an argument, if they are not new."""
    milliseconds = json.loads(line)["_aws"].get("Timestamp")
    if not isinstance(milliseconds, int) or milliseconds / 1000 > time.time() - _NEW_SECONDS:
        return {}
    return {"at": milliseconds / 1000}


def _metrics(line: str) -> list[_Metric]:
    """Returns the metrics of a line; none if it is not in the format."""
    if '"CloudWatchMetrics"' not in line:
        return []
    try:
        document = json.loads(line)
        return [
            metric
            for directive in document["_aws"]["CloudWatchMetrics"]
            for metric in _of_directive(directive, document)
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _of_directive(directive: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[_Metric]:
    for names in directive["Dimensions"]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            found = document.get(metric["Name"])
            for value in found if isinstance(found, list) else [found]:
                if isinstance(value, int | float):
                    yield (
                        directive["Namespace"],
                        metric["Name"],
                        float(value),
                        metric.get("Unit", "None"),
                        dimensions,
                    )
