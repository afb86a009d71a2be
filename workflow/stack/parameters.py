"""The parameters of the stack, which bring a stage's settings into the template that all stages share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from workflow.errors import SettingsError
from workflow.stack.chat_settings import chat_parameters
from workflow.stack.partition import partition_of
from workflow.stack.subscriptions import endpoint_parameters, subscription_parameters

if TYPE_CHECKING:
    from workflow.stack.stages import Stage

__all__ = ["ALL_AT_ONCE", "SHIFT", "parameters_of"]

SHIFT = ("ShiftType", "ShiftPercent", "ShiftMinutes", "ShiftAlarms")
"""The parameters of how new executions move to a new version. They matter only to an update that makes one."""

ALL_AT_ONCE = "ALL_AT_ONCE"
"""The value of `ShiftType` without a shift."""

_CALLED = "escalation_emails and escalate_to"
"""The settings with the addresses that get messages when a person has to act."""

NONE = "-"
"""The value of a parameter for a setting that is not given."""

MAX_PARAMETER = 4096
"""Characters of a parameter's value
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""

MAX_PATTERN_ARNS = 2048 - 128
"""Characters of ARNs in a rule's event pattern. All of the pattern can have 2,048
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html)."""

MAX_ENVIRONMENT = 3500
"""Bytes of settings in a function's environment. Lambda takes 4 KB, which also has our other variables and all names
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


def parameters_of(stage: Stage, account: str = "") -> dict[str, str]:
    """Returns the values of the parameters, by name; see `Stage.parameters`."""
    settings = stage.restart_settings()
    # Messages reach email addresses through the topics, so no function needs them.
    no_emails: Any = {"escalate_to": True, "flow_definitions": {"__all__": {"escalate_to"}}}
    escalate_to = {flow: rules.escalate_to for flow, rules in settings.flow_definitions.items()}
    called = (*stage.escalation_emails, *settings.escalate_to)
    parameters = {
        "Stage": stage.name,
        "OutputBuckets": _bucket_arns(stage, stage.output_buckets),
        "DocumentBuckets": _bucket_arns(stage, stage.document_buckets) or NONE,
        "BucketAccounts": "".join(f",{account}" for account in stage.bucket_accounts),
        "FlowDefinitionArns": ",".join(_arn(flow, stage, account) for flow in stage.flow_definitions) or "*",
        "WaitingWorkflowArns": ",".join(_machine(name, stage, account) for name in stage.waiting_workflows)
        or "*",
        **subscription_parameters(
            stage.name, "Notification", "notification_emails", stage.notification_emails, {}
        ),
        **subscription_parameters(stage.name, "Escalation", _CALLED, called, escalate_to),
        # An alarm is about no flow definition, so everybody who is called gets it.
        **subscription_parameters(
            stage.name, "Alarm", _CALLED, (*called, *(one for of in escalate_to.values() for one in of)), {}
        ),
        **chat_parameters(stage.chat),
        **endpoint_parameters("Notification", stage.notification_endpoints),
        **endpoint_parameters("Escalation", stage.escalation_endpoints),
        "LogRetentionDays": str(stage.log_retention_days),
        "ArchiveDays": str(stage.archive_days),
        "DeletionProtection": str(stage.protected).lower(),
        "PermissionsBoundary": stage.permissions_boundary or NONE,
        "Subnets": ",".join(stage.vpc.subnets) if stage.vpc else NONE,
        "SecurityGroups": ",".join(stage.vpc.security_groups) if stage.vpc else NONE,
        **_shift(stage),
        "ReviewSettings": _compact(stage.review_settings().model_dump(by_alias=True, exclude_defaults=True)),
        "RestartSettings": _compact(settings.model_dump(exclude_defaults=True, exclude=no_emails)),
    }
    _expect_short(stage, parameters)
    return parameters


def _expect_short(stage: Stage, parameters: Mapping[str, str]) -> None:
    """Refuses settings that CloudFormation, EventBridge or Lambda would refuse in the middle of a publish."""
    arns = _compact(parameters["FlowDefinitionArns"].split(","))
    in_environment = (
        parameters[name] for name in ("ReviewSettings", "RestartSettings", "FlowDefinitionArns")
    )
    for keys, size, limit, of in (
        ("document_buckets", len(parameters["DocumentBuckets"]), MAX_PARAMETER, "characters of a parameter"),
        (
            "flow_definition_settings (escalate_to)",
            len(parameters["EscalationEmailFlowDefinitions"]),
            MAX_PARAMETER,
            "characters of a parameter",
        ),
        (
            "waiting_workflows",
            len(parameters["WaitingWorkflowArns"]),
            MAX_PARAMETER,
            "characters of a parameter",
        ),
        ("shift.alarms", len(parameters["ShiftAlarms"]), MAX_PARAMETER, "characters of a parameter"),
        ("flow_definitions", len(arns), MAX_PATTERN_ARNS, "characters of ARNs in the rule's event pattern"),
        (
            "output_buckets, predictions, restart, flow_definition_settings (restart, fields, record) and "
            "flow_definitions",
            sum(len(value.encode()) for value in in_environment),
            MAX_ENVIRONMENT,
            "bytes in a function's environment",
        ),
    ):
        if size > limit:
            raise SettingsError(
                f"stage {stage.name}: {keys}: too long: {size} {of}, and the limit is {limit}; "
                "shorten them, or use two stages"
            )


def _shift(stage: Stage) -> dict[str, str]:
    """How new executions move to a new version."""
    if (shift := stage.shift) is None:
        return {"ShiftType": ALL_AT_ONCE, "ShiftPercent": "10", "ShiftMinutes": "10", "ShiftAlarms": ""}
    return {
        "ShiftType": "LINEAR" if shift.linear else "CANARY",
        "ShiftPercent": str(shift.first_percent),
        "ShiftMinutes": str(shift.minutes),
        "ShiftAlarms": "".join(f",{alarm}" for alarm in shift.alarms),
    }


def _arn(flow_definition: str, stage: Stage, account: str) -> str:
    return _arn_of("flow_definitions", "sagemaker", "flow-definition/", flow_definition, stage, account)


def _machine(workflow: str, stage: Stage, account: str) -> str:
    return _arn_of("waiting_workflows", "states", "stateMachine:", workflow, stage, account)


def _arn_of(setting: str, service: str, kind: str, name: str, stage: Stage, account: str) -> str:
    """The ARN of what a setting names in the stage's account and Region; an ARN stays as it is."""
    if name.startswith("arn:"):
        return name
    if not (account := stage.account or account):
        raise SettingsError(
            f"stage {stage.name}: {setting}: the account of {name!r} is unknown; specify its ARN"
        )
    return f"arn:{partition_of(stage.region).name}:{service}:{stage.region}:{account}:{kind}{name}"


def _bucket_arns(stage: Stage, buckets: Iterable[str]) -> str:
    # ARNs, because the template cannot put its partition before each name of a list.
    return ",".join(f"arn:{partition_of(stage.region).name}:s3:::{bucket}" for bucket in buckets)


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)
