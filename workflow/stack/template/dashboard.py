"""The dashboard of the stage: what a manager asks of it, and the states of its alarms.

Its body is JSON: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html.
It is compact, because a template is limited to 1 MB: in a row of `metrics`, "." stands for the text above it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from troposphere import Ref, Sub, Template, cloudwatch, logs

from lambdas.aws.metrics import Metric

__all__ = ["add_dashboard"]

_NAME = "afterloop-${Stage}"
_DAY = 24 * 3600
_ROW = 6
"""The height of a graph."""
_Place = tuple[int, int, int, int]
"""Column and row of the grid of 24 columns, width and height."""
_HIDDEN = {"visible": False}

_ESCALATIONS = ("AWS/SNS", "NumberOfMessagesPublished", "TopicName", "${EscalationTopic.TopicName}")

_ABOUT = (
    "# Human loops of the stage ${Stage}\n"
    "What became of the reviews by people. The first row is about the whole time range that is selected above; in the"
    " graphs, a point is a day in UTC. A loop that is processed again counts again."
)


def add_dashboard(template: Template, definition: Mapping[str, Any]) -> None:
    """Adds the dashboard, and the filter that counts loops by their status. The alarms have to be there already.

    Args:
        template: The template.
        definition: The state machine: the first state of each branch is counted.
    """
    branches = {
        choice["StringEquals"]: choice["Next"]
        for choice in definition["States"]["Route by status"]["Choices"]
    }
    _add_filter(template, branches)
    alarms = [
        f"${{{name}.Arn}}"
        for name, one in sorted(template.resources.items())
        # One of a condition may not exist, and ends a publish by itself.
        if isinstance(one, cloudwatch.Alarm) and "Condition" not in one.resource
    ]
    body = {"start": "-P14D", "periodOverride": "inherit", "widgets": _widgets(branches, alarms)}
    template.add_resource(
        cloudwatch.Dashboard(
            "Dashboard",
            DashboardName=Sub(_NAME),
            DashboardBody=Sub(json.dumps(body, separators=(",", ":"))),
        )
    )


def _add_filter(template: Template, branches: Mapping[str, str]) -> None:
    """Adds the filter that counts loops by the branch that their executions enter.

    No metric of AWS has the status: topics get messages of users' steps, too, and not every branch has a function.
    """
    names = " || ".join(f'$.details.name = "{state}"' for state in branches.values())
    template.add_resource(
        logs.MetricFilter(
            "LoopsByStatus",
            LogGroupName=Ref("StateMachineLogs"),
            FilterPattern=f'{{ $.type = "*StateEntered" && ({names}) }}',
            MetricTransformations=[
                logs.MetricTransformation(
                    MetricNamespace=Sub("Afterloop/${Stage}"),
                    MetricName="Loops",
                    MetricValue="1",
                    Unit="Count",
                    Dimensions=[logs.Dimension(Key="step", Value="$.details.name")],
                )
            ],
        )
    )


def _widgets(branches: Mapping[str, str], alarms: list[str]) -> list[dict[str, Any]]:
    statuses = [
        ["Afterloop/${Stage}", "Loops", "step", state, {"id": status.lower(), **_HIDDEN}]
        for status, state in branches.items()
    ]
    restarted, person = "Restarted with the same input", "Messages that ask a person to act"
    helped = [
        _own(Metric.LOOPS_RESTARTED, id="r", **_HIDDEN),
        [*_ESCALATIONS, {"id": "p", **_HIDDEN}],
    ]
    return [
        _widget("text", (0, 0, 24, 2), {"markdown": _ABOUT}),
        _graph(
            "In the whole time range",
            (0, 2, 24, 4),
            [
                [
                    {
                        "expression": f"SUM([{','.join(map(str.lower, branches))}])",
                        "label": "Human loops that ended",
                    }
                ],
                *statuses,
                *_overruled("Reviews that people overruled (%)"),
                *_labelled(helped, restarted, person),
                _own(
                    Metric.SECONDS_TO_RECORD, stat="p50", label="Half of the reviews stored within (seconds)"
                ),
                _own(Metric.REVIEWER_SECONDS, id="t", **_HIDDEN),
                [{"expression": "t/3600", "label": "Working time of reviewers (hours)"}],
            ],
            view="singleValue",
            setPeriodToTimeRange=True,
        ),
        _graph(
            "Human loops that ended, by status",
            (0, 6, 12, _ROW),
            [*statuses, *(_filled(status.lower(), status) for status in branches)],
            stacked=True,
        ),
        _graph(
            "Share of reviews that people overruled (%)",
            (12, 6, 12, _ROW),
            _overruled("Overruled (%)"),
            top=100,
        ),
        _graph(
            "Loops that needed help",
            (0, 12, 12, _ROW),
            [
                *helped,
                _filled("r", restarted),
                _filled("p", person),
                _own(Metric.STATUS_CHANGES_MISSED, label="Lost events that were found"),
            ],
        ),
        _graph(
            "From the last answer to the stored review (seconds)",
            (12, 12, 12, _ROW),
            [
                _own(Metric.SECONDS_TO_RECORD, stat="p50", label="Half of the reviews within"),
                _own(Metric.SECONDS_TO_RECORD, stat="p95", label="95% of the reviews within"),
            ],
        ),
        _graph(
            "Working time of reviewers, for a review (minutes)",
            (0, 18, 12, _ROW),
            [
                _own(Metric.REVIEWER_SECONDS, stat="Average", id="t", **_HIDDEN),
                [{"expression": "t/60", "label": "Mean of all reviews (minutes)"}],
            ],
        ),
        _graph(
            "Age of the oldest human loop that is open (hours)",
            (12, 18, 12, _ROW),
            [
                _own(Metric.OLDEST_OPEN_LOOP, stat="Maximum", period=3600, id="o", **_HIDDEN),
                [{"expression": "o/3600", "label": "Oldest open loop (hours)", "period": 3600}],
            ],
        ),
        _widget(
            "alarm",
            (0, 24, 24, 2 + len(alarms) // 4),
            {"title": "Alarms: somebody was notified of a red one", "alarms": alarms},
        ),
    ]


def _overruled(label: str) -> list[list[Any]]:
    """The rows for the share of reviews in which people overruled the prediction, of all reviews in a period."""
    return [
        _own(Metric.REVIEWS_OVERRULED, id="a", **_HIDDEN),
        _own(Metric.REVIEWS_STORED, id="b", **_HIDDEN),
        [{"expression": "100*a/b", "label": label}],
    ]


def _own(metric: Metric, **rendering: Any) -> list[Any]:
    """The row of a metric that a function of the stage counts."""
    return ["Afterloop", metric.value, "service", "afterloop", "stage", "${Stage}", rendering]


def _filled(metric: str, label: str) -> list[Any]:
    """The row of a count that has no data when nothing happened: nothing is zero."""
    return [{"expression": f"FILL({metric},0)", "label": label}]


def _labelled(rows: list[list[Any]], *labels: str) -> list[list[Any]]:
    return [[*row[:-1], {"label": label}] for row, label in zip(rows, labels, strict=True)]


def _graph(
    title: str, place: _Place, rows: list[list[Any]], top: float | None = None, **more: Any
) -> dict[str, Any]:
    axis: dict[str, Any] = {"min": 0, "showUnits": False, **({} if top is None else {"max": top})}
    drawn: dict[str, Any] = {} if "view" in more else {"yAxis": {"left": axis}}
    properties = {
        "title": title,
        "metrics": _shortened(rows),
        "region": "${AWS::Region}",
        "stat": "Sum",
        "period": _DAY,
        **drawn,
        **more,
    }
    return _widget("metric", place, properties)


def _shortened(rows: list[list[Any]]) -> list[list[Any]]:
    """Writes "." for a text that is the same in the metric above. AWS does not say what it is after an expression."""
    above: list[Any] = []
    short = []
    for *texts, rendering in rows:
        marks = [
            "." if place < len(above) and above[place] == text else text for place, text in enumerate(texts)
        ]
        short.append([*marks, rendering])
        above = texts
    return short


def _widget(kind: str, place: _Place, properties: dict[str, Any]) -> dict[str, Any]:
    x, y, width, height = place
    return {"type": kind, "x": x, "y": y, "width": width, "height": height, "properties": properties}
