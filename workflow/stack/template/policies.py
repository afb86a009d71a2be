"""Statements of IAM policies, declared by functions or derived from steps, and their size limit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from troposphere import If, Join, NoValue, Ref, Split, Sub, Template, iam

from workflow.errors import WorkflowError
from workflow.stack import USE_ANOTHER_MACHINE
from workflow.stack.functions import Function
from workflow.stack.grants import Permission
from workflow.stack.permissions import Statement
from workflow.stack.template.names import NAMES_IN_STEPS, placeholder

__all__ = [
    "MAX_POLICY",
    "THIS_ACCOUNT",
    "allow",
    "declared",
    "derived",
    "expect_policies_that_fit",
    "filled",
    "policy",
    "size_of_policies",
    "tls_only",
    "trust",
    "without_special_names",
]

# Without it, another account could make the service act for it here (the confused deputy problem).
THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}}

# Names of buckets are global: after a bucket was deleted, another account can have one of that name. A condition also
# holds for calls that cannot name the expected owner, such as those of Textract for the caller, and of steps.
_KNOWN_OWNER = {"aws:ResourceAccount": Split(",", Sub("${AWS::AccountId}${BucketAccounts}"))}


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Sequence[str], resources: Any, conditions: Any = None) -> dict[str, Any]:
    """Returns a statement that allows actions on resources; those of S3 only in buckets of known accounts."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    if resources != ["*"] and any(action.startswith("s3:") for action in actions):
        given = conditions or {}
        conditions = {**given, "StringEquals": {**given.get("StringEquals", {}), **_KNOWN_OWNER}}
    return {**statement, "Condition": conditions} if conditions else statement


def trust(service: str, conditions: Any = None) -> dict[str, Any]:
    """Returns a statement that allows a service to assume the role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": conditions} if conditions else statement


def tls_only(action: str, resources: Any) -> dict[str, Any]:
    """Returns a statement that denies access without TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def declared(permission: Permission) -> Any:
    """Returns the statement for a permission that a function declares.

    Raises:
        WorkflowError: `${OutputBuckets}` or `${DocumentBuckets}` is not the only resource.
    """
    if permission.resources == (_WAITING_WORKFLOWS,):
        return allow(
            permission.actions, If("AllWorkflowsWait", Sub(f"{_STATES}:*"), Ref("WaitingWorkflowArns"))
        )
    buckets = [resource for resource in permission.resources if _BUCKETS.match(resource)]
    if not buckets:
        return allow(permission.actions, [_resource(resource) for resource in permission.resources])
    if len(permission.resources) > 1:
        # CloudFormation can split a list, but cannot join the result with another list.
        raise WorkflowError(
            f"a permission on {buckets[0]!r} cannot have other resources: declare {', '.join(permission.actions)} "
            "on them in another permission"
        )
    match = _BUCKETS.match(buckets[0])
    assert match is not None
    parameter, rest = match.groups()
    arns: Any = Ref(parameter)
    if rest:
        arns = Split(",", Sub(f"${{Arns}}{rest}", Arns=Join(f"{rest},", arns)))
    statement = allow(permission.actions, arns)
    return If("DocumentBucketsGiven", statement, NoValue) if parameter == "DocumentBuckets" else statement


_BUCKETS = re.compile(r"\$\{(OutputBuckets|DocumentBuckets)\}(.*)$")

_SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"

_WAITING_WORKFLOWS = "${WaitingWorkflows}"

_STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine"

_RESOURCES = {
    "${FlowDefinitions}": f"{_SAGEMAKER}:flow-definition/*",
    "${HumanLoops}": f"{_SAGEMAKER}:human-loop/*",
}


def without_special_names(resource: str, *, is_step: bool = False) -> str:
    """Returns a declared resource without the names that only this module knows, which Fn::Sub could not fill in.

    Only functions can use the names of the stage's buckets, not steps.
    """
    if resource == _WAITING_WORKFLOWS and not is_step:
        return ""
    match = None if is_step else _BUCKETS.match(resource)
    return match[2] if match else _RESOURCES.get(resource, resource)


def _resource(resource: str) -> Any:
    return filled(_RESOURCES.get(resource, resource))


def filled(text: str) -> Any:
    """Returns a text as Fn::Sub if it has `${…}`."""
    return Sub(text) if "${" in text else text


def derived(statement: Statement, functions: Sequence[Function]) -> dict[str, Any]:
    """Returns the policy statement for what steps need. Placeholders of the definition become references."""

    def named(text: str) -> str:
        for function in functions:
            text = text.replace(placeholder(function), f"${{{function.name}.Arn}}")
        for name, target in NAMES_IN_STEPS.items():
            text = text.replace(f"${{{name}}}", f"${{{target}}}")
        return text

    def value(found: Any) -> Any:
        return [filled(named(one)) for one in found] if isinstance(found, list) else filled(named(found))

    conditions = {
        operator: {key: value(found) for key, found in keys.items()}
        for operator, keys in statement.conditions.items()
    }
    return allow(statement.actions, [_resource(named(one)) for one in statement.resources], conditions)


MAX_POLICY = 10_240
"""Characters of all inline policies of a role, without white space (IAM and STS quotas)."""

_TYPICAL_VALUES = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
}


def expect_policies_that_fit(template: Template) -> None:
    """Refuses a role with too many permissions, which CloudFormation finds only in the middle of an update."""
    for name, role in template.resources.items():
        if isinstance(role, iam.Role):
            size = size_of_policies(
                policy["PolicyDocument"] for policy in role.to_dict()["Properties"].get("Policies", [])
            )
            if size > MAX_POLICY:
                raise WorkflowError(
                    f"the permissions of {name} have about {size:,} characters, and IAM's limit is {MAX_POLICY:,}: "
                    f"use the same resources in several steps, or {USE_ANOTHER_MACHINE}"
                )


def size_of_policies(documents: Iterable[Any]) -> int:
    """About how many characters the policies of a role have, of which IAM accepts `MAX_POLICY`."""
    return sum(len(json.dumps(_estimated(one), separators=(",", ":"))) for one in documents)


def _estimated(value: Any) -> Any:
    """A part of the template, with references replaced by values of about the same length as the real ones."""
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(
                r"\$\{([^}]+)\}",
                lambda found: _TYPICAL_VALUES.get(found[1], "x" * (80 if found[1].endswith(".Arn") else 40)),
                text,
            )
        case {"Fn::Sub": [str(text), dict()]}:
            return _estimated({"Fn::Sub": text})
        case {"Ref": _} | {"Fn::GetAtt": _}:
            return "x" * 80
        case dict():
            return {key: _estimated(one) for key, one in value.items()}
        case list():
            return [_estimated(one) for one in value]
    return value
