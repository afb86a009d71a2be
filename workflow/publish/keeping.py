"""What a publish takes away, and running executions still need.

An execution ends with the definition and the function versions that it began with. But the versions of a function are
deleted with it, and each call uses the policies that a role has at that time. So an update that removes a function, or
narrows a role, keeps what executions may need: the function with its role, its logs, its version and its parameters,
and the lost statements as one more policy of the role. A second update removes them when nothing runs that needs them.

The policies of the role at the time of a call:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. Permissions by resource for
functions (AWS::Lambda::Permission) are not kept: Step Functions calls a function with the role of the state machine.

Everything here is a function of templates and parameters; `needs.py` has what decides about them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from workflow.publish.content import KEPT, KEPT_SINCE, POLICY, Content, policies_of, reached
from workflow.publish.granted import Granted, granted
from workflow.publish.literals import Literals
from workflow.publish.resolution import references

__all__ = ["Joined", "joined"]

MAX_PARAMETERS, MAX_RESOURCES, MAX_TEMPLATE = 200, 500, 1_000_000
"""Limits of a template: its parameters, its resources, its size in bytes
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""


@dataclass(frozen=True)
class Joined:
    """A template with what it has of another one."""

    content: Content
    problems: tuple[str, ...] = ()
    """What should be in it and does not fit, in words."""


def joined(
    base: Content,
    other: Content,
    *,
    functions: Collection[str],
    permissions: bool,
    since: datetime | None = None,
) -> Joined:
    """A template with what another one has beside it, so that executions of both can run.

    Args:
        base: The template to add to.
        other: The template to add from: the deployed one, or the one that a rollback restores.
        functions: Logical IDs of the functions of `other` to add, if `base` lacks them.
        permissions: Whether to add permissions that `base` lacks, and what the definition names beside functions.
        since: Which executions of the current definition need it (`Content.kept_since`).

    Returns:
        The result; its content is `base` if there is nothing to add.
    """
    roots = {*functions, *((other.others_of_machine | other.kept_others) if permissions else ())}
    added = reached(other.resources, roots, stop=base.resources.keys())
    added |= {
        version
        for version in other.of_type("AWS::Lambda::Version") - base.resources.keys()
        if added.intersection(references(other.resources[version]))
    }
    literals = Literals(other.template, other.parameters, _differing(base, other))
    resources = {name: _unconditional(literals.in_place(other.resources[name])) for name in sorted(added)}
    problems = []
    for role in sorted(base.roles & other.roles) if permissions else ():
        statements = list(_lost(role, base, other, literals, base.resources.keys() | added))
        if not statements:
            continue
        widened = _widened(base.resources[role], statements)
        if _fits(widened):
            resources[role] = widened
        else:
            problems.append(
                f"the permissions that {role} loses (IAM's limit is 10,240 characters for a role)"
            )
    return _assembled(base, other, resources, added, problems, since)


def _differing(base: Content, other: Content) -> frozenset[str]:
    """Parameters of both templates that are not the same in both."""
    ours, theirs = base.template.get("Parameters", {}), other.template.get("Parameters", {})
    return frozenset(
        name
        for name in ours.keys() & theirs.keys()
        if ours[name].get("Type") != theirs[name].get("Type")
        or base.resolver.parameters[name] != other.resolver.parameters[name]
    )


def _unconditional(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != "Condition"}


