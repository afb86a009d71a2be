"""The version, the alias, and the rule by which a gradual publish is taken back."""

from __future__ import annotations

from typing import Any

import pytest
from troposphere import Template

from sandbox.ministack_patches import metric_math
from workflow.stack.template.live import add_live


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    template = Template()
    add_live(template)
    return dict(template.to_dict()["Resources"])


@pytest.mark.parametrize(
    ("new", "others", "is_worse"),
    [
        # Unsuccessful executions, and all that ended: of the new version, and of the others.
        ((0, 0), (0, 0), False),
        ((0, 5), (3, 50), False),
        ((1, 1), (0, 0), True),
        ((1, 1), (0, 40), True),
        ((50, 60), (1, 100), True),
        ((1, 10), (9, 90), False),
        ((30, 60), (50, 100), False),
        ((60, 60), (100, 100), False),
        # Chance explains these.
        ((1, 2), (5, 100), False),
        ((1, 5), (5, 100), False),
        ((3, 10), (5, 90), False),
        ((4, 10), (5, 90), True),
        ((5, 100), (1, 100), False),
        # The new version is better.
        ((1, 100), (50, 100), False),
    ],
)
def test_new_version_is_worse_if_it_fails_alone_or_more_often(
    resources: dict[str, Any], new: tuple[int, int], others: tuple[int, int], is_worse: bool
) -> None:
    failed, ended = new[0] + others[0], new[1] + others[1]
    values = {
        # Each way of an unsuccessful end counts. What never happened has no data.
        ("Version", "ExecutionsAborted"): new[0] // 2,
        ("Version", "ExecutionsTimedOut"): new[0] - new[0] // 2,
        ("Version", "ExecutionsSucceeded"): new[1] - new[0],
        ("Alias", "ExecutionsAborted"): new[0] // 2,
        ("Alias", "ExecutionsTimedOut"): new[0] - new[0] // 2,
        ("Alias", "ExecutionsFailed"): others[0],
        ("Alias", "ExecutionsSucceeded"): ended - failed,
    }

    def value_of(statistic: dict[str, Any]) -> float | None:
        metric = statistic["Metric"]
        machine, other = metric["Dimensions"]
        assert machine["Name"] == "StateMachineArn"
        return values.get((other["Name"], metric["MetricName"])) or None

    assert metric_math.result(resources["LiveAlarm"]["Properties"]["Metrics"], value_of) == float(is_worse)


def test_alarm_has_no_more_metrics_and_expressions_than_cloudwatch_takes(resources: dict[str, Any]) -> None:
    queries = resources["LiveAlarm"]["Properties"]["Metrics"]
    metrics = [one for one in queries if "MetricStat" in one]
    assert len(metrics) <= 10
    assert len(queries) - len(metrics) <= 10
    assert [one["Id"] for one in queries if one["ReturnData"]] == ["worse"]


def test_earlier_versions_stay_and_the_alias_survives_a_rollback(resources: dict[str, Any]) -> None:
    for name in ("LiveVersion", "LiveAlias"):
        assert resources[name]["DeletionPolicy"] == resources[name]["UpdateReplacePolicy"] == "Retain"
    assert "Description" not in resources["LiveVersion"]["Properties"], "a change of it replaces the version"
