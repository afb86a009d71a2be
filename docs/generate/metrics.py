"""Metrics that the functions count, and the alarms of the stack."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, table
from docs.generate.reading import trees

__all__ = ["MEANINGS", "metric_names", "metrics"]

MEANINGS = {
    "ClaimsReleased": "Claims of executions that had ended, given back by the reconciler.",
    "FieldsCompared": "Fields with a prediction to compare with.",
    "LoopsRestarted": "Loops that were started again.",
    "LoopsStarted": "Loops that were started; not those that nobody had to look at.",
    "ReviewsOverruled": "Reviews in which people changed, added or removed something.",
    "ReviewsRefused": "Outputs that are missing, malformed, too large, or not in an output bucket.",
    "ReviewsStored": "Reviews that were stored.",
    "StartsResumed": "Starts that were left unfinished, and went on or were refused.",
    "StatusChangesMissed": "Loops that had ended, and whose event never came.",
    "WorkflowsAnswered": "Waiting workflows that were told how a loop ended.",
}


def metrics(template: Mapping[str, Any]) -> str:
    """The page.

    Args:
        template: The CloudFormation template.
    """
    alarms = (
        (code(name), _text(one["Properties"]["AlarmDescription"]), f"{one['Properties']['Namespace']}"
         f" {one['Properties']['MetricName']}")
        for name, one in sorted(template["Resources"].items())
        if one["Type"] == "AWS::CloudWatch::Alarm"
    )  # fmt: skip
    return "\n\n".join(
        [
            "# Metrics and alarms",
            "## Metrics",
            "In CloudWatch, namespace `Afterloop`, dimension `service` = `afterloop`: counts that the functions log"
            " in embedded metric format. What Lambda, Step Functions and SQS count by themselves comes on top.",
            table(
                ["Metric", "Counted by", "What it counts"],
                (
                    (code(name), code(module), MEANINGS.get(name, ""))
                    for name, module in sorted(metric_names())
                ),
            ),
            "## Alarms",
            "Named `afterloop-STAGE-NAME`. Each sends a message to the escalation topic.",
            table(["Alarm", "What it means", "Metric"], alarms),
        ]
    )


def _text(value: str | Mapping[str, str]) -> str:
    return value if isinstance(value, str) else value["Fn::Sub"].replace("${Stage}", "STAGE")


def metric_names() -> Iterator[tuple[str, str]]:
    """The metrics that the functions count: name and module."""
    for file, tree in trees("lambdas"):
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="add_metric"), args=[ast.Constant(value=str(name)), *_]
                ):
                    yield name, file.stem
