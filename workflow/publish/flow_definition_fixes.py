"""Commands of the AWS CLI that fix what human loops need, with all names filled in as far as they are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

from workflow.publish.heard import bucket_of

__all__ = [
    "CORS_RULE",
    "add_worker",
    "allow_browsers",
    "create_again",
    "create_bucket",
    "create_role",
    "create_team",
    "create_template",
    "trust_sagemaker",
]

CORS_RULE: Mapping[str, Any] = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
"""What Amazon A2I requires of buckets with images: without it, the tasks about them fail
(https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html#a2i-cors-update)."""

TRUST: Mapping[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
"""What the role of a flow definition must have in its trust policy (same page, "Add Permissions to the IAM Role")."""

_CREATED_WITH = (
    "FlowDefinitionName",
    "HumanLoopRequestSource",
    "HumanLoopActivationConfig",
    "HumanLoopConfig",
    "OutputConfig",
    "RoleArn",
)
"""What CreateFlowDefinition takes of what DescribeFlowDefinition returns."""
_CONFIG = (
    "WorkteamArn",
    "HumanTaskUiArn",
    "TaskTitle",
    "TaskDescription",
    "TaskCount",
    "TaskAvailabilityLifetimeInSeconds",
    "TaskTimeLimitInSeconds",
    "TaskKeywords",
)
_OPTIONAL = ("TaskAvailabilityLifetimeInSeconds", "TaskTimeLimitInSeconds", "TaskKeywords")


def create_again(
    flow: Mapping[str, Any], region: str, *, team: str | None = None, output: str | None = None
) -> str:
    """Returns the command that deletes a flow definition and creates it as it was: there is none that changes it.

    Args:
        flow: The flow definition, as DescribeFlowDefinition returns it.
        region: Its Region.
        team: The ARN of another work team.
        output: Another S3OutputPath.
    """
    name = str(flow["FlowDefinitionName"])
    parts = {key: key for key in _CREATED_WITH if key in flow}
    if team is not None:
        config = {
            key: f"HumanLoopConfig.{key}"
            for key in _CONFIG
            if key not in _OPTIONAL or key in flow["HumanLoopConfig"]
        }
        parts["HumanLoopConfig"] = _hash({**config, "WorkteamArn": _literal(team)})
    if output is not None:
        key = {"KmsKeyId": "OutputConfig.KmsKeyId"} if "KmsKeyId" in flow["OutputConfig"] else {}
        parts["OutputConfig"] = _hash({"S3OutputPath": _literal(output), **key})
    named = f"--region {region} --flow-definition-name {quote(name)}"
    file = quote(f"{name}.json")
    return (
        f"aws sagemaker describe-flow-definition {named} --query {quote(_hash(parts))} --output json > {file} && "
        f"aws sagemaker delete-flow-definition {named} && "
        f"aws sagemaker create-flow-definition --region {region} --cli-input-json file://{file}"
    )


def create_team(arn: str, workforce: Mapping[str, Any] | None, region: str) -> str:
    """Returns the command that creates a private work team again, for a group with its name."""
    name = _name(arn)
    config = workforce or {}
    if "OidcConfig" in config:
        return _create_team(name, {"OidcMemberDefinition": {"Groups": [name]}}, region)
    cognito = config.get("CognitoConfig", {"UserPool": "USER-POOL", "ClientId": "CLIENT-ID"})
    group = (
        f"aws cognito-idp create-group --region {region} --user-pool-id {quote(cognito['UserPool'])} "
        f"--group-name {quote(name)}"
    )
    member = {"CognitoMemberDefinition": {**cognito, "UserGroup": name}}
    return f"{group} && {_create_team(name, member, region)}"


def _create_team(name: str, member: Mapping[str, Any], region: str) -> str:
    return (
        f"aws sagemaker create-workteam --region {region} --workteam-name {quote(name)} --description {quote(name)} "
        f"--member-definitions {_json([member])}"
    )


def add_worker(team: Mapping[str, Any], region: str) -> str:
    """Returns the command that adds a person to the first group of a work team."""
    group = next(
        member["CognitoMemberDefinition"]
        for member in team["MemberDefinitions"]
        if "CognitoMemberDefinition" in member
    )
    return (
        f"aws cognito-idp admin-add-user-to-group --region {region} --user-pool-id {quote(group['UserPool'])} "
        f"--group-name {quote(group['UserGroup'])} --username USERNAME"
    )


def create_template(arn: str, region: str) -> str:
    """Returns the command that creates a worker task template again, from a file."""
    return (
        f"aws sagemaker create-human-task-ui --region {region} --human-task-ui-name {quote(_name(arn))} "
        '--ui-template Content="$(cat template.html)"'
    )


def create_role(arn: str, documents: Iterable[str], flows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the command that creates a role again: it reads what is shown, and writes the outputs.

    Args:
        arn: The ARN of the role.
        documents: The buckets of what is shown.
        flows: The flow definitions that have the role.
    """
    partition, resource = arn.split(":")[1], arn.partition(":role")[2]
    path, name = resource[: resource.rindex("/") + 1], quote(_name(arn))

    def objects(buckets: Iterable[str]) -> list[str]:
        return [f"arn:{partition}:s3:::{bucket}/*" for bucket in buckets]

    outputs = sorted({bucket_of(flow) for flow in flows})
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects(sorted({*documents, *outputs}))},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": objects(outputs)},
    ]
    in_path = "" if path == "/" else f"--path {quote(path)} "
    return (
        f"aws iam create-role --role-name {name} {in_path}--assume-role-policy-document {_policy([TRUST])} && "
        f"aws iam put-role-policy --role-name {name} --policy-name human-review "
        f"--policy-document {_policy(statements)}"
    )


def trust_sagemaker(role: Mapping[str, Any]) -> str:
    """Returns the command that lets SageMaker assume a role, beside who can already."""
    document = role.get("AssumeRolePolicyDocument") or {}
    statements = document.get("Statement", [])
    present = [statements] if isinstance(statements, Mapping) else statements
    return (
        f"aws iam update-assume-role-policy --role-name {quote(role['RoleName'])} "
        f"--policy-document {_policy([*present, TRUST])}"
    )


def create_bucket(bucket: str, region: str) -> str:
    """Returns the command that creates a bucket in a Region."""
    # S3 rejects us-east-1 as a LocationConstraint: there, it is left out.
    place = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
    return f"aws s3api create-bucket --region {region} --bucket {quote(bucket)}{place}"


def allow_browsers(bucket: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """Returns the command that adds the CORS rule to those of a bucket, which it would replace otherwise."""
    return (
        f"aws s3api put-bucket-cors --bucket {quote(bucket)} "
        f"--cors-configuration {_json({'CORSRules': [*rules, CORS_RULE]})}"
    )


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _policy(statements: Sequence[Any]) -> str:
    return _json({"Version": "2012-10-17", "Statement": list(statements)})


def _json(value: Any) -> str:
    return quote(json.dumps(value, separators=(",", ":")))


def _hash(parts: Mapping[str, str]) -> str:
    """A JMESPath that makes an object."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in parts.items()) + "}"


def _literal(text: str) -> str:
    return "`" + json.dumps(text).replace("`", "\\`") + "`"
