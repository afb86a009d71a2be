"""Statements of IAM policies, declared by functions or derived from steps, and whether they fit a role."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import If, Join, NoValue, Ref, Split, Sub, Template

from workflow.errors import WorkflowError
from workflow.stack.functions import Function
from workflow.stack.grants import Permission
from workflow.stack.permissions import Statement
from workflow.stack.template.names import NAMES_IN_STEPS, placeholder

__all__ = [
    "THIS_ACCOUNT",
    "allow",
    "declared",
    "derived",
    "expect_policies_that_fit",
    "filled",
    "policy",
    "tls_only",
    "trust",
    "without_special_names",
]

THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}}


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Sequence[str], resources: Any, conditions: Any = None) -> dict[str, Any]:
    """A statement that allows actions on resources."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement


def trust(service: str, conditions: Any = None) -> dict[str, Any]:
    """A statement that lets a service assume the role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": conditions} if conditions else statement


def tls_only(action: str, resources: Any) -> dict[str, Any]:
    """A statement that refuses everything but TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def declared(permission: Permission) -> Any:
    """What a function declares that it may do, as a statement.

    A resource for each of the stage's buckets has to be the statement's only one: CloudFormation splits a list but
    does not join it with another.
    """
    buckets = [resource for resource in permission.resources if _BUCKETS.match(resource)]
    if not buckets:
        return allow(permission.actions, [_resource(resource) for resource in permission.resources])
    if len(permission.resources) > 1:
        raise WorkflowError(
            f"a permission on {buckets[0]!r} must have no other resource: declare {', '.join(permission.actions)} twice"
        )
    match = _BUCKETS.match(buckets[0])
    assert match is not None
    parameter, rest = match.groups()
    arns = Join(f"{rest},arn:aws:s3:::", Ref(parameter))
    statement = allow(permission.actions, Split(",", Sub(f"arn:aws:s3:::${{Names}}{rest}", Names=arns)))
    return If("DocumentBucketsGiven", statement, NoValue) if parameter == "DocumentBuckets" else statement


_BUCKETS = re.compile(r"\$\{(OutputBuckets|DocumentBuckets)\}(.*)$")

_SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"

_RESOURCES = {
    "${FlowDefinitions}": f"{_SAGEMAKER}:flow-definition/*",
    "${HumanLoops}": f"{_SAGEMAKER}:human-loop/*",
}


def without_special_names(resource: str, *, is_step: bool = False) -> str:
    """What is left of a declared resource for Fn::Sub, when the names that only this module knows are filled in.

    The names of the stage's buckets are for functions alone.
    """
    match = None if is_step else _BUCKETS.match(resource)
    return match[2] if match else _RESOURCES.get(resource, resource)


def _resource(resource: str) -> Any:
    return filled(_RESOURCES.get(resource, resource))


def filled(text: str) -> Any:
    """A text with what `${…}` in it stands for."""
    return Sub(text) if "${" in text else text


def derived(statement: Statement, functions: Sequence[Function]) -> dict[str, Any]:
    """What a step needs, as a statement: the definition's placeholders become the template's references."""
    resources = []
    for resource in statement.resources:
        for function in functions:
            resource = resource.replace(placeholder(function), f"${{{function.name}.Arn}}")
        for name, target in NAMES_IN_STEPS.items():
            resource = resource.replace(f"${{{name}}}", f"${{{target}}}")
        resources.append(_resource(resource))
    return allow(statement.actions, resources, statement.conditions)


MAX_POLICY = 10_240
"""Characters of all inline policies of a role, white space left out (IAM and STS quotas)."""

_ABOUT_AS_LONG = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
}


def expect_policies_that_fit(template: Template) -> None:
    """A role of too many steps is told here: CloudFormation finds it half way, and rolls back."""
    for name, role in template.to_dict()["Resources"].items():
        if role["Type"] == "AWS::IAM::Role":
            policies = [policy["PolicyDocument"] for policy in role["Properties"].get("Policies", [])]
            size = sum(len(json.dumps(_about(policy), separators=(",", ":"))) for policy in policies)
            if size > MAX_POLICY:
                raise WorkflowError(
                    f"the permissions of {name} have about {size:,} characters, and IAM takes {MAX_POLICY:,}: let "
                    "steps share what they act on, or move some into a state machine of their own that a step starts"
                )


def _about(value: Any) -> Any:
    """A part of the template with what it becomes, or something of about that length."""
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(
                r"\$\{([^}]+)\}",
                lambda found: _ABOUT_AS_LONG.get(found[1], "x" * (80 if found[1].endswith(".Arn") else 40)),
                text,
            )
        case {"Ref": _} | {"Fn::GetAtt": _}:
            return "x" * 80
        case dict():
            return {key: _about(one) for key, one in value.items()}
        case list():
            return [_about(one) for one in value]
    return value
