"""The alarms: one for each silence, which send messages to the topic of alarms.

The description of an alarm is what a person reads in the message: what it means, and after the last colon the command
to run. `python deploy.py status` shows the same (`workflow/operations/attention.py`).

CloudWatch charges for each metric that an alarm watches, so metrics for which one message says enough share an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from troposphere import GetAtt, Ref, Sub, Template, cloudwatch

from workflow.stack import TOPICS
from workflow.stack.functions import Function
from workflow.stack.template.policies import filled

__all__ = ["add_alarms"]

_UNWATCHED = ("Reconcile", "ReleaseClaim")
"""Functions whose errors nobody else gets: no caller waits for them. A step that calls a function retries an error, and
then its execution fails; a caller of StartLoop gets the error."""

_MAX_METRICS = 10
"""How many metrics an alarm can watch (PutMetricAlarm)."""

_HOUR = 3600


class _Watched(NamedTuple):
    """A metric."""

    namespace: str
    name: str
    dimensions: dict[str, Any]

    def stat(self, statistic: str, period: int) -> cloudwatch.MetricStat:
        return cloudwatch.MetricStat(
            Metric=cloudwatch.Metric(
                Namespace=self.namespace, MetricName=self.name, Dimensions=_dimensions(self.dimensions)
            ),
            Period=period,
            Stat=statistic,
        )


def _dimensions(values: dict[str, Any]) -> list[cloudwatch.MetricDimension]:
    return [cloudwatch.MetricDimension(Name=name, Value=value) for name, value in values.items()]


def add_alarms(template: Template, functions: Sequence[Function]) -> None:
    """Adds the alarms.

    Args:
        template: The template.
        functions: The functions of the stack.
    """
    for alarm in (
        *_of_executions(),
        *_of_functions([function.name for function in functions]),
        *_of_events(),
        *_of_the_reconciler(),
        _of_messages(),
    ):
        template.add_resource(alarm)


def _alarm(title: str, description: str, *metrics: _Watched, **more: Any) -> cloudwatch.Alarm:
    """An alarm on the sum of metrics that have data only if something is wrong: 1 or more in a minute."""
    expression = f"SUM([{','.join(f'm{number}' for number in range(len(metrics)))}])"
    return _alarm_on(title, description, metrics, expression, **more)


def _alarm_on(
    title: str, description: str, metrics: Sequence[_Watched], expression: str, **more: Any
) -> cloudwatch.Alarm:
    """An alarm on an expression over metrics, which it calls m0, m1, …; the sum of one metric is the metric itself."""
    period, statistic = more.pop("Period", 60), more.pop("Statistic", "Sum")
    if expression == "SUM([m0])":
        (metric,) = metrics
        more |= {
            "Namespace": metric.namespace, "MetricName": metric.name, "Period": period, "Statistic": statistic,
            "Dimensions": _dimensions(metric.dimensions),
        }  # fmt: skip
    else:
        queries = [
            cloudwatch.MetricDataQuery(
                Id=f"m{number}", MetricStat=metric.stat(statistic, period), ReturnData=False
            )
            for number, metric in enumerate(metrics)
        ]
        more["Metrics"] = [*queries, cloudwatch.MetricDataQuery(Id="all", Expression=expression)]
    properties = {
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        **more,
    }
    return cloudwatch.Alarm(
        title,
        AlarmName=Sub(f"afterloop-${{Stage}}-{title}"),
        AlarmDescription=filled(f"{description} --stage ${{Stage}}"),
        AlarmActions=[Ref("AlarmTopic")],
        ActionsEnabled=True,  # Said, so that drift detection sees it if somebody disables them.
        **properties,
    )


def _of_executions() -> list[cloudwatch.Alarm]:
    return [
        _alarm(
            f"Executions{outcome}",
            f"An execution of the workflow ended as {outcome}. Another message names its human loop. To see the"
            " loops that failed: python deploy.py loops list --outcome failed",
            _Watched("AWS/States", f"Executions{outcome}", {"StateMachineArn": Ref("StateMachine")}),
        )
        for outcome in ("Failed", "Aborted", "TimedOut")
    ]


def _of_functions(names: Sequence[str]) -> list[cloudwatch.Alarm]:
    def watched(metric: str, name: str) -> _Watched:
        return _Watched("AWS/Lambda", metric, {"FunctionName": Ref(name)})

    throttled = [
        _alarm(
            f"FunctionsThrottled{number or ''}",
            "Lambda refused calls of functions, because the account runs as many as it may. They are tried again, but"
            " not for ever. Ask AWS for more concurrent executions. To see what failed because of that: python"
            " deploy.py status",
            *(watched("Throttles", name) for name in some),
            Period=300,
        )
        for number, some in enumerate(
            names[first : first + _MAX_METRICS] for first in range(0, len(names), _MAX_METRICS)
        )
    ]
    return [
        _alarm(
            "FunctionErrors",
            f"A function that nobody waits for failed: {' or '.join(_UNWATCHED)}. Its log group, /aws/lambda/"
            "afterloop-${Stage}-NAME, says why. To do what they did not: python deploy.py loops reconcile",
            *(watched("Errors", name) for name in _UNWATCHED),
        ),
        _alarm_on(
            "StartsFailing",
            "All starts of human loops in 15 minutes failed. The log group /aws/lambda/afterloop-${Stage}-StartLoop"
            " says why. To see what is published and what needs attention: python deploy.py status",
            [watched("Errors", "StartLoop"), watched("Invocations", "StartLoop")],
            "IF(m0>2 AND m0>=m1,1,0)",  # not for a single request that is invalid
            Period=900,
        ),
        *throttled,
    ]


def _of_events() -> list[cloudwatch.Alarm]:
    def of_queue(name: str) -> _Watched:
        return _Watched("AWS/SQS", name, {"QueueName": GetAtt("UndeliveredEvents", "QueueName")})

    def of_rule(metric: str, rule: str) -> _Watched:
        return _Watched("AWS/Events", metric, {"RuleName": Ref(rule)})

    redrive = "To see the undelivered events: python deploy.py loops redrive --undelivered --dry-run"
    # What is in a queue that is not measured is still there.
    unmeasured = {"Statistic": "Maximum", "TreatMissingData": "ignore"}
    with_queue = ("Rule", "ExecutionsRule")
    return [
        _alarm(
            "EventsUndelivered",
            "Events did not reach the workflow, or the function ReleaseClaim: they are in the queue UndeliveredEvents."
            f" {redrive}",
            of_queue("ApproximateNumberOfMessagesVisible"),
            **unmeasured,
        ),
        _alarm(
            "EventsLeft",
            "Events have been in the queue UndeliveredEvents for four hours, and nobody processed them. SQS deletes"
            f" them after 14 days. {redrive}",
            of_queue("ApproximateAgeOfOldestMessage"),
            # SQS may stop measuring a queue that nothing has accessed for six hours (Developer guide, "Monitoring
            # Amazon SQS queues using CloudWatch").
            Threshold=4 * _HOUR,
            **unmeasured,
        ),
        _alarm(
            "InvocationsFailed",
            "A rule could not invoke its target: the workflow, ReleaseClaim or Reconcile. Its role or its target was"
            " changed or deleted, or the queue UndeliveredEvents did not take an event, which is lost. To see what was"
            " changed: python deploy.py plan --repair",
            *(of_rule("FailedInvocations", rule) for rule in (*with_queue, "ReconcileRule")),
            *(of_rule("InvocationsFailedToBeSentToDlq", rule) for rule in with_queue),
            _Watched("AWS/Lambda", "DeadLetterErrors", {"FunctionName": Ref("ReleaseClaim")}),
        ),
    ]


def _of_the_reconciler() -> list[cloudwatch.Alarm]:
    def counted(metric: str) -> _Watched:
        return _Watched("Afterloop", metric, {"service": "afterloop", "stage": Ref("Stage")})

    # Measured once an hour. A period without data, because a run was a little late, changes nothing.
    hourly = {"Period": _HOUR, "Statistic": "Maximum", "TreatMissingData": "ignore"}
    return [
        _alarm(
            "StatusChangesMissed",
            "Human loops ended, and their event did not arrive. The reconciler processes them, up to an hour late. If"
            " this goes on, the rule is disabled, or does not get the events. To see the stage: python deploy.py"
            " status",
            counted("StatusChangesMissed"),
        ),
        _alarm_on(
            "ReconcilerSilent",
            "No search for missed status changes was completed for two hours: the rule is disabled, or the function"
            " Reconcile fails or needs too long, as its log group /aws/lambda/afterloop-${Stage}-Reconcile says. To"
            " search for missed status changes now: python deploy.py loops reconcile",
            [counted("ReconciliationsCompleted")],
            # FILL, because CloudWatch otherwise evaluates older data in place of what is missing
            # (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html).
            "FILL(m0,0)",
            Period=_HOUR,
            EvaluationPeriods=2,
            ComparisonOperator="LessThanThreshold",
            TreatMissingData="breaching",
            # A stage that was just published has no data. Its first run begins when the publish ends, or, after an
            # upgrade from a version without the metric, within an hour. What FILL fills might end the period early.
            WarmUpConfiguration=cloudwatch.WarmUpConfiguration(
                WarmUpPeriodDurationInMinutes=180, OnlyStartEvaluatingAfterWarmUpPeriodEnds=True
            ),
        ),
        _alarm(
            "LoopsOverdue",
            "Human loops are open longer than their flow definition lets workers answer, or A2I does not finish"
            " stopping them. No event comes for them. Stop them, or ask AWS. To see which loops are overdue: python"
            " deploy.py loops reconcile",
            counted("LoopsOverdue"),
            **hourly,
        ),
        _alarm(
            "ClaimsOverdue",
            "An execution has been processing a status change for longer than the workflow takes. To see which"
            " loops are being processed: python deploy.py loops list --outcome processing",
            counted("ClaimsOverdue"),
            **hourly,
        ),
    ]


def _of_messages() -> cloudwatch.Alarm:
    return _alarm(
        "NotificationsFailed",
        "SNS could not deliver messages to a subscriber: an address or an endpoint does not exist any more, or refuses"
        " them. To see who gets which messages: python deploy.py status",
        *(
            _Watched(
                "AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": GetAtt(f"{topic}Topic", "TopicName")}
            )
            for topic in TOPICS
        ),
        Period=300,
    )
