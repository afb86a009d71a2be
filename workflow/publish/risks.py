"""What a change could do far beyond its step: wide permissions, and doors for others. A person accepts each by name.

A plan shows every changed permission. Among many, one that opens the account is easily overlooked, and `--yes` would
accept it unseen. So these are marked when they are new, and each has to be accepted by its name:

- a wildcard in an action, or a resource that is `*` or has no name before its wildcard, such as `table/*`, unless IAM
  knows no resource for the action,
- an action with which its holder can widen permissions, run code with those of others, or make something public,
- a managed policy, and a role from outside of the stack, because their permissions are not in the template,
- a principal of another account, `*`, a federated principal, or a service that acts for any account,
- a resource that is public, another identity, and a resource that hides what it makes.

Sources: Service Authorization Reference (access level "Permissions management", and which actions have resources),
https://docs.aws.amazon.com/service-authorization/latest/reference/; escalation without `*`:
https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html (PassRole),
https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/; services that act for any account:
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from workflow.publish.granted import ALL_OF_POLICY, ITSELF, Granted, granted
from workflow.stack.permissions import has_no_resource

__all__ = ["Risk", "new_risks"]


@dataclass(frozen=True, order=True)
class Risk:
    """Something new that a person has to accept by name."""

    name: str
    """`HOLDER: WHAT`, as `--accept` takes it. The holder is a function, or the logical ID of another resource."""
    reason: str
    """Why it has to be accepted."""


def new_risks(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Risk]:
    """The risks in a template that are not in the one before, sorted by name.

    Args:
        old: The published resources by logical ID, with their parameters filled in (`resolution.resolved_resources`);
            empty if there are none.
        new: The resources to publish.
    """
    users = _users_of_roles(new)
    before = list(granted(old))
    reasons: dict[str, dict[str, None]] = {}
    for grant in sorted(set(granted(new))):
        if any(other.covers(grant) for other in before):
            continue
        for reason in _of_grant(grant):
            reasons.setdefault(_name(grant, users), {})[reason] = None
    for what, reason in sorted({*_of_resources(new), *_lost_boundaries(old, new)} - {*_of_resources(old)}):
        reasons.setdefault(what, {})[reason] = None
    return [Risk(name, "; ".join(found)) for name, found in sorted(reasons.items())]


def _name(grant: Granted, users: Mapping[str, str]) -> str:
    where = "" if grant.resource in ("*", ITSELF) or grant.principal else f" on {grant.resource}"
    who = f" by {grant.principal}" if grant.principal else ""
    return f"{users.get(grant.holder, grant.holder)}: {grant.action}{where}{who}"


def _users_of_roles(resources: Mapping[str, Any]) -> dict[str, str]:
    """The function or state machine that has a role, by the role's logical ID. A shared role keeps its own name."""
    found: dict[str, list[str]] = {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"):
            role = str(properties.get("Role", properties.get("RoleArn", "")))
            found.setdefault(role.removeprefix("${").removesuffix(".Arn}"), []).append(name)
    return {role: users[0] for role, users in found.items() if len(users) == 1}


# Grants


def _of_grant(grant: Granted) -> Iterator[str]:
    if not grant.allows or (grant.holder, grant.action, grant.resource) in _OF_AFTERLOOP:
        return
    if grant.principal:
        yield from _of_principal(grant)
    if grant.action == ALL_OF_POLICY:
        yield "its permissions are not in the template"
        return
    if grant.action.startswith("all except "):
        yield "allows what it does not name"
    elif re.search(r"[*?]", grant.action):
        yield "allows every action that matches"
    elif not grant.principal and _escalates(grant.action):
        yield "can widen permissions, run code with those of others, or make something public"
    if not grant.principal and _is_wide(grant):
        yield "on all resources"


def _escalates(action: str) -> bool:
    service, _, name = action.lower().partition(":")
    if service in _ALL_WRITES:
        return not name.startswith(_READS)
    # Whatever the service: PutBucketPolicy, AddPermission, SetRepositoryPolicy, PutObjectAcl, CreateFunctionUrlConfig.
    return bool(_DOORS.fullmatch(name)) or f"{service}:{name}" in _ESCALATING


_ALL_WRITES = frozenset(
    {
        "account",
        "iam",
        "identitystore",
        "organizations",
        "ram",
        "rolesanywhere",
        "sso",
        "sso-directory",
        "sts",
    }
)
"""Services whose actions are about who may do what."""

_READS = ("get", "list", "describe", "simulate", "generate", "decode")

_DOORS = re.compile(
    r"(add|attach|associate|create|delete|grant|modify|put|replace|set|update)\w*"
    r"(policy|permissions?|acl|publicaccessblock|functionurlconfig|grant|instanceprofile\w*)"
)

_ESCALATING = frozenset(
    action.lower()
    for action in (
        "cloudformation:CreateChangeSet",
        "cloudformation:CreateStack",
        "cloudformation:CreateStackInstances",
        "cloudformation:CreateStackSet",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:UpdateStack",
        "cloudformation:UpdateStackSet",
        "codebuild:StartBuild",
        "codebuild:StartBuildBatch",
        "codebuild:UpdateProject",
        "cognito-identity:SetIdentityPoolRoles",
        "ec2:ModifyImageAttribute",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifySnapshotAttribute",
        "ecs:ExecuteCommand",
        "glue:UpdateDevEndpoint",
        "glue:UpdateJob",
        "lambda:CreateEventSourceMapping",
        "lambda:UpdateAlias",
        "lambda:UpdateEventSourceMapping",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "rds:ModifyDBSnapshotAttribute",
        "sagemaker:CreatePresignedDomainUrl",
        "sagemaker:CreatePresignedNotebookInstanceUrl",
        "sns:SetTopicAttributes",
        "sqs:SetQueueAttributes",
        "ssm:SendCommand",
        "ssm:StartAutomationExecution",
        "ssm:StartSession",
        "states:UpdateStateMachine",
    )
)


def _is_wide(grant: Granted) -> bool:
    resource = _masked(grant.resource)
    wide_for_anybody = ("", grant.action, grant.resource) in _OF_AFTERLOOP
    if resource == ITSELF or wide_for_anybody or has_no_resource(grant.action):
        return False
    if resource.startswith(("all except ", "{")):  # `{`: a value that only CloudFormation knows.
        return True
    parts = resource.split(":", 5)
    if parts[0] != "arn":
        return resource[:1] in ("*", "?")  # Otherwise a reference, such as ${LedgerTable.Arn}.
    if len(parts) < 6:
        return True  # The last wildcard is for all parts that are missing.
    service, rest = parts[2], parts[5]
    if service not in ("s3", "sns", "sqs"):  # In the ARNs of these, the name comes first.
        rest = re.sub(r"^/?[a-zA-Z-]+[/:]", "", rest)
    return bool(re.search(r"[*?]", service)) or rest[:1] in ("*", "?", "")


def _masked(text: str) -> str:
    """A text with letters for its references, which can have colons."""
    text = text.replace("${AWS::AccountId}", "OWN")
    return re.sub(r"\$\{[^}]*\}", "x", text)


_HERE = "${AWS::Region}:${AWS::AccountId}"

_OF_AFTERLOOP = {
    # A loop is started for any flow definition, unless the stage's settings name some, and has any name.
    ("", "sagemaker:StartHumanLoop", f"arn:${{AWS::Partition}}:sagemaker:{_HERE}:flow-definition/*"),
    ("", "sagemaker:DescribeHumanLoop", f"arn:${{AWS::Partition}}:sagemaker:{_HERE}:human-loop/*"),
    # The reconciler reads how long a task can wait.
    (
        "ReconcileRole",
        "sagemaker:DescribeFlowDefinition",
        f"arn:${{AWS::Partition}}:sagemaker:{_HERE}:flow-definition/*",
    ),
    # Any workflow of the account can wait for a loop.
    ("", "states:SendTaskFailure", f"arn:${{AWS::Partition}}:states:{_HERE}:stateMachine:*"),
    ("", "states:SendTaskSuccess", f"arn:${{AWS::Partition}}:states:{_HERE}:stateMachine:*"),
    # Logs of executions (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html).
    ("StateMachineRole", "logs:PutResourcePolicy", "*"),
    # The settings name a network, and Lambda the interfaces that it creates there.
    ("VpcPolicy", "ec2:AssignPrivateIpAddresses", "*"),
    ("VpcPolicy", "ec2:CreateNetworkInterface", "*"),
    ("VpcPolicy", "ec2:DeleteNetworkInterface", "*"),
    ("VpcPolicy", "ec2:UnassignPrivateIpAddresses", "*"),
}
"""What Afterloop itself needs: holder, action, resource. Without a holder, a step that is allowed the same needs no
acceptance either."""


def _of_principal(grant: Granted) -> Iterator[str]:
    kind, _, principal = grant.principal.partition(" ")
    is_trust = grant.action.lower().startswith("sts:")
    if kind in ("*", "all"):  # "all": everybody except somebody.
        yield "allows everybody"
    elif kind == "Service":
        # Only few services set the source when they assume a role; Lambda does not.
        if not is_trust and not _names_source(grant.condition):
            yield "allows the service to act for any account"
    elif kind != "AWS":
        yield "allows identities from outside of AWS"
    elif not _is_own(principal):
        yield "allows another account"


def _is_own(principal: str) -> bool:
    """Whether a principal is this account, or in it."""
    if re.fullmatch(r"\$\{\w+\.Arn\}", principal):
        return True  # A resource of the stack.
    masked = _masked(principal)
    parts = masked.split(":", 5)
    return masked == "OWN" or (len(parts) == 6 and parts[4] == "OWN")


def _names_source(condition: str) -> bool:
    """Whether a condition, as JSON, admits only sources that it names."""
    try:
        found = json.loads(condition or "{}")
    except ValueError:
        return False
    for key, value in found.items():
        if key in ("SourceArn", "SourceAccount"):
            return True
        if key.removeprefix("ForAllValues:") not in _POSITIVE or not isinstance(value, Mapping):
            continue
        for name, values in value.items():
            listed = values if isinstance(values, list) else [values]
            if name.lower() in _SOURCES and all(str(one).strip("*") for one in listed):
                return True
    return False


_POSITIVE = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "StringEqualsIgnoreCase")

