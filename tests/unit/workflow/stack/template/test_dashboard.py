"""The stage's dashboard: its words, and what it names. tests/engine/test_dashboard.py looks at its data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ministack_patches.dashboards import Body
from workflow.stack.assembly import assemble


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = assemble().template.to_dict()["Resources"]
    return found


@pytest.fixture(scope="module")
def body(resources: dict[str, Any]) -> str:
    return str(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])


def widgets(body: str, kind: str) -> list[dict[str, Any]]:
    return [one["properties"] for one in json.loads(body)["widgets"] if one["type"] == kind]


def test_body_has_the_structure_of_aws_and_leaves_room_in_the_template(body: str) -> None:
    Body.model_validate(json.loads(body.replace("${", "arn:${")))
    assert len(body) <= 6_000


def test_dashboard_is_within_the_free_tier(body: str) -> None:
    """Three dashboards with at most 50 metrics each are free."""
    metrics = [
        row for graph in widgets(body, "metric") for row in graph["metrics"] if "expression" not in row[-1]
    ]
    assert len(metrics) <= 50


def test_every_alarm_that_is_always_there_is_shown(resources: dict[str, Any], body: str) -> None:
    [shown] = widgets(body, "alarm")
    alarms = [name for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) > 5
    assert sorted(shown["alarms"]) == sorted(
        f"${{{name}.Arn}}" for name in alarms if "Condition" not in resources[name]
    )


def test_what_is_shown_has_words_and_no_code_names(body: str) -> None:
    for graph in widgets(body, "metric"):
        shown = [row[-1] for row in graph["metrics"] if row[-1].get("visible", True)]
        for label in [graph["title"], *(one["label"] for one in shown)]:
            assert " " in label or label in ("Completed", "Failed", "Stopped"), label
            assert not any(word[1:] != word[1:].lower() for word in label.split()), label


def test_widgets_cover_the_grid_without_overlap(body: str) -> None:
    cells = [
        (x, y)
        for one in json.loads(body)["widgets"]
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(cells) == len(set(cells))
    assert len(cells) == 24 * (1 + max(y for _, y in cells))
