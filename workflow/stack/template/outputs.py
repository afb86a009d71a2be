"""The names and ARNs of a published stage's resources."""

from __future__ import annotations

from troposphere import GetAtt, Output, Ref, Template

from workflow.stack import LIVE_VERSION

__all__ = ["add_outputs"]


def add_outputs(template: Template) -> None:
    """Adds the outputs by which the command line and other code find the stage's resources."""
    for name, description, value in (
        ("AlarmTopic", "Topic for alarms, and for messages about no flow definition", Ref("AlarmTopic")),
        ("Dashboard", "CloudWatch dashboard of the stage", Ref("Dashboard")),
        ("EscalationTopic", "Topic for messages when a person has to act", Ref("EscalationTopic")),
        ("LedgerTable", "DynamoDB table with one item for each human loop", Ref("LedgerTable")),
        (LIVE_VERSION, "Version of the state machine that the last publish made", Ref(LIVE_VERSION)),
        ("NotificationTopic", "Topic for messages about stopped human loops", Ref("NotificationTopic")),
        ("ReviewBucket", "Bucket of reviews, inputs and predictions", Ref("ReviewBucket")),
        ("ReviewDatabase", "Athena database of reviews", Ref("ReviewDatabase")),
        ("ReviewTable", "Athena table of reviews", Ref("ReviewTable")),
        ("Rule", "EventBridge rule that starts the workflow for status changes", Ref("Rule")),
        (
            "Reconcile",
            "Function that finds missed status changes and starts the workflow for them",
            GetAtt("Reconcile", "Arn"),
        ),
        (
            "StartLoop",
            "Function that starts human loops that can be restarted",
            GetAtt("StartLoop", "Arn"),
        ),
        ("StateMachine", "State machine of the workflow", Ref("StateMachine")),
        ("StateMachineLogs", "Log group of the workflow", Ref("StateMachineLogs")),
        ("TokenTable", "DynamoDB table with the task tokens of waiting workflows", Ref("TokenTable")),
        (
            "UndeliveredEvents",
            "Queue of status changes that did not reach the workflow",
            Ref("UndeliveredEvents"),
        ),
        ("Workgroup", "Athena workgroup of the saved queries", Ref("ReviewWorkgroup")),
    ):
        template.add_output(Output(name, Description=description, Value=value))