def _assembled(
    base: Content,
    other: Content,
    resources: Mapping[str, Any],
    added: Collection[str],
    problems: list[str],
    since: datetime | None,
) -> Joined:
    if not resources:
        return Joined(base, tuple(problems))
    template = base.template
    declared, known = other.template.get("Parameters", {}), template.get("Parameters", {})
    used = sorted(
        {name for one in resources.values() for name in references(one)} & declared.keys() - known.keys()
    )
    kept = sorted({*base.kept, *added, *used})
    metadata = {
        **template.get("Metadata", {}),
        **({KEPT: kept} if kept else {}),
        **({KEPT_SINCE: since.isoformat()} if since else {}),
    }
    content = Content(
        {
            **template,
            "Parameters": {**known, **{name: declared[name] for name in used}},
            "Resources": {**template["Resources"], **resources},
            **({"Metadata": metadata} if metadata else {}),
        },
        {**base.parameters, **{name: other.parameters[name] for name in used if name in other.parameters}},
    )
    size = len(json.dumps(content.template, separators=(",", ":")))
    if (
        len(content.template["Parameters"]) > MAX_PARAMETERS
        or len(content.template["Resources"]) > MAX_RESOURCES
        or size > MAX_TEMPLATE
    ):
        functions = ", ".join(sorted(other.functions.keys() & added))
        return Joined(
            base, (*problems, f"{functions or 'what is removed'} (a limit of CloudFormation for a template)")
        )
    return Joined(content, tuple(problems))


# Permissions


def _lost(
    role: str, base: Content, other: Content, literals: Literals, known: Collection[str]
) -> Iterator[dict[str, Any]]:
    """The statements of a role of `other`, as far as the role of `base` does not have them."""
    grants = list(granted({role: base.resolved[role]}))
    for document in policies_of(other.resources[role]).values():
        for statement in literals.in_place(_listed(document["Statement"])):
            lost = _uncovered(role, statement, other, grants)
            if lost and (lost := _referring_to(lost, known, other)):
                yield lost


def _uncovered(
    role: str, statement: Mapping[str, Any], other: Content, grants: Collection[Granted]
) -> dict[str, Any] | None:
    """The part of a statement that others do not cover."""
    if statement.get("Effect") != "Allow":
        return None  # Without a Deny, a role may do more.

    def is_covered(**part: Any) -> bool:
        one = other.resolver.value({**statement, **part})
        resource = {"Type": "AWS::IAM::Role", "Properties": {"Statement": [one]}}
        return all(any(grant.covers(found) for grant in grants) for found in granted({role: resource}))

    if "NotAction" in statement or "NotResource" in statement:
        return None if is_covered() else dict(statement)
    pairs = [
        (action, resource)
        for action, resource in product(_listed(statement["Action"]), _listed(statement["Resource"]))
        if not is_covered(Action=action, Resource=resource)
    ]
    if not pairs:
        return None
    lost = {
        **statement,
        "Action": [one for one in _listed(statement["Action"]) if any(one == action for action, _ in pairs)],
    }
    # What is not a list may become one only in CloudFormation, such as a reference to a parameter.
    if isinstance(statement["Resource"], list):
        lost["Resource"] = [
            one for one in statement["Resource"] if any(one == resource for _, resource in pairs)
        ]
    return lost


def _referring_to(statement: dict[str, Any], known: Collection[str], other: Content) -> dict[str, Any] | None:
    """A statement without the resources that are not in the template any more; None if it then has none."""
    unknown = other.template["Resources"].keys() - known
    if isinstance(resources := statement.get("Resource"), list):
        kept = [one for one in resources if not unknown.intersection(references(one))]
        if not kept:
            return None
        statement = {**statement, "Resource": kept}
    return None if unknown.intersection(references(statement)) else statement


def _widened(role: Mapping[str, Any], statements: list[dict[str, Any]]) -> dict[str, Any]:
    """A role with more statements, in the policy for them."""
    properties = role["Properties"]
    have = policies_of(role).get(POLICY, {}).get("Statement", [])
    document = {
        "Version": "2012-10-17",
        "Statement": [*have, *(one for one in statements if one not in have)],
    }
    policies = [one for one in properties.get("Policies", []) if one.get("PolicyName") != POLICY]
    policies.append({"PolicyName": POLICY, "PolicyDocument": document})
    return {**role, "Properties": {**properties, "Policies": policies}}


def _fits(role: Mapping[str, Any]) -> bool:
    from workflow.stack.template.policies import MAX_POLICY, size_of_policies  # It imports troposphere.

    return size_of_policies(policies_of(role).values()) <= MAX_POLICY


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
