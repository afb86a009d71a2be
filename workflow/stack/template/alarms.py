"""The alarms, which send messages to the topic for alarms."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, cloudwatch

from workflow.stack.template.policies import filled

__all__ = ["add_alarms"]


def add_alarms(template: Template) -> None:
    """Adds alarms for what would go unnoticed otherwise: failed executions, missed and undelivered events."""

    def alarm(
        title: str, description: str, namespace: str, metric: str, dimension: str, value: Any, **more: Any
    ) -> None:
        template.add_resource(
            cloudwatch.Alarm(
                title,
                AlarmName=Sub(f"afterloop-${{Stage}}-{title}"),
                AlarmDescription=filled(description),
                Namespace=namespace,
                MetricName=metric,
                Dimensions=[cloudwatch.MetricDimension(Name=dimension, Value=value)],
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
                # Metrics of failures have data only when something fails.
                TreatMissingData="notBreaching",
                AlarmActions=[Ref("AlarmTopic")],
                **more,
            )
        )

    for outcome in ("Failed", "Aborted", "TimedOut"):
        alarm(
            f"Executions{outcome}",
            f"An execution of the workflow ended as {outcome}. Another message names its human loop. To see all such"
            " loops: python deploy.py loops list --outcome failed --stage ${Stage}",
            "AWS/States",
            f"Executions{outcome}",
            "StateMachineArn",
            Ref("StateMachine"),
            Statistic="Sum",
        )
    alarm(
        "ReconcileErrors",
        "The search for missed status changes failed: see the logs of the function Reconcile",
        "AWS/Lambda",
        "Errors",
        "FunctionName",
        Ref("Reconcile"),
        Statistic="Sum",
    )
    alarm(
        "EventsUndelivered",
        "Events did not reach the workflow, or the function ReleaseClaim: they are in the queue UndeliveredEvents. To"
        " process them: python deploy.py loops redrive --undelivered --stage ${Stage}",
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "QueueName",
        GetAtt("UndeliveredEvents", "QueueName"),
        Statistic="Maximum",
    )
