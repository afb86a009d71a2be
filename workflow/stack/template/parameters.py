"""The parameters of the stack, which hold a stage's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import Equals, Not, Parameter, Ref, Select, Template

from workflow.stack import (
    EMAILS_PER_TOPIC,
    ENDPOINT_SEPARATOR,
    ENDPOINTS_PER_TOPIC,
    FLOW_SEPARATOR,
    VERSION_MARK,
)
from workflow.stack.functions import Function
from workflow.stack.subscriptions import SLOTS

__all__ = ["add_parameters"]


def add_parameters(template: Template, functions: Sequence[Function], steps: Sequence[Function]) -> None:
    """Adds the parameters, and the conditions that depend on them."""

    def parameter(name: str, description: str, kind: str = "String", **more: Any) -> None:
        template.add_parameter(Parameter(name, Type=kind, Description=description, **more))

    parameter("Stage", "The stage that this stack belongs to.", AllowedPattern="[a-z][a-z0-9-]{0,19}")
    parameter("ArtifactBucket", "The bucket with the bundles of the functions.")
    # Short, because a template is limited to 1 MB. The name of the parameter has that of the function.
    for function in functions:
        parameter(function.key_parameter, f"Its bundle: KEY{VERSION_MARK}VERSION.")
    for function in steps:  # It changes with the code and the settings of the function.
        template.add_parameter(Parameter(function.revision_parameter, Type="String"))
    parameter(
        "OutputBuckets",
        "The ARNs of the buckets that the flow definitions write output.json to.",
        "CommaDelimitedList",
    )
    parameter(
        "DocumentBuckets",
        "The ARNs of the buckets with the documents and images that Textract and Rekognition read; `-` for none.",
        "CommaDelimitedList",
        Default="-",
    )
    parameter(
        "BucketAccounts",
        "Other accounts that may own the buckets which the stage reads and writes, each after a comma.",
        Default="",
        AllowedPattern="(,[0-9]{12})*",
    )
    parameter(
        "FlowDefinitionArns",
        "The flow definitions whose events start the workflow; `*` for all.",
        "CommaDelimitedList",
        Default="*",
    )
    parameter(
        "WaitingWorkflowArns",
        "The state machines whose steps HumanReview are answered, besides the stage's own; `*` for all.",
        "CommaDelimitedList",
        Default="*",
    )
    parameter(
        "SlackChannel", "The workspace and the channel; `-` for none.", "CommaDelimitedList", Default="-,-"
    )
    parameter(
        "TeamsChannel",
        "The tenant, the team and the channel; `-` for none.",
        "CommaDelimitedList",
        Default="-,-,-",
    )
    parameter(
        "ChatNotifications",
        "Whether chats show messages that need no action, too.",
        Default="false",
        AllowedValues=["true", "false"],
    )
    described = {
        "Email": f"{EMAILS_PER_TOPIC} email addresses; `-` for none.",
        "Endpoint": f"{ENDPOINTS_PER_TOPIC} times PROTOCOL{ENDPOINT_SEPARATOR}ENDPOINT; "
        f"`-{ENDPOINT_SEPARATOR}-` for none.",
    }
    for slots in SLOTS:
        unused = slots.write([])
        if slots.parameter not in template.parameters:
            parameter(
                slots.parameter, described[slots.kind], "CommaDelimitedList", Default=unused[slots.parameter]
            )
        if slots.flows_parameter:
            parameter(
                slots.flows_parameter,
                f"For each address, the flow definitions that it gets messages about, with `{FLOW_SEPARATOR}` between "
                "them; `*` for all.",
                "CommaDelimitedList",
                Default=unused[slots.flows_parameter],
            )
    parameter("LogRetentionDays", "The days that CloudWatch Logs keeps the logs.", "Number", Default="30")
    parameter(
        "ArchiveDays", "The days that status changes are archived; 0 for no archive.", "Number", Default="30"
    )
    parameter(
        "DeletionProtection",
        "Whether DynamoDB refuses to delete the tables.",
        Default="false",
        AllowedValues=["true", "false"],
    )
    parameter(
        "PermissionsBoundary", "The ARN of the policy that limits all roles; `-` for none.", Default="-"
    )
    parameter("Subnets", "The subnets of the functions; `-` for none.", "CommaDelimitedList", Default="-")
    parameter(
        "SecurityGroups",
        "The security groups of the functions; `-` for none.",
        "CommaDelimitedList",
        Default="-",
    )
    parameter(
        "ShiftType",
        "How new executions move to a new version of the state machine.",
        Default="ALL_AT_ONCE",
        AllowedValues=["ALL_AT_ONCE", "CANARY", "LINEAR"],
    )
    parameter(
        "ShiftPercent",
        "The percentage of new executions in the first step of a shift.",
        "Number",
        Default="10",
    )
    parameter("ShiftMinutes", "The minutes between two steps of a shift.", "Number", Default="10")
    parameter("ShiftAlarms", "The other alarms that end a shift, each after a comma.", Default="")
    parameter("ReviewSettings", "JSON: how the functions read reviews.")
    parameter("RestartSettings", "JSON: the restart rules of the stage.")
    template.add_condition("DocumentBucketsGiven", Not(Equals(Select(0, Ref("DocumentBuckets")), "-")))
    # EventBridge takes 0 as forever.
    template.add_condition("Archives", Not(Equals(Ref("ArchiveDays"), "0")))
    template.add_condition("Protected", Equals(Ref("DeletionProtection"), "true"))
    template.add_condition("Bounded", Not(Equals(Ref("PermissionsBoundary"), "-")))
    template.add_condition("Vpc", Not(Equals(Select(0, Ref("Subnets")), "-")))
    template.add_condition("Shifts", Not(Equals(Ref("ShiftType"), "ALL_AT_ONCE")))
    template.add_condition("AllWorkflowsWait", Equals(Select(0, Ref("WaitingWorkflowArns")), "*"))
    template.add_condition("AllFlowDefinitions", Equals(Select(0, Ref("FlowDefinitionArns")), "*"))
