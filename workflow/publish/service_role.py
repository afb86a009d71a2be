"""The role that CloudFormation assumes to change a stack: what a plan says about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workflow.publish.plan import Plan, SettingChange

if TYPE_CHECKING:
    from workflow.publish.package import Package
    from workflow.publish.stacks import Stack

__all__ = ["with_service_role"]


def with_service_role(plan: Plan, stack: Stack, package: Package) -> Plan:
    """Returns the plan with a change of the role that CloudFormation assumes.

    CloudFormation keeps the role of the last operation, and none can be taken from a stack. An operation needs another
    change than that of the role
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html).
    """
    before, after = stack.service_role, package.service_role
    if before == (after or ""):
        return plan
    if after is None:
        kept = (
            f"CloudFormation goes on with the role {before}, although the settings name none: no role can be taken "
            "from a stack; to use another one, set service_role"
        )
        return replace(plan, warnings=[*plan.warnings, kept])
    if plan.is_empty:
        later = f"service_role: CloudFormation takes the role {after} with the next change of the stack"
        return replace(plan, warnings=[*plan.warnings, later])
    return replace(plan, settings=[*plan.settings, SettingChange("service_role", before or None, after)])
