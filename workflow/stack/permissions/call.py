"""What a step calls, and how an argument of the call becomes the ARN of a resource.

Resources are strings for CloudFormation's Fn::Sub: placeholders of the definition (`${LedgerTable}`) stay in them, and
a bare name becomes an ARN in the stack's partition, Region and account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Call", "Conditions", "Grant", "Resource", "Unknown", "arn_of", "bucket_arn", "is_arn", "joined"]


@dataclass(frozen=True)
class Unknown:
    """A resource that a step does not name: why not, and what kind of resource it is."""

    reason: str
    resource: str


Resource = str | Unknown

Conditions = Mapping[str, Mapping[str, Any]]
"""IAM's Condition block: operator to key to values."""

Grant = tuple[Sequence[str], Resource, Conditions]
"""IAM actions that a step needs, the resource it needs them on, and the conditions."""


@dataclass(frozen=True)
class Call:
    """One call of a step: `<service>:<action>` and its arguments.

    Arguments are found by a path of keys, such as `Document.S3Object.Bucket`. An argument's value is often written
    as a JSONPath or a JSONata expression, so that all of it or a part is known only at run time.

    Attributes:
        service: The service, as Step Functions writes it: `sagemakera2iruntime`.
        action: The action, in camelCase.
        waits: Whether the step waits for the job that it starts (`.sync`).
        arguments: The arguments of the call.
    """

    service: str
    action: str
    waits: bool
    arguments: Mapping[str, Any]

    def has(self, path: str) -> bool:
        """Whether the argument is given."""
        found = self._find(path)
        return found is not None and found.whole

    def text(self, path: str, what: str) -> Resource:
        """Returns the argument's string if it is the same in every execution."""
        pattern = self.pattern(path, what)
        if isinstance(pattern, str) and "*" in pattern:
            return Unknown(f"{path} is known only at run time", what)
        return pattern

    def pattern(self, path: str, what: str, *, new: bool = False) -> Resource:
        """Returns the argument's string, with `*` for each part that is known only at run time.

        Args:
            path: The argument.
            what: The kind of resource that it names.
            new: Whether the step creates the resource. Then `*` alone is allowed.
        """
        found = self._find(path)
        if found is None:
            return Unknown(f"{self.service}:{self.action} is called without {path}", what)
        return _pattern(found) or ("*" if new else Unknown(f"{path} is known only at run time", what))

    def arn(
        self, path: str, what: str, service: str = "", ending: str = "", *, region: bool = True
    ) -> Resource:
        """Returns the ARN that the argument holds or, given a service and an ARN's ending, names."""
        value = self.text(path, what)
        if isinstance(value, Unknown) or not service or is_arn(value):
            return value
        return arn_of(service, ending.format(value), region=region)

    def either(self, path: str) -> list[Resource]:
        """Returns both strings of an argument that is one of two, by a condition; none if it is anything else."""
        found = self._find(path)
        expression = found.value if found and found.whole and not found.path else None
        choice = re.fullmatch(_CHOICE, expression) if isinstance(expression, str) else None
        return [choice[1], choice[2]] if choice else []

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
    """An argument's value in the definition.

    Attributes:
        value: A plain value, a JSONata expression, or (`path`) a JSONPath or an intrinsic function.
        path: Whether the key ends in `.$`.
        whole: Whether this is the argument's own value. If not, it is an expression for an object around it,
            and only a run shows whether the argument is in it.
    """

    value: Any
    path: bool = False
    whole: bool = True


def _pattern(found: _Value) -> str:
    """A string with `*` for the parts known only at run time; empty if that is all of it."""
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


_CHOICE = r"\{%[^?:]*\? *'([^'\\]*)' *: *'([^'\\]*)' *%\}"
"""An expression `{% condition ? 'one' : 'other' %}`."""

_OPERAND = r"""(?:'[^'\\]*'|"[^"\\]*"|\$[\w.$`\[\]]*(?:\([^()]*\))?)"""


def _concatenation(expression: str) -> str:
    """The literals of a JSONata concatenation of literals, paths and simple calls, with `*` for the rest."""
    # Anything else, such as a condition, can give two different strings, which no pattern describes safely.
    if not re.fullmatch(rf"{_OPERAND}(?:\s*&\s*{_OPERAND})*", expression):
        return ""
    operands = re.findall(_OPERAND, expression)
    return "".join("*" if operand.startswith("$") else operand[1:-1] for operand in operands)


def is_arn(value: str) -> bool:
    """Whether the value is an ARN or a placeholder for one: `${TopicArn}`."""
    return re.match(r"arn:|\$\{\w*Arn\}", value) is not None


def arn_of(service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
    """Returns an ARN in the stack's partition, Region and account. ARNs of S3 and IAM leave out some of these."""
    place = ("${AWS::Region}" if region else "") + ":" + ("${AWS::AccountId}" if account else "")
    return f"arn:${{AWS::Partition}}:{service}:{place}:{resource}"


def bucket_arn(bucket: Resource) -> Resource:
    """Returns the ARN of a bucket, given by name or ARN, or of objects, given as `bucket/key`."""
    if isinstance(bucket, Unknown) or is_arn(bucket):
        return bucket
    return arn_of("s3", bucket, region=False, account=False)


def joined(*parts: Resource) -> Resource:
    """Returns the parts in one string, or the first that is unknown."""
    unknown = next((part for part in parts if isinstance(part, Unknown)), None)
    return unknown or "".join(map(str, parts))
