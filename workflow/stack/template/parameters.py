"""What a stage sets, as parameters of the stack: the template is one for all stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import Equals, Not, Parameter, Ref, Select, Template

from workflow.stack import EMAILS_PER_TOPIC
from workflow.stack.functions import Function

__all__ = ["add_parameters"]


def add_parameters(template: Template, functions: Sequence[Function], steps: Sequence[Function]) -> None:
    """Adds the parameters and the conditions on them."""

    def parameter(name: str, description: str, kind: str = "String", **more: Any) -> None:
        template.add_parameter(Parameter(name, Type=kind, Description=description, **more))

    parameter("Stage", "The stage that this stack is.", AllowedPattern="[a-z][a-z0-9-]{0,19}")
    parameter("ArtifactBucket", "Holds the functions' bundles.")
    for function in functions:
        parameter(function.key_parameter, f"The bundle of {function.name} in the artifact bucket.")
    for function in steps:
        parameter(function.revision_parameter, f"Changes with code and settings of {function.name}.")
    parameter("OutputBuckets", "Buckets that flow definitions write output.json to.", "CommaDelimitedList")
    parameter(
        "DocumentBuckets",
        "Buckets of what Textract and Rekognition read; `-` for none.",
        "CommaDelimitedList",
        Default="-",
    )
    parameter(
        "FlowDefinitionArns",
        "Only events of these flow definitions; `*` for all.",
        "CommaDelimitedList",
        Default="*",
    )
    for topic in ("Notification", "Escalation"):
        parameter(
            f"{topic}Emails",
            f"{EMAILS_PER_TOPIC} addresses, `-` for none.",
            "CommaDelimitedList",
            Default=",".join(["-"] * EMAILS_PER_TOPIC),
        )
        parameter(
            f"{topic}EmailFlowDefinitions",
            "For each address the one flow definition that it is told about, by name; `*` for all.",
            "CommaDelimitedList",
            Default=",".join(["*"] * EMAILS_PER_TOPIC),
        )
    parameter("LogRetentionDays", "Days that logs are kept.", "Number", Default="30")
    parameter("ReviewSettings", "JSON: what collect_review is told by the stage.")
    parameter("RestartSettings", "JSON: the stage's restart rules.")
    template.add_condition("DocumentBucketsGiven", Not(Equals(Select(0, Ref("DocumentBuckets")), "-")))
    template.add_condition("AllFlowDefinitions", Equals(Select(0, Ref("FlowDefinitionArns")), "*"))
