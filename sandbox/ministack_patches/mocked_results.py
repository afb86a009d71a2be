"""Whether the mocked result of a task is one that its service could return."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sandbox.integration_names import operation_of
from sandbox.protocol import service_model

__all__ = ["problem_of_result"]

_IS_PLAIN = re.compile(r"([A-Z][a-z]+[0-9]*)+")
"""Names without acronyms: the SDK for Java, whose names Step Functions has, writes the others in another way."""
_STRINGS = ("string", "char", "blob", "timestamp")
_NUMBERS = ("integer", "long", "float", "double")


def problem_of_result(resource: str, result: Any, mode: str) -> str | None:
    """Returns why TestState refuses a mocked result; None if it does not.

    AWS: with STRICT, all required fields must be there, and with STRICT and PRESENT, those that are there must be as
    the API of the service has them. A field that the API does not have is not checked. The Payload of a function is a
    string in that API, so that an object is refused, although an execution gets one.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html; the messages as in answers of
    AWS that LocalStack's tests have recorded:
    https://github.com/localstack/localstack/tree/main/tests/aws/services/stepfunctions/v2/test_state)

    Args:
        resource: The Resource of the task. What waits for a job or a token has another result, which is not checked.
        result: The result.
        mode: STRICT, PRESENT or NONE.
    """
    named = None if resource.endswith((".sync", ".sync:2", ".waitForTaskToken")) else operation_of(resource)
    if mode == "NONE" or named is None or not isinstance(result, dict):
        return None
    service, operation = named
    shape = service_model(service).operation_model(operation).output_shape
    problem = next(_problems(result, shape, is_strict=mode == "STRICT"), None) if shape is not None else None
    return problem and f"Mock result schema validation error: {problem}"


def _problems(value: dict[str, Any], shape: Any, *, is_strict: bool) -> Iterator[str]:
    """Yields what is wrong with an object."""
    fields = {f"{name[:1].upper()}{name[1:]}": member for name, member in shape.members.items()}
    fields = {name: member for name, member in fields.items() if _IS_PLAIN.fullmatch(name)}
    for name in shape.required_members if is_strict else ():
        if (field := f"{name[:1].upper()}{name[1:]}") in fields and field not in value:
            yield f"Required field '{field}' is missing"
    for name, member in fields.items():
        if value.get(name) is not None:
            yield from _problems_of_field(name, value[name], member, is_strict=is_strict)


def _problems_of_field(name: str, value: Any, shape: Any, *, is_strict: bool) -> Iterator[str]:
    kind = shape.type_name
    if kind in _STRINGS:
        yield from _problems_of_string(name, value, shape)
    elif kind in _NUMBERS:
        yield from _problems_of_number(name, value, shape)
    elif kind == "boolean" and not isinstance(value, bool):
        yield f"Field '{name}' must be a boolean"
    elif kind == "list":
        if not isinstance(value, list):
            yield f"Field '{name}' must be an array"
            return
        for item in value:
            yield from _problems_of_field(name, item, shape.member, is_strict=is_strict)
    elif kind in ("structure", "map"):
        if not isinstance(value, dict):
            yield f"Field '{name}' must be an object"
        elif kind == "structure":
            yield from _problems(value, shape, is_strict=is_strict)


def _problems_of_string(name: str, value: Any, shape: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"Field '{name}' must be a string"
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"Field '{name}' is not an expected value"
    elif len(value) < shape.metadata.get("min", 0):
        yield f"Field '{name}' is smaller than the minimum length"


def _problems_of_number(name: str, value: Any, shape: Any) -> Iterator[str]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        yield f"Field '{name}' must be a number"
    elif value < shape.metadata.get("min", value):
        yield f"Field '{name}' is less than the minimum value"
    elif value > shape.metadata.get("max", value):
        yield f"Field '{name}' exceeds the maximum value"
