"""The page of metrics and alarms."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, table
from docs.generate.reading import attribute_docs, trees
from lambdas.aws.metrics import Metric
from workflow.stack import LIVE_ALARM

__all__ = ["metric_names", "metrics"]


def metrics(template: Mapping[str, Any]) -> str:
    """Returns the page.

    Args:
        template: The CloudFormation template.
    """
    alarms = (
        (code(name), _text(one["Properties"]["AlarmDescription"]), _watched(one["Properties"]))
        for name, one in sorted(template["Resources"].items())
        if one["Type"] == "AWS::CloudWatch::Alarm"
    )
    docs = attribute_docs(Metric)
    meanings = {metric.value: docs.get(metric.name, "") for metric in Metric}
    return "\n\n".join(
        [
            "# Metrics and alarms",
            "## Metrics",
            "The functions log these counts in embedded metric format. In CloudWatch, they are in the namespace"
            " `Afterloop` with the dimensions `service` = `afterloop` and `stage` = the name of the stage. Lambda,"
            " Step Functions, EventBridge, SNS and SQS publish their own metrics.",
            table(
                ["Metric", "Function", "Description"],
                (
                    (code(name), code(module), meanings.get(name, ""))
                    for name, module in sorted(metric_names())
                ),
            ),
            "## Alarms",
            "The name of an alarm is `afterloop-STAGE-NAME`. Each alarm notifies `AlarmTopic`, except"
            f" `{LIVE_ALARM}`: its name is `afterloop-STAGE-Shift-VERSION`, it is there if the stage has the setting"
            " `shift`, and CloudFormation takes a publish back while it is on"
            " ([Gradual publishes](../how-to/stages.md#gradual-publishes)).",
            table(["Alarm", "Description", "Metric"], alarms),
        ]
    )


def _text(value: str | Mapping[str, str]) -> str:
    return value if isinstance(value, str) else value["Fn::Sub"].replace("${Stage}", "STAGE")


def _watched(alarm: Mapping[str, Any]) -> str:
    metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    names = dict.fromkeys(f"{one['Namespace']} {one['MetricName']}" for one in metrics or [alarm])
    return ", ".join(names)


def metric_names() -> Iterator[tuple[str, str]]:
    """Yields the name and module of each metric that a function counts, including your own functions."""
    for file, tree in trees("lambdas"):
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="add_metric"),
                    args=[ast.Attribute(value=ast.Name(id="Metric"), attr=member), *_],
                ):
                    yield Metric[member].value, file.stem
                case ast.Call(
                    func=ast.Attribute(attr="add_metric"), args=[ast.Constant(value=str(name)), *_]
                ):
                    yield name, file.stem
