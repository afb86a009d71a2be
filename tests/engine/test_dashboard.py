"""The dashboard of a published stage: what it counts after loops of each status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from docs.generate.dashboard_data import Series, read_body, read_graph
from sandbox.samples import SUPPORT_MESSAGE
from tests.engine.published import PublishedStage

WHOLE = "In the whole time range"


@pytest.fixture(scope="module")
def ended(published: PublishedStage) -> dict[str, float]:
    """Ends loops of each status. Returns by how much each figure of the whole time range has changed."""
    before = figures(published)
    flow = published.flow_definition()
    names = {what: published.name(what) for what in ("overruled", "lost", "restarted", "refused", "stopped")}
    for name in names.values():
        published.start(name, flow, SUPPORT_MESSAGE.prediction)
    loops = published.sandbox.loops
    loops.answer(names["overruled"], SUPPORT_MESSAGE.answers[0], seconds_spent=36)
    published.sandbox.events.lose()
    loops.answer(names["lost"], SUPPORT_MESSAGE.answers[0], seconds_spent=72)
    loops.fail(names["restarted"], "InternalError")
    loops.fail(names["refused"], "ValidationError")
    published.a2i.stop_human_loop(HumanLoopName=names["stopped"])
    published.invoke("Reconcile", {})
    for name in names.values():
        published.ended(f'"{name}"')
    after = figures(published)
    return {name: value - before.get(name, 0) for name, value in after.items()}


def series(published: PublishedStage) -> dict[str, list[Series]]:
    """Title of each graph → its rows, with the data of the last hours."""
    cloudwatch = published.sandbox.client("cloudwatch")
    body = read_body(cloudwatch, published.outputs["Dashboard"])
    end = datetime.now(UTC) + timedelta(minutes=1)
    graphs = [one["properties"] for one in body["widgets"] if one["type"] == "metric"]
    return {
        one["title"]: list(read_graph(cloudwatch, one, end - timedelta(hours=4), end).series)
        for one in graphs
    }


def figures(published: PublishedStage) -> dict[str, float]:
    return {
        one.label or one.name: sum(value for _, value in one.points)
        for title, rows in series(published).items()
        if title == WHOLE
        for one in rows
    }


def test_every_row_of_the_dashboard_gets_data(published: PublishedStage, ended: dict[str, float]) -> None:
    """Also those that only expressions use: a name with a typo has no data, and CloudWatch says nothing about it."""
    found = series(published)
    assert len(found) >= 6
    assert {
        f"{title}: {one.name}" for title, rows in found.items() for one in rows if not one.points
    } == set()


def test_loops_are_counted_by_what_became_of_them(ended: dict[str, float]) -> None:
    assert ended["Human loops that ended"] == 5
    states = ("Collect review", "Restart or escalate?", "Answers given?")
    assert [ended[f"Loops step {state}"] for state in states] == [2, 2, 1]
    assert ended["Restarted with the same input"] == 1
    assert ended["Messages that ask a person to act"] == 1
    assert ended["Working time of reviewers (hours)"] == pytest.approx(0.03)


def test_alarms_of_the_dashboard_exist(published: PublishedStage) -> None:
    cloudwatch = published.sandbox.client("cloudwatch")
    body = read_body(cloudwatch, published.outputs["Dashboard"])
    [shown] = [one["properties"]["alarms"] for one in body["widgets"] if one["type"] == "alarm"]
    known = {one["AlarmArn"] for one in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert set(shown) <= known
