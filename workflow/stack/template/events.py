"""What starts the workflow and its functions: rules, their queue and archive, and the hourly reconciliation."""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, If, NoValue, Ref, Sub, Template, awslambda, events, sqs

from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from workflow.stack import ALIAS, LIVE_ALIAS
from workflow.stack.template.policies import THIS_ACCOUNT, allow, policy, tls_only, trust
from workflow.stack.template.roles import role
from workflow.stack.template.tags import tags

__all__ = ["add_archive", "add_rule", "add_rule_for_executions", "add_schedule"]

_RULE = "afterloop-${Stage}"
_EXECUTIONS_RULE = "afterloop-${Stage}-executions"
_UNDELIVERED = "UndeliveredEvents"


def add_rule(template: Template) -> None:
    """Adds the rule that starts an execution for each status change, and the queue for undelivered events."""
    rule_arn = _arn(_RULE)
    queue = template.add_resource(
        sqs.Queue(
            _UNDELIVERED,
            MessageRetentionPeriod=14 * 24 * 3600,  # SQS's maximum.
            SqsManagedSseEnabled=True,
            Tags=tags(),
        )
    )
    template.add_resource(
        sqs.QueuePolicy(
            "UndeliveredEventsPolicy",
            Queues=[Ref(queue)],
            PolicyDocument=policy(
                tls_only("sqs:*", GetAtt(queue, "Arn")),
                {
                    "Sid": "Rules",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": GetAtt(queue, "Arn"),
                    "Condition": {"ArnEquals": {"aws:SourceArn": [rule_arn, _arn(_EXECUTIONS_RULE)]}},
                },
            ),
        )
    )
    starting = template.add_resource(
        role(
            "RuleRole",
            "Allows the rule to start executions of the workflow",
            trust("events.amazonaws.com", {**THIS_ACCOUNT, "ArnEquals": {"aws:SourceArn": rule_arn}}),
            {
                "start-executions": policy(
                    # The target is an alias. Step Functions says that it checks the machine's ARN for it
                    # (developer guide, "Authorization for versions and aliases"), not the alias's, which
                    # is allowed because without it, an exception to this would lose each event.
                    allow(["states:StartExecution"], [Ref("StateMachine"), Sub("${StateMachine}:" + ALIAS)])
                )
            },
        )
    )
    template.add_resource(
        events.Rule(
            "Rule",
            DependsOn=LIVE_ALIAS,  # An event that came earlier would have no target.
            Name=Sub(_RULE),
            Description="Starts the workflow for each status change of a human loop",
            State="ENABLED",
            EventPattern=_status_changes(),
            Targets=[
                events.Target(
                    Id="workflow",
                    Arn=Sub("${StateMachine}:" + ALIAS),
                    RoleArn=GetAtt(starting, "Arn"),
                    **_nothing_is_lost(),
                )
            ],
        )
    )


def add_archive(template: Template) -> None:
    """Adds the archive of what the rule takes, from which a replay starts executions again."""
    template.add_resource(
        events.Archive(
            "Archive",
            Condition="Archives",
            ArchiveName=Sub(_RULE),
            Description="Keeps the status changes that start the workflow",
            SourceArn=Sub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"),
            EventPattern=_status_changes(),
            RetentionDays=Ref("ArchiveDays"),
        )
    )


def _status_changes() -> dict[str, Any]:
    """The pattern of the events that start the workflow."""
    return {
        "source": [SOURCE],
        "detail-type": [DETAIL_TYPE],
        "detail": If("AllFlowDefinitions", NoValue, {"flowDefinitionArn": Ref("FlowDefinitionArns")}),
    }


def add_rule_for_executions(template: Template) -> None:
    """Adds the rule that settles executions which ended without finishing, as soon as they end.

    Step Functions sends these events for Standard workflows; `stateMachineArn` has neither version nor alias
    (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
    """
    rule = template.add_resource(
        events.Rule(
            "ExecutionsRule",
            Name=Sub(_EXECUTIONS_RULE),
            Description="Releases the claims of executions that were stopped, timed out or failed",
            State="ENABLED",
            EventPattern={
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {"status": sorted(FAILED_STATUSES), "stateMachineArn": [Ref("StateMachine")]},
            },
            Targets=[
                events.Target(Id="release-claim", Arn=GetAtt("ReleaseClaim", "Arn"), **_nothing_is_lost())
            ],
        )
    )
    _allow_to_invoke(template, "ReleaseClaim", rule)


def add_schedule(template: Template) -> None:
    """Adds the hourly search for missed status changes: EventBridge's delivery of them is best effort."""
    rule = template.add_resource(
        events.Rule(
            "ReconcileRule",
            DependsOn=LIVE_ALIAS,
            Description="Starts the hourly search for missed status changes",
            ScheduleExpression="rate(1 hour)",
            State="ENABLED",
            Targets=[events.Target(Id="reconcile", Arn=GetAtt("Reconcile", "Arn"))],
        )
    )
    _allow_to_invoke(template, "Reconcile", rule)


def _allow_to_invoke(template: Template, function: str, rule: events.Rule) -> None:
    template.add_resource(
        awslambda.Permission(
            f"{function}Permission",
            Action="lambda:InvokeFunction",
            FunctionName=Ref(function),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )


def _nothing_is_lost() -> dict[str, Any]:
    """The properties of a target whose undelivered events are kept in the queue."""
    return {
        # EventBridge's maximum, which is also its default.
        "RetryPolicy": events.RetryPolicy(MaximumRetryAttempts=185, MaximumEventAgeInSeconds=86_400),
        "DeadLetterConfig": events.DeadLetterConfig(Arn=GetAtt(_UNDELIVERED, "Arn")),
    }


def _arn(rule: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/{rule}")
