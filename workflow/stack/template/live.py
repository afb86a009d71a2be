"""The version of the state machine that is published, and the alias of the version that is live.

A publish of another definition makes a version, and CloudFormation moves the alias to it: all at once, or in steps, as
the parameters say. It moves the alias back if an alarm goes off before the last step, whoever watches.
"""

from __future__ import annotations

from typing import Any

from troposphere import (
    GetAtt,
    If,
    Join,
    NoValue,
    Ref,
    Select,
    Split,
    Sub,
    Template,
    cloudwatch,
    stepfunctions,
)

from workflow.stack import ALIAS, LIVE_ALARM, LIVE_ALIAS, LIVE_VERSION

__all__ = ["add_live"]

_PERIOD_SECONDS = 3600
"""How far back the alarm looks. Periods of up to an hour are evaluated each minute."""

_SIGNIFICANT = 6.63
"""The value of chi-squared, for one degree of freedom, that chance alone exceeds in 1 % of all cases."""

_UNSUCCESSFUL = ("Failed", "TimedOut", "Aborted")


def add_live(template: Template) -> None:
    """Adds the version, the alias, and the alarm that compares the version with the others."""
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    version = template.add_resource(
        stepfunctions.StateMachineVersion(
            LIVE_VERSION,
            # Earlier versions stay, for executions and for a rollback. The state machine takes them with it.
            **kept,
            StateMachineArn=Ref("StateMachine"),
            StateMachineRevisionId=GetAtt("StateMachine", "StateMachineRevisionId"),
        )
    )
    alarm = template.add_resource(_alarm(version))
    template.add_resource(
        stepfunctions.StateMachineAlias(
            LIVE_ALIAS,
            # A rollback to a publish of an earlier Afterloop leaves it alone.
            **kept,
            Name=ALIAS,
            DeploymentPreference=stepfunctions.DeploymentPreference(
                StateMachineVersionArn=Ref(version),
                Type=Ref("ShiftType"),
                Percentage=Ref("ShiftPercent"),
                Interval=Ref("ShiftMinutes"),
                Alarms=If("Shifts", Split(",", Join("", [Ref(alarm), Ref("ShiftAlarms")])), NoValue),
            ),
        )
    )


def _alarm(version: stepfunctions.StateMachineVersion) -> cloudwatch.Alarm:
    # arn:aws:states:REGION:ACCOUNT:stateMachine:NAME:NUMBER
    number = Select(7, Split(":", Ref(version)))
    return cloudwatch.Alarm(
        LIVE_ALARM,
        Condition="Shifts",
        # A new version gets a new alarm: CloudWatch keeps the state of one that is only changed.
        AlarmName=Sub("afterloop-${Stage}-Shift-${Version}", Version=number),
        AlarmDescription="This version fails more often than the others. It ends a gradual publish.",
        Metrics=[
            *_ends("new", "Version", number),
            *_ends("all", "Alias", ALIAS),
            *(_expression(name, text) for name, text in _EXPRESSIONS.items()),
            _expression("worse", _WORSE, is_result=True),
        ],
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )


def _ends(prefix: str, dimension: str, value: Any) -> list[cloudwatch.MetricDataQuery]:
    """The numbers of executions that ended, by how they ended."""
    return [
        cloudwatch.MetricDataQuery(
            Id=f"{prefix}{outcome[0]}",
            MetricStat=cloudwatch.MetricStat(
                Metric=cloudwatch.Metric(
                    Namespace="AWS/States",
                    MetricName=f"Executions{outcome}",
                    Dimensions=[
                        cloudwatch.MetricDimension(Name="StateMachineArn", Value=Ref("StateMachine")),
                        cloudwatch.MetricDimension(Name=dimension, Value=value),
                    ],
                ),
                Period=_PERIOD_SECONDS,
                Stat="Sum",
            ),
            ReturnData=False,
        )
        for outcome in ("Succeeded", *_UNSUCCESSFUL)
    ]


def _sum(prefix: str, *outcomes: str) -> str:
    # Not FILL alone: AWS does not say what it fills if a metric has never had data, as when no execution has succeeded
    # on a new version. A sum goes over what has data.
    filled = ",".join(f"FILL({prefix}{outcome[0]},0)" for outcome in outcomes)
    return f"SUM([TIME_SERIES(0),{filled}])"


_EXPRESSIONS = {
    "badNew": _sum("new", *_UNSUCCESSFUL),
    "badOld": f"{_sum('all', *_UNSUCCESSFUL)}-badNew",
    "goodNew": _sum("new", "Succeeded"),
    "endedNew": "badNew+goodNew",
    "endedOld": f"badOld+{_sum('all', 'Succeeded')}-goodNew",
    "ended": "endedNew+endedOld",
    # Of the product of both rates' denominators, with the correction for small numbers (Yates).
    "apart": "badNew*endedOld-badOld*endedNew-ended/2",
}
"""The unsuccessful and all executions of the new version and of the others: the alias has both."""

_WORSE = (
    "IF(badNew>0 AND (badOld<=0 OR (apart>0 AND "
    f"ended*apart^2>{_SIGNIFICANT}*endedNew*endedOld*(badNew+badOld)*(ended-badNew-badOld))),1,0)"
)
"""1 if the new version is worse: it alone has failures, or its rate is higher than chance explains.

The second is Pearson's chi-squared test of a table of two by two, multiplied out so that nothing is divided by zero.
"""


def _expression(name: str, text: str, *, is_result: bool = False) -> cloudwatch.MetricDataQuery:
    return cloudwatch.MetricDataQuery(Id=name, Expression=text, ReturnData=is_result)
