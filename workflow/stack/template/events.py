"""What starts the workflow: the rule with its queue for undelivered events, and the hourly reconciliation."""

from __future__ import annotations

from troposphere import GetAtt, If, NoValue, Ref, Sub, Template, awslambda, events, iam, sqs

from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from workflow.stack import ALIAS
from workflow.stack.template.policies import THIS_ACCOUNT, allow, policy, tls_only, trust
from workflow.stack.template.tags import tags

__all__ = ["add_rule", "add_schedule"]


def add_rule(template: Template) -> None:
    """Adds the rule that starts an execution for each status change, and the queue for undelivered events."""
    rule_arn = Sub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/afterloop-${Stage}")
    queue = template.add_resource(
        sqs.Queue(
            "UndeliveredEvents",
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
                    "Sid": "Rule",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": GetAtt(queue, "Arn"),
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
                },
            ),
        )
    )
    role = template.add_resource(
        iam.Role(
            "RuleRole",
            Description="Allows the rule to start executions of the workflow",
            AssumeRolePolicyDocument=policy(
                trust("events.amazonaws.com", {**THIS_ACCOUNT, "ArnEquals": {"aws:SourceArn": rule_arn}})
            ),
            Policies=[
                iam.Policy(
                    PolicyName="start-executions",
                    PolicyDocument=policy(
                        # The target is an alias, and IAM checks its ARN: the machine's with ":live".
                        allow(["states:StartExecution"], [Ref("StateMachine"), Sub("${StateMachine}:*")])
                    ),
                )
            ],
            Tags=tags(),
        )
    )
    template.add_resource(
        events.Rule(
            "Rule",
            Name=Sub("afterloop-${Stage}"),
            Description="Starts the workflow for each status change of a human loop",
            State="ENABLED",
            EventPattern={
                "source": [SOURCE],
                "detail-type": [DETAIL_TYPE],
                "detail": If(
                    "AllFlowDefinitions",
                    NoValue,
                    {"flowDefinitionArn": Ref("FlowDefinitionArns")},
                ),
            },
            Targets=[
                events.Target(
                    Id="workflow",
                    Arn=Sub("${StateMachine}:" + ALIAS),
                    RoleArn=GetAtt(role, "Arn"),
                    # EventBridge's maximum, which is also its default.
                    RetryPolicy=events.RetryPolicy(MaximumRetryAttempts=185, MaximumEventAgeInSeconds=86_400),
                    DeadLetterConfig=events.DeadLetterConfig(Arn=GetAtt(queue, "Arn")),
                )
            ],
        )
    )


def add_schedule(template: Template) -> None:
    """Adds the hourly search for missed status changes: EventBridge's delivery of them is best effort."""
    rule = template.add_resource(
        events.Rule(
            "ReconcileRule",
            Description="Starts the hourly search for missed status changes",
            ScheduleExpression="rate(1 hour)",
            State="ENABLED",
            Targets=[events.Target(Id="reconcile", Arn=GetAtt("Reconcile", "Arn"))],
        )
    )
    template.add_resource(
        awslambda.Permission(
            "ReconcilePermission",
            Action="lambda:InvokeFunction",
            FunctionName=Ref("Reconcile"),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )
