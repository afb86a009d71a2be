"""Metrics in log lines. Each test fails without the correction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ministack_patches import alarms, logged_metrics


@pytest.fixture(autouse=True)
def _corrected(ministack: None) -> None:
    alarms.correct()
    logged_metrics.correct()


def put(*lines: object) -> None:
    from ministack.services import cloudwatch_logs

    stream: dict[str, Any] = {"events": [], "firstEventTimestamp": None, "lastEventTimestamp": None}
    events = [
        {
            "timestamp": 1,
            "ingestionTime": 1,
            "message": line if isinstance(line, str) else json.dumps(line),
        }
        for line in lines
    ]
    cloudwatch_logs._append_log_events(stream, events)
    assert [event["message"] for event in stream["events"]] == [event["message"] for event in events]


def counted() -> dict[tuple[str, str, str], list[float]]:
    from ministack.services import cloudwatch

    return {key: [point["Value"] for point in points] for key, points in cloudwatch._metrics.items()}


def line(stage: str, **values: Any) -> dict[str, Any]:
    names = [{"Name": name, "Unit": "Count"} for name in values]
    directive = {"Namespace": "Afterloop", "Dimensions": [["stage"]], "Metrics": names}
    return {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "stage": stage, **values}


def test_metrics_of_a_line_have_its_dimensions() -> None:
    put(line("dev", Stored=[2.0, 3]), line("prod", Stored=1, Odd="text"), "plain")
    assert counted() == {
        ("Afterloop", "Stored", "stage=dev"): [2.0, 3.0],
        ("Afterloop", "Stored", "stage=prod"): [1.0],
    }


@pytest.mark.parametrize("odd", [[], {}, {"_aws": 1}, {"_aws": {"CloudWatchMetrics": [1]}}, "{"])
def test_line_in_another_format_is_kept_without_metrics(odd: object) -> None:
    put(odd if isinstance(odd, str) else {"CloudWatchMetrics": 1, **odd} if isinstance(odd, dict) else odd)
    assert counted() == {}
