"""What the policies of a template grant, as lines that can be compared and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["ALL_OF_POLICY", "ITSELF", "Granted", "granted"]

ALL_OF_POLICY = "all actions of the policy"
"""The action of a managed policy, whose statements are not in the template."""

ITSELF = "itself"
"""The resource of a statement without one: the role of a trust policy, or the resource that has the policy."""


@dataclass(frozen=True, order=True)
class Granted:
    """An action that a statement allows or denies, on one resource, to one principal."""

    holder: str
    """Logical ID of the role, or of the resource with the policy."""
    allows: bool
    action: str
    """The action; `all except ACTION, ACTION` for a NotAction."""
    resource: str
    """The resource; `all except ARN, ARN` for a NotResource."""
    condition: str
    """The condition as JSON; empty if there is none."""
    principal: str
    """`*`, or the kind and the principal, such as `Service events.amazonaws.com`; empty in the policy of a role."""

    def covers(self, other: Granted) -> bool:
        """Whether this grant includes another one."""
        return (
            self.holder == other.holder
            and self.allows == other.allows
            and self.principal in (other.principal, "*")
            and self.condition in ("", other.condition)
            and _matches(self.action.lower(), other.action.lower())
            and _matches(self.resource, other.resource)
        )


def _matches(pattern: str, text: str) -> bool:
    if pattern.startswith(_EXCEPT):
        return pattern == text  # What is left out by a wildcard is more than what is left out by a name.
    # IAM has the wildcards * and ?, but no character classes: escape the brackets for fnmatch.
    return pattern == text or fnmatchcase(text, pattern.replace("[", "[[]"))


def granted(resources: Mapping[str, Any]) -> Iterator[Granted]:
    """What the resources of a template grant.

    Args:
        resources: The resources by logical ID, with their parameters filled in (`resolution.resolved_resources`).
    """
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if "Principal" in properties and "Action" in properties:
            # AWS::Lambda::Permission and its like: a statement whose condition is in keys of its own.
            yield from _by_principals(
                name,
                allows=True,
                action=_line(properties["Action"]),
                resource=_line(properties.get("FunctionName", ITSELF)),
                condition=_line({k: v for k, v in properties.items() if k in _CONDITIONS} or ""),
                principal=properties["Principal"],
            )
        for statement in _statements(properties):
            yield from _statement(name, statement)
        if resource["Type"].startswith("AWS::IAM::"):
            for arn in map(_line, _listed(properties.get("ManagedPolicyArns", []))):
                # The statements of a policy of the template are shown with the policy.
                if arn.removeprefix("${").removesuffix("}") not in resources:
                    yield Granted(name, True, ALL_OF_POLICY, arn, "", "")


_CONDITIONS = ("SourceArn", "SourceAccount", "PrincipalOrgID", "OrganizationId", "Condition")


def _statements(value: Any) -> Iterator[Mapping[str, Any]]:
    """The statements of all policies in a value: each service has other keys for them, and some take JSON text."""
    if isinstance(value, str):
        if '"Statement"' not in value:
            return
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, dict):
        for statement in _listed(value.get("Statement", [])):
            if isinstance(statement, dict) and "Effect" in statement:
                yield statement
        for inside in value.values():
            yield from _statements(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _statements(inside)


_EXCEPT = "all except "


def _statement(holder: str, statement: Mapping[str, Any]) -> Iterator[Granted]:
    for action in _named(statement, "Action"):
        for resource in _named(statement, "Resource") or [ITSELF]:
            yield from _by_principals(
                holder,
                allows=statement["Effect"] == "Allow",
                action=action,
                resource=resource,
                condition=_line(statement.get("Condition", "")),
                principal=statement.get("Principal", {_EXCEPT: statement.get("NotPrincipal", [])}),
            )


def _named(statement: Mapping[str, Any], key: str) -> list[str]:
    """The actions or resources of a statement. What it leaves out belongs together, so that is one text."""
    if f"Not{key}" in statement:
        return [_EXCEPT + ", ".join(sorted(map(_line, _listed(statement[f"Not{key}"]))))]
    return [_line(one) for one in _listed(statement.get(key, []))]


def _by_principals(holder: str, *, principal: Any, **what: Any) -> Iterator[Granted]:
    for one in _principals(principal) or [""]:
        yield Granted(holder, principal=one, **what)


def _principals(principal: Any) -> list[str]:
    if isinstance(principal, Mapping):
        found = []
        for kind, values in principal.items():
            for value in _listed(values):
                if kind == _EXCEPT:
                    found += [_EXCEPT + other for other in _principals(value)]
                else:
                    found.append("*" if value == "*" else f"{kind} {_line(value)}")
        return found
    text = _line(principal)
    if text == "*":
        return [text]
    return [f"Service {text}" if text.endswith((".amazonaws.com", ".amazonaws.com.cn")) else f"AWS {text}"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
