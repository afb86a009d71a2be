"""Literal values in the arguments of an API call that have another type than its field, or are not among its values.

What is only known at run time (`.$`, `{% … %}`, `${…}`) is not checked. Fields that take a text also take an object in
some integrations, which Step Functions writes as JSON. botocore can be older than a value, so one that resembles no
known value is only a warning.

Source: botocore's models of the services; for DynamoDB, AttributeValue in its API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow.asl.checks.calls import fields_of, input_of
from workflow.asl.checks.problem import Severity, similar
from workflow.asl.integration import arguments_of, integration_of

__all__ = ["problems_of_literals"]

_Found = tuple[str, Severity]


def problems_of_literals(state: Mapping[str, Any]) -> Iterator[_Found]:
    """Literal values in the arguments of a Task that its API refuses, each with its severity.

    Args:
        state: A state in Amazon States Language.
    """
    called = integration_of(state)
    found = called and input_of(called)
    if called is None or found is None:
        return
    shape, model = found
    given = arguments_of(state)
    if isinstance(given, Mapping):
        call = f"{called.service}:{called.action}"
        yield from _of_structure(given, shape, call, model["shapes"])


def _of_structure(
    given: Mapping[str, Any], shape: Mapping[str, Any], where: str, shapes: Mapping[str, Any]
) -> Iterator[_Found]:
    fields = fields_of(shape)
    for key, value in given.items():
        name, member = fields.get(key.lower(), ("", {}))
        if name and member["shape"] != "Any" and key not in _FREE:
            yield from _of_value(value, member["shape"], f"{where}: {key}", shapes)


_FREE = frozenset({"Body", "Detail", "Input", "Message", "MessageBody", "Payload"})
"""Fields whose value Step Functions writes as JSON."""


def _of_value(value: Any, shape_name: str, where: str, shapes: Mapping[str, Any]) -> Iterator[_Found]:
    shape = shapes[shape_name]
    kind = shape["type"]
    if value is None or (isinstance(value, str) and (value.startswith("{%") or "${" in value)):
        return
    if shape_name == "AttributeValue" and {"S", "N"} <= shape.get("members", {}).keys():
        yield from _of_attribute(value, where)
    elif kind in _KINDS:
        types, must = _KINDS[kind]
        fits = bool(isinstance(value, types)) and (bool in types or not isinstance(value, bool))
        if not fits:
            # Step Functions may read a number from a text.
            is_number = must == "a number" and isinstance(value, str) and value.isdecimal()
            if not shape.get("document"):
                yield f"{where} must be {must}, not {value!r}", "warning" if is_number else "error"
        elif kind == "structure":
            yield from _of_structure(value, shape, where, shapes)
        elif kind == "map":
            for key, item in value.items():
                if not key.endswith(".$"):
                    yield from _of_value(item, shape["value"]["shape"], f"{where}.{key}", shapes)
        elif kind == "list":
            for number, item in enumerate(value):
                yield from _of_value(item, shape["member"]["shape"], f"{where}[{number}]", shapes)
    elif kind == "string" and isinstance(value, int | float):
        yield f"{where} must be a text, not {value!r}: write {str(value)!r}", "error"
    elif isinstance(value, str) and "enum" in shape and value not in shape["enum"]:
        close = similar(value, shape["enum"], 0.8)
        known = f"did you mean {close!r}?" if close else f"the values are {', '.join(shape['enum'][:20])}"
        yield f"{where} has no value {value!r}; {known}", "error" if close else "warning"


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "structure": ((Mapping,), "an object"),
    "map": ((Mapping,), "an object"),
    "list": ((list,), "a list"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int, float), "a number"),
    "long": ((int, float), "a number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
}


def _of_attribute(value: Any, where: str) -> Iterator[_Found]:
    """A value of DynamoDB, which is an object of its type and its value; numbers are texts."""
    if not isinstance(value, Mapping):
        meant = {"BOOL": value} if isinstance(value, bool) else {"N": str(value)}
        meant = {"S": value} if isinstance(value, str) else meant
        yield f"{where} must have its type: write {meant}", "error"
        return
    for key, part in value.items():
        name = key.removesuffix(".$")
        if name not in _ATTRIBUTES and name not in _OF_JAVA:
            yield f"{where} has no type {name!r}; the types are {', '.join(_ATTRIBUTES)}", "error"
        elif name == "M" and isinstance(part, Mapping):
            for inner, item in part.items():
                if not inner.endswith(".$"):
                    yield from _of_attribute(item, f"{where}.M.{inner}")
        elif name == key and name in ("S", "N") and isinstance(part, int | float):
            yield f"{where}.{name} must be a text, not {part!r}: write {str(part)!r}", "error"


_ATTRIBUTES = ("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS")
_OF_JAVA = ("Bool", "Nul", "Ss", "Ns", "Bs")
"""The names of types in AWS SDK integrations."""
