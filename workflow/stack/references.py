"""References of a template that lead nowhere: CloudFormation refuses them, late, and names no file.

A reference is a `Ref`, a `Fn::GetAtt`, or a `${…}` of a `Fn::Sub`. What a person wrote is told where it stands; the
look over the whole template finds what got into it in any other way.

Source: the return values of each resource type (CloudFormation template reference); Fn::Sub; pseudo parameters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

__all__ = ["astray", "leads_nowhere"]

PSEUDO = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)

ATTRIBUTES: Mapping[str, Collection[str]] = {
    "AWS::CloudWatch::Alarm": ["Arn"],
    "AWS::DynamoDB::Table": ["Arn", "StreamArn"],
    "AWS::Events::Rule": ["Arn"],
    "AWS::IAM::Role": ["Arn", "RoleId"],
    "AWS::Lambda::Function": ["Arn"],
    "AWS::Lambda::Version": ["FunctionArn", "Version"],
    "AWS::Logs::LogGroup": ["Arn"],
    "AWS::S3::Bucket": ["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"],
    "AWS::SNS::Topic": ["TopicArn", "TopicName"],
    "AWS::SQS::Queue": ["Arn", "QueueName", "QueueUrl"],
    "AWS::StepFunctions::StateMachine": ["Arn", "Name", "StateMachineRevisionId"],
}
"""What Fn::GetAtt knows of the types that the template has; of a type that is not here, anything is taken."""

_ARN_BY_NAME = ("AWS::SNS::Topic", "AWS::Lambda::Version", "AWS::StepFunctions::StateMachine")
"""Types whose Ref is an ARN already."""


def leads_nowhere(text: str, template: Mapping[str, Any], more: Collection[str] = ()) -> str | None:
    """Why a text cannot be filled in by Fn::Sub; None if it can.

    Args:
        text: with `${Name}`, `${Name.Attribute}`, `${AWS::Region}`, or `${!as it is}`.
        template: the template, as plain JSON.
        more: names that have a value beside the template's.
    """
    if re.search(r"\$\{[^}]*(\$\{|$)", text):
        return "a `${` in it has no `}`"
    for name in re.findall(r"\$\{([^}]*)\}", text):
        if not name.startswith("!") and name not in more and (why := _why(name, template, in_text=True)):
            return why
    return None


def astray(template: Mapping[str, Any]) -> Iterator[str]:
    """Each reference of a template that leads nowhere: where it stands, and why."""
    for section in ("Conditions", "Resources", "Outputs"):
        for name, part in template.get(section, {}).items():
            for why in dict.fromkeys(_astray(part, template)):
                yield f"the template's {name}: {why}"


def _astray(node: Any, template: Mapping[str, Any]) -> Iterator[str]:
    match node:
        case {"Ref": str(name)} if len(node) == 1:
            if why := _why(name, template):
                yield why
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            if why := _why(f"{name}.{attribute}", template):
                yield why
        case {"Fn::GetAtt": str(name)}:
            if why := _why(name, template):
                yield why
        case {"Fn::Sub": str(text)}:
            if why := leads_nowhere(text, template):
                yield why
        case {"Fn::Sub": [str(text), dict(values)]}:
            if why := leads_nowhere(text, template, values):
                yield why
            yield from _astray(values, template)
        case dict():
            for value in node.values():
                yield from _astray(value, template)
        case list():
            for value in node:
                yield from _astray(value, template)


def _why(name: str, template: Mapping[str, Any], *, in_text: bool = False) -> str | None:
    resources, parameters = template.get("Resources", {}), template.get("Parameters", {})
    base, _, attribute = name.partition(".")
    if name in PSEUDO:
        return None
    if name in parameters:
        kind = str(parameters[name].get("Type", "String"))
        if in_text and kind.startswith(("CommaDelimitedList", "List<")):
            return f"{name} is a list, which cannot stand in a text"
        return None
    if base not in resources:
        close = get_close_matches(base, [*resources, *parameters, *PSEUDO], 1)
        return f"the template has no {base!r}{f'; did you mean {close[0]!r}?' if close else ''}"
    kind = resources[base]["Type"]
    known = ATTRIBUTES.get(kind)
    if not attribute or known is None or attribute in known:
        return None
    if attribute == "Arn" and kind in _ARN_BY_NAME:
        return f"{base!r} has no attribute 'Arn': ${{{base}}} is its ARN"
    close = get_close_matches(attribute, known, 1, 0.5)
    hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"
    return f"{base!r} has no attribute {attribute!r}{hint}"
