"""Broken references in a template: CloudFormation refuses them, but late, and cannot name a file.

A reference is a `Ref`, a `Fn::GetAtt`, or a `${…}` in a `Fn::Sub`.

Source: the return values of each resource type (CloudFormation template reference); Fn::Sub; pseudo parameters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from workflow.asl.checks.arns import why_not_arn

__all__ = ["broken_references", "why_broken", "why_no_resource"]

PSEUDO_PARAMETERS = [
    *("AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition"),
    *("AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"),
]

ATTRIBUTES: Mapping[str, Collection[str]] = {
    "AWS::CloudWatch::Alarm": ["Arn"],
    "AWS::DynamoDB::Table": ["Arn", "StreamArn"],
    "AWS::Events::Archive": ["Arn", "ArchiveName"],
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
"""The attributes of the types in the template. A type that is not here can have any attribute."""

_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::Lambda::Version", "AWS::StepFunctions::StateMachine")
"""Types whose Ref is an ARN."""


def why_broken(text: str, template: Mapping[str, Any], more: Collection[str] = ()) -> str | None:
    """Returns why Fn::Sub cannot fill in a text; None if it can.

    Args:
        text: A text with `${Name}`, `${Name.Attribute}`, `${AWS::Region}`, or `${!literal}`.
        template: The template, as plain JSON.
        more: Names that have a value in addition to the template's.
    """
    if re.search(r"\$\{[^}]*(\$\{|$)", text):
        return "a `${` in it has no `}`"
    for name in re.findall(r"\$\{([^}]*)\}", text):
        if not name.startswith("!") and name not in more and (why := _why(name, template, in_text=True)):
            return why
    return None


def why_no_resource(text: str, template: Mapping[str, Any]) -> str | None:
    """Returns why IAM refuses a text as the resource of a policy; None if it may be one.

    Args:
        text: A text without broken references.
        template: The template, as plain JSON.
    """
    named = re.match(r"\$\{(\w+)\}", text)
    if named:
        kind = template.get("Resources", {}).get(named[1], {}).get("Type", "")
        if "Arn" in ATTRIBUTES.get(kind, ()) and kind not in _REF_IS_ARN:
            return f"${{{named[1]}}} is a name, and IAM needs an ARN: write ${{{named[1]}.Arn}}"
        return None
    if text == "*" or text.startswith("${"):
        return None
    # A part with a wildcard stands for any value.
    parts = ["${any}" if re.search("[*?]", part) else part for part in text.split(":", 5)[:5]]
    return why_not_arn(":".join([*parts, *text.split(":", 5)[5:]])) or None


def broken_references(template: Mapping[str, Any]) -> Iterator[str]:
    """Yields where each broken reference of a template is, and why it is broken."""
    for section in ("Conditions", "Resources", "Outputs"):
        for name, part in template.get(section, {}).items():
            for why in dict.fromkeys(_broken(part, template)):
                yield f"the template's {name}: {why}"


def _broken(node: Any, template: Mapping[str, Any]) -> Iterator[str]:
    match node:
        case {"Ref": str(name)}:
            why = _why(name, template)
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            why = _why(f"{name}.{attribute}", template)
        case {"Fn::Sub": str(text)}:
            why = why_broken(text, template)
        case {"Fn::Sub": [str(text), dict(values)]}:
            why = why_broken(text, template, values)
        case _:
            why = None
    if why:
        yield why
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _broken(inner, template)


def _why(name: str, template: Mapping[str, Any], *, in_text: bool = False) -> str | None:
    resources, parameters = template.get("Resources", {}), template.get("Parameters", {})
    base, _, attribute = name.partition(".")
    if name in PSEUDO_PARAMETERS:
        return None
    if name in parameters:
        kind = str(parameters[name].get("Type", "String"))
        if in_text and kind.startswith(("CommaDelimitedList", "List<")):
            return f"{name} is a list and cannot be part of a string"
        return None
    if base not in resources:
        close = get_close_matches(base, [*resources, *parameters, *PSEUDO_PARAMETERS], 1)
        return f"the template has no {base!r}{f'; did you mean {close[0]!r}?' if close else ''}"
    kind = resources[base]["Type"]
    known = ATTRIBUTES.get(kind)
    if not attribute or known is None or attribute in known:
        return None
    if attribute == "Arn" and kind in _REF_IS_ARN:
        return f"{base!r} has no attribute 'Arn': ${{{base}}} is its ARN"
    close = get_close_matches(attribute, known, 1, 0.5)
    hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"
    return f"{base!r} has no attribute {attribute!r}{hint}"
