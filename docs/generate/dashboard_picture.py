"""Takes the picture of the dashboard: `make pictures`. It shows loops that ran on the engine, in time-lapse.

A day takes ten seconds. The loops are about invented documents of one flow definition; some fail, are stopped, or lose
their event. Whatever a graph shows was read from the deployed dashboard and from GetMetricData.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from docs.generate.dashboard_data import Graph, read_body, read_graph
from docs.generate.dashboard_page import Day, dashboard_page
from lambdas.reviews.times import timestamp
from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.invented_reviews import generate
from sandbox.local import local_stage, publish_local

__all__ = ["take_picture"]

_DAYS, _SECONDS = 14, 10
_SPEED = 24 * 3600 / _SECONDS
_FLOW = "ticket-routing"
_WIDTH = 900
_FIRST = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
_OPEN_FOR_DAYS = (0, 0, 0, 0, 0, 0, 1, 1, 2)


def take_picture(browser: Browser, html: Path, picture: Path) -> None:
    """Runs two weeks of loops, and takes the picture of the dashboard.

    Args:
        browser: A browser.
        html: The page to write.
        picture: The picture to take of it, PNG.
    """
    html.write_text(_page())
    page = browser.new_page(viewport={"width": _WIDTH, "height": 800}, color_scheme="light")
    page.goto(html.as_uri())
    page.screenshot(path=picture, full_page=True)
    page.close()


def _page() -> str:
    with Sandbox.start(log_level="WARNING") as sandbox:
        outputs = publish_local(sandbox)
        week = _TimeLapse(sandbox, outputs)
        start, end = week.run()
        cloudwatch = sandbox.client("cloudwatch")
        body = read_body(cloudwatch, f"afterloop-{local_stage().name}")
        graphs = {
            widget["properties"]["title"]: read_graph(
                cloudwatch, widget["properties"], start, end, speed=_SPEED
            )
            for widget in body["widgets"]
            if widget["type"] == "metric"
        }
        states = {
            one["AlarmArn"]: (one["AlarmName"], one["StateValue"])
            for one in cloudwatch.describe_alarms()["MetricAlarms"]
        }
    ages = {title: _in_days(graph) if "open" in title else graph for title, graph in graphs.items()}
    return dashboard_page(body, ages, states, Day(start, _SECONDS, _FIRST, _DAYS))


def _in_days(graph: Graph) -> Graph:
    """Ages grow with the time of the time-lapse. All other times are those that it really took."""
    slow = [
        replace(one, points=tuple((moment, value * _SPEED) for moment, value in one.points))
        for one in graph.series
    ]
    return replace(graph, series=tuple(slow))


class _TimeLapse:
    """Two weeks of loops."""

    def __init__(self, sandbox: Sandbox, outputs: Mapping[str, str]) -> None:
        self._sandbox, self._outputs = sandbox, outputs
        self._chance = random.Random(3)  # noqa: S311
        self._documents = self._tickets()
        self._answers: dict[str, tuple[int, dict[str, Any], float]] = {}
        """Loop → the day on which it is answered, the answer, and the seconds that it takes."""
        bucket = local_stage().output_buckets[0]
        self._flow = sandbox.flow_definitions.create(_FLOW, bucket, task_count=1)

    def run(self) -> tuple[datetime, datetime]:
        """Runs all days. Returns their begin and end."""
        self._day(-1, 3)  # begins the functions
        begin = (time.time() // 60 + 1) * 60  # CloudWatch rounds the start of a range to minutes
        for day in range(_DAYS):
            _wait_until(begin + day * _SECONDS)
            self._day(day, 3 if day % 7 >= 5 else self._chance.randint(6, 11))
        _wait_until(begin + _DAYS * _SECONDS)
        times = begin, begin + _DAYS * _SECONDS
        return datetime.fromtimestamp(times[0], UTC), datetime.fromtimestamp(times[1], UTC)

    def _day(self, day: int, count: int) -> None:
        names = [f"ticket-{day + 1:02}-{number:02}" for number in range(count)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._start, names, [next(self._documents) for _ in names], [day] * count))
        for name in self._open():
            self._end(name, day)
        for name in self._open():
            self._let_a_day_pass(name)
        self._sandbox.client("lambda").invoke(FunctionName=self._outputs["Reconcile"], InvocationType="Event")

    def _start(self, name: str, document: Mapping[str, Any], day: int) -> None:
        predicted = {
            field["name"]: {"label": json.loads(field["predicted"]), "confidence": field["confidence"]}
            for field in document["fields"]
            if field["predicted"]
        }
        request = {
            "humanLoopName": name,
            "flowDefinitionArn": self._flow,
            "task": {"type": "custom", "inputContent": {"taskObject": name, "prediction": predicted}},
        }
        answered = {
            field["name"]: {"label": json.loads(field["per_worker"][0]["value"])}
            for field in document["fields"]
            if field["per_worker"][0]["value"]
        }
        later = day + self._chance.choice(_OPEN_FOR_DAYS)
        self._answers[name] = (later, answered, document["answers"][0]["seconds_spent"])
        self._sandbox.client("lambda").invoke(
            FunctionName=self._outputs["StartLoop"], Payload=json.dumps(request)
        )

    def _end(self, name: str, day: int) -> None:
        first = name.partition("-attempt-")[0]
        due, answer, seconds = self._answers[first]
        if due > day:
            return
        luck = self._chance.random() if first == name else 1.0
        loops = self._sandbox.loops
        with suppress(SandboxError):  # it has ended meanwhile
            if luck < 0.07:
                loops.fail(name, "InternalError", "a fault of the service")
            elif luck < 0.1:
                loops.fail(name, "ValidationError", "the task could not be shown")
            elif luck < 0.14:
                self._sandbox.client("sagemaker-a2i-runtime").stop_human_loop(HumanLoopName=name)
            else:
                if luck < 0.17:
                    self._sandbox.events.lose()
                loops.answer(name, answer, seconds_spent=seconds)

    def _let_a_day_pass(self, name: str) -> None:
        """The reconciler leaves loops alone that were started a moment ago."""
        yesterday = timestamp(datetime.now(UTC) - timedelta(days=1))
        self._sandbox.client("dynamodb").update_item(
            TableName=self._outputs["LedgerTable"],
            Key={"humanLoopName": {"S": name}},
            UpdateExpression="SET updatedAt = :yesterday",
            ExpressionAttributeValues={":yesterday": {"S": yesterday}},
        )

    def _open(self) -> list[str]:
        return [loop.name for loop in self._sandbox.loops.list("InProgress")]

    def _tickets(self) -> Iterator[dict[str, Any]]:
        for key, line in generate(4000):
            if f"flow_definition={_FLOW}/" in key:
                record = json.loads(line)
                if record["answers"] and record["fields"]:
                    yield record


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
