"""What IAM roles and the policies of resources allow AWS services to do.

MiniStack checks the permissions of those who call its API. What services do on their own, such as a rule that starts an
execution, does not pass through its API. The functions here check it, with MiniStack's own evaluation of policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["any_resource", "can_assume", "resource_allows", "role_allows"]


def can_assume(role_arn: str, service: str, source_arn: str) -> bool:
    """Says whether a service can assume a role: the role exists, and its trust policy names the service.

    Args:
        role_arn: ARN of the role.
        service: The service, such as `events.amazonaws.com`.
        source_arn: The resource for which the service acts: `aws:SourceArn` in conditions.
    """
    role = _role(role_arn)
    if role is None:
        return False
    trust = role.get("AssumeRolePolicyDocument")
    return resource_allows(trust, "sts:AssumeRole", role_arn, service=service, source_arn=source_arn)


def role_allows(role_arn: str, action: str, resource_arn: str, values: Mapping[str, Any] = {}) -> bool:
    """Says whether the policies of a role allow an action on a resource.

    Args:
        role_arn: ARN of the role. A role that does not exist allows nothing.
        action: The action, such as `states:StartExecution`.
        resource_arn: ARN of the resource.
        values: The values of condition keys.
    """
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_region
    from ministack.services import iam

    account, name = _account(role_arn), _name(role_arn)
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context={key.lower(): value for key, value in values.items()},
    )
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, account)
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies, *boundary).decision == "Allow")


def any_resource(role_arn: str, action: str) -> str:
    """Returns a resource, or a pattern of resources, on which the policies of a role may allow an action.

    Returns:
        `*` if there is none.
    """
    from ministack.core import iam_evaluator

    for statements in iam_evaluator._gather_role_policies(_name(role_arn), _account(role_arn)):
        for statement in statements:
            for resource in statement.resources:
                if role_allows(role_arn, action, resource):
                    return str(resource)
    return "*"


def resource_allows(policy: Any, action: str, resource_arn: str, *, service: str, source_arn: str) -> bool:
    """Says whether the policy of a resource allows an action to a service.

    Args:
        policy: The policy document, as a dict or as JSON. None allows nothing.
        action: The action, such as `lambda:InvokeFunction`.
        resource_arn: ARN of the resource.
        service: The service, such as `events.amazonaws.com`.
        source_arn: The resource for which the service acts: `aws:SourceArn` in conditions.
    """
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_region

    # The caller is the service, not a principal of the account: only a statement that names the service counts, or
    # one for everybody.
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": _account(source_arn)},
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow")


def _role(role_arn: str) -> dict[str, Any] | None:
    from ministack.services import iam

    role: dict[str, Any] | None = iam._roles.get_scoped(_account(role_arn), None, _name(role_arn))
    return role if role is not None and role.get("Arn") == role_arn else None


def _account(arn: str) -> str:
    return arn.split(":")[4] if arn.count(":") > 4 else ""


def _name(role_arn: str) -> str:
    return role_arn.rsplit("/", 1)[-1]