_SOURCES = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner")


# Resources


def _of_resources(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and reason of each risk that is not in a policy."""
    for name, resource in resources.items():
        kind = resource["Type"]
        if reason := next((reason for pattern, reason in _TYPES.items() if fnmatchcase(kind, pattern)), None):
            yield f"{name}: {kind}", reason
        for key, value in _properties(resource.get("Properties", {})):
            if reason := _of_property(key, value, resources):
                yield f"{name}: {key} {value if isinstance(value, str) else json.dumps(value)}", reason


def _lost_boundaries(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in old.keys() & new.keys():
        before, after = (one[name].get("Properties", {}).get("PermissionsBoundary") for one in (old, new))
        if before and before != after:
            yield f"{name}: no PermissionsBoundary {before}", "a limit of its permissions goes"


_TYPES = {
    "AWS::CloudFormation::CustomResource": "hides what it makes",
    "AWS::CloudFormation::Macro": "hides what it makes",
    "AWS::CloudFormation::Stack": "hides what it makes",
    "AWS::CloudFormation::StackSet": "hides what it makes",
    "AWS::IAM::AccessKey": "another way into the account",
    "AWS::IAM::OIDCProvider": "another way into the account",
    "AWS::IAM::SAMLProvider": "another way into the account",
    "AWS::IAM::User": "another way into the account",
    "AWS::RolesAnywhere::*": "another way into the account",
    "Custom::*": "hides what it makes",
}


def _properties(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each property with its own value, however deep; not what policies say, which has its own rules."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            if isinstance(inside, Mapping) and any(one.startswith("Fn::") for one in inside):
                yield name, json.dumps(inside, sort_keys=True)  # Only CloudFormation knows the value.
            if name != "Statement":
                yield from _properties(inside, name)
    elif isinstance(value, list):
        for inside in value:
            yield from _properties(inside, key)
    else:
        yield key, value


def _of_property(key: str, value: Any, resources: Mapping[str, Any]) -> str | None:
    match key, value:
        case "AuthType" | "AuthorizationType" | "FunctionUrlAuthType", "NONE":
            return "everybody can call it"
        case "CidrIp" | "CidrIpv6", "0.0.0.0/0" | "::/0":
            return "open to the internet"
        case "PubliclyAccessible", True | "true":
            return "open to the internet"
        case "AccessControl", "PublicRead" | "PublicReadWrite" | "AuthenticatedRead":
            return "everybody can read it"
        case (
            "BlockPublicAcls" | "BlockPublicPolicy" | "IgnorePublicAcls" | "RestrictPublicBuckets",
            False | "false",
        ):
            return "allows that it becomes public"
        case "Fn::Transform", _:
            return "hides what it makes"
    if key.endswith(("Role", "RoleArn", "RoleARN")) and isinstance(value, str):
        reference = re.fullmatch(r"\$\{(\w+)(\.Arn)?\}", value)
        if not reference or reference[1] not in resources:
            return "a role from outside of the stack, whose permissions are not shown"
    return None
