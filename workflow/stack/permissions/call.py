"""What a step calls, and how an argument of it becomes the ARN of a resource.

Resources are strings as CloudFormation's Fn::Sub takes them: placeholders of the definition (`${LedgerTable}`) stay in
them, and a bare name becomes an ARN of the stack's own partition, Region and account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Conditions", "Grant", "Unknown", "arn_of", "is_arn", "with_ending"]


@dataclass(frozen=True)
class Unknown:
    """What a step does not say: why not, and what kind of resource is meant."""

    reason: str
    resource: str


Conditions = Mapping[str, Mapping[str, Any]]
"""IAM's Condition block: operator to key to values."""

Grant = tuple[Sequence[str], "str | Unknown", Conditions]
"""IAM actions that a step needs, the resource that it needs them on, and under which conditions."""


@dataclass(frozen=True)
class Call:
    """One call of a step: `<service>:<action>`, whether its end is waited for, and its arguments.

    Arguments are named by paths of keys, such as `Document.S3Object.Bucket`.
    """

    service: str
    action: str
    waits: bool
    arguments: Mapping[str, Any]

    def has(self, path: str) -> bool:
        """Whether the argument is given."""
        found = self._find(path)
        return found is not None and found.whole

    def text(self, path: str, what: str) -> str | Unknown:
        """The string that the argument always is."""
        pattern = self.pattern(path, what)
        if isinstance(pattern, str) and "*" in pattern:
            return Unknown(f"{path} is known only at run time", what)
        return pattern

    def pattern(self, path: str, what: str, *, new: bool = False) -> str | Unknown:
        """The same with `*` for what comes at run time; that may be all of it if the step makes something new."""
        found = self._find(path)
        if found is None:
            return Unknown(f"{self.service}:{self.action} is called without {path}", what)
        return _pattern(found) or ("*" if new else Unknown(f"{path} is known only at run time", what))

    def arn(
        self, path: str, what: str, service: str = "", ending: str = "", *, region: bool = True
    ) -> str | Unknown:
        """The ARN that the argument is or, given a service and how its ARNs end, that its name stands for."""
        value = self.text(path, what)
        if isinstance(value, Unknown) or not service or is_arn(value):
            return value
        return arn_of(service, ending.format(value), region=region)

    def _find(self, path: str) -> _Value | None:
        value: Any = self.arguments
        keys = path.split(".")
        for depth, key in enumerate(keys, 1):
            if isinstance(value, str) and value.startswith("{%"):
                return _Value(value, whole=False)
            if not isinstance(value, Mapping):
                return None
            if f"{key}.$" in value:
                return _Value(value[f"{key}.$"], path=True, whole=depth == len(keys))
            if key not in value:
                return None
            value = value[key]
        return _Value(value)


@dataclass(frozen=True)
class _Value:
    """An argument as it is written: a plain value or a JSONata expression; or a JSONPath, or intrinsic function.

    It is not `whole` if something that holds the argument is written so, and the argument may be in it.
    """

    value: Any
    path: bool = False
    whole: bool = True


def _pattern(found: _Value) -> str:
    """A string with `*` for the parts that come at run time; empty if nothing of it is known."""
    if not isinstance(found.value, str) or not found.whole:
        return ""
    if found.path:
        formatted = re.fullmatch(r"States\.Format\(\s*'([^'\\]*)'.*\)", found.value, re.DOTALL)
        pattern = formatted.group(1).replace("{}", "*") if formatted else ""
    elif expression := re.fullmatch(r"\{%(.*)%\}", found.value, re.DOTALL):
        pattern = _concatenation(expression.group(1).strip())
    else:
        return found.value
    return re.sub(r"\*+", "*", pattern) if pattern.strip("*") else ""


_OPERAND = r"""(?:'[^'\\]*'|"[^"\\]*"|\$[\w.$`\[\]]*(?:\([^()]*\))?)"""


def _concatenation(expression: str) -> str:
    """Of a JSONata concatenation of literals, paths and plain calls: the literals, with `*` for the rest."""
    if not re.fullmatch(rf"{_OPERAND}(?:\s*&\s*{_OPERAND})*", expression):
        return ""
    operands = re.findall(_OPERAND, expression)
    return "".join("*" if operand.startswith("$") else operand[1:-1] for operand in operands)


def is_arn(value: str) -> bool:
    """Whether it is an ARN, or a placeholder for one: `${TopicArn}`."""
    return re.match(r"arn:|\$\{\w*Arn\}", value) is not None


def arn_of(service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
    """An ARN in the stack's partition, Region and account; S3 and IAM leave out some of these."""
    place = ("${AWS::Region}" if region else "") + ":" + ("${AWS::AccountId}" if account else "")
    return f"arn:${{AWS::Partition}}:{service}:{place}:{resource}"


def with_ending(value: str | Unknown, suffix: str) -> str | Unknown:
    """A resource with something after it, if it is known."""
    return value if isinstance(value, Unknown) else value + suffix
