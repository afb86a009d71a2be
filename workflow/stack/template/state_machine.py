"""The state machine with its role and its logs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, stepfunctions

from workflow.errors import WorkflowError
from workflow.stack import USE_ANOTHER_MACHINE
from workflow.stack.functions import Function
from workflow.stack.permissions import Statement
from workflow.stack.template.names import NAMES_IN_STEPS, version_of
from workflow.stack.template.policies import THIS_ACCOUNT, allow, derived, policy, trust
from workflow.stack.template.roles import role
from workflow.stack.template.tags import log_group, tags

__all__ = ["add_state_machine"]


def add_state_machine(
    template: Template,
    definition: Mapping[str, Any],
    functions: Sequence[Function],
    statements: Sequence[Statement],
) -> None:
    """Adds the state machine with its role and log group.

    Raises:
        WorkflowError: The definition is too large for Step Functions.
    """
    # ASCII only: GetTemplate returns any other character as "?", and a plan compares with its answer. Compact, because
    # a template is limited to 1 MB, and the definition is most of it.
    text = _in_any_partition(json.dumps(definition, separators=(",", ":")))
    _expect_definition_that_fits(text, definition)
    # TestState runs a single step with this role, for no state machine, and AWS does not say with which source. So this
    # confines Step Functions to the account and the Region, as its developer guide does ("confused deputy").
    source = Sub("arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:*")
    logs = template.add_resource(
        log_group("StateMachineLogs", Sub("/aws/vendedlogs/states/afterloop-${Stage}"))
    )
    execution_role = template.add_resource(
        role(
            "StateMachineRole",
            "Permissions of the workflow, derived from its steps",
            trust("states.amazonaws.com", {**THIS_ACCOUNT, "ArnLikeIfExists": {"aws:SourceArn": source}}),
            {
                "steps": policy(*(derived(statement, functions) for statement in statements)),
                "logs-and-traces": policy(
                    # IAM has no resources for log delivery and tracing (Step Functions developer guide).
                    allow(
                        [
                            "logs:CreateLogDelivery",
                            "logs:DeleteLogDelivery",
                            "logs:DescribeLogGroups",
                            "logs:DescribeResourcePolicies",
                            "logs:GetLogDelivery",
                            "logs:ListLogDeliveries",
                            "logs:PutResourcePolicy",
                            "logs:UpdateLogDelivery",
                            "xray:GetSamplingRules",
                            "xray:GetSamplingTargets",
                            "xray:PutTelemetryRecords",
                            "xray:PutTraceSegments",
                        ],
                        "*",
                    )
                ),
            },
        )
    )
    template.add_resource(
        stepfunctions.StateMachine(
            "StateMachine",
            StateMachineName=Sub("afterloop-${Stage}"),
            StateMachineType="STANDARD",
            RoleArn=GetAtt(execution_role, "Arn"),
            DefinitionString=text,
            # Only those in use: a function that no step names has no version to refer to.
            DefinitionSubstitutions={
                name: value
                for name, value in {
                    **{f"{function.name}Arn": Ref(version_of(function)) for function in functions},
                    **{name: Ref(target) for name, target in NAMES_IN_STEPS.items()},
                }.items()
                if f"${{{name}}}" in text
            },
            LoggingConfiguration=stepfunctions.LoggingConfiguration(
                Level="ALL",
                # Inputs and outputs of states can have personal data, so they stay out of the logs.
                IncludeExecutionData=False,
                Destinations=[
                    stepfunctions.LogDestination(
                        CloudWatchLogsLogGroup=stepfunctions.CloudWatchLogsLogGroup(
                            LogGroupArn=GetAtt(logs, "Arn")
                        )
                    )
                ],
            ),
            TracingConfiguration=stepfunctions.TracingConfiguration(Enabled=True),
            Tags=tags(),
        )
    )


MAX_DEFINITION = 1024 * 1024
"""The maximum size of a definition in bytes (Step Functions quotas)."""

_MAX_VALUES = {
    "Partition": len("aws-us-gov"),
    "Region": len("ap-northeast-1"),
    "Stage": 20,
    "LedgerTable": 63,
    "ReviewBucket": 63,
}
"""Placeholder → the maximum length of its value. The others are ARNs of functions and topics."""

_MAX_ARN = 64 + 64
"""The ARN of a version of a function: 64 characters, and the name, which has at most 64."""


def _expect_definition_that_fits(text: str, definition: Mapping[str, Any]) -> None:
    """Refuses a definition that is too large once CloudFormation has filled in its placeholders."""
    filled = re.sub(r"\$\{(\w+)\}", lambda found: "x" * _MAX_VALUES.get(found[1], _MAX_ARN), text)
    if len(filled) > MAX_DEFINITION:
        raise WorkflowError(
            f"the definition has {len(filled):,} bytes with the ARNs of its functions; Step Functions accepts at most "
            f"{MAX_DEFINITION:,}: {USE_ANOTHER_MACHINE}"
        )


def _in_any_partition(definition: str) -> str:
    """Returns the definition with the stack's partition in the ARNs of integrations, which are rendered for `aws`."""
    return definition.replace('"arn:aws:states:::', '"arn:${Partition}:states:::')
