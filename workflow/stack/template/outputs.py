"""What a published stage offers, by name."""

from __future__ import annotations

from troposphere import GetAtt, Output, Ref, Template

__all__ = ["add_outputs"]


def add_outputs(template: Template) -> None:
    """Adds the outputs that the command line, and code from outside, find the stage by."""
    for name, description, value in (
        ("EscalationTopic", "Where people are called for", Ref("EscalationTopic")),
        ("LedgerTable", "One item per human loop", Ref("LedgerTable")),
        ("NotificationTopic", "Where people are told of stopped loops", Ref("NotificationTopic")),
        ("ReviewBucket", "Holds reviews and inputs", Ref("ReviewBucket")),
        ("ReviewDatabase", "Athena's database of reviews", Ref("ReviewDatabase")),
        ("ReviewTable", "Athena's table of reviews", Ref("ReviewTable")),
        ("Rule", "Takes status changes to the workflow", Ref("Rule")),
        ("Reconcile", "Function that catches up on missed status changes", GetAtt("Reconcile", "Arn")),
        (
            "StartLoop",
            "Function that starts human loops so that they can be restarted",
            GetAtt("StartLoop", "Arn"),
        ),
        ("StateMachine", "The workflow", Ref("StateMachine")),
        ("StateMachineLogs", "The workflow's log group", Ref("StateMachineLogs")),
        ("UndeliveredEvents", "Events that did not reach the workflow", Ref("UndeliveredEvents")),
        ("Workgroup", "Athena's workgroup", Ref("ReviewWorkgroup")),
    ):
        template.add_output(Output(name, Description=description, Value=value))
