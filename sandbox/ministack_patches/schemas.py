"""The schemas of resource types: which properties they have, and which values these can have.

CloudFormation's own schemas are no library that is light enough to come with the engine. troposphere knows the
properties of each type, and botocore the limits of the operation that creates a resource.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.protocol import Operation, operation, service_model

__all__ = ["problems"]

_Shape = Any
"""A botocore shape. Its attributes depend on its `type_name`."""


def problems(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """Returns what is wrong with the properties of a resource. Types without a schema have no problems.

    Args:
        kind: The type, such as `AWS::Lambda::Function`.
        properties: The properties, with all functions of the template resolved.
    """
    if kind.count("::") != 2:
        return  # Custom::Type
    yield from _problems_of_names_and_types(kind, properties)
    if creates := _operation(kind):
        given = {_NAMES_IN_API.get(name, name): value for name, value in properties.items()}
        yield from creates.problems_of(_known(creates.model.input_shape, given))


_NAMES_IN_API = {
    "SlackWorkspaceId": "SlackTeamId",
    "TeamsChannelId": "ChannelId",
    "TeamsTenantId": "TenantId",
}
"""Properties that have another name in the operation."""


def _problems_of_names_and_types(kind: str, properties: Mapping[str, Any]) -> Iterator[str]:
    import troposphere

    if (resource := _resource_class(kind)) is None:
        return
    given = dict(properties)
    if (
        isinstance(tags := given.get("Tags"), list)
        and resource.props.get("Tags", ("",))[0] is troposphere.Tags
    ):
        given["Tags"] = troposphere.Tags({tag["Key"]: tag["Value"] for tag in tags})
    try:
        # The title has to consist of letters and digits. It is in no message.
        resource._from_dict("Resource", **given).to_dict()
    except (AttributeError, TypeError, ValueError) as error:
        yield str(error)


@functools.cache
def _resource_class(kind: str) -> Any:
    """Returns the class of troposphere for a type of resource, or None if it has none."""
    service = kind.split("::")[1].lower()
    try:
        module = importlib.import_module(f"troposphere.{'awslambda' if service == 'lambda' else service}")
    except ImportError:
        return None
    for member in vars(module).values():
        if getattr(member, "resource_type", None) == kind:
            return member
    return None


@functools.cache
def _operation(kind: str) -> Operation | None:
    """Returns the operation that creates a resource, if its name follows from the type."""
    _, service, name = kind.split("::")
    try:
        names = service_model(service.lower()).operation_names
    except Exception:  # botocore has no service with that name
        return None
    for prefix in ("Create", "Put", "PutMetric"):
        if prefix + name in names:
            return operation(service.lower(), prefix + name)
    return None


def _known(shape: _Shape, value: Any) -> Any:
    """Returns the part of a value that a shape has, too, with the types of the shape.

    CloudFormation converts between texts, numbers and booleans. What it passes in another form, such as a policy
    document, which is an object in a template and a text in an API, is left out.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = {name[:1].upper() + name[1:]: name for name in shape.members}
        found = {}
        for name, part in value.items():
            if name in members:
                known = _known(shape.members[members[name]], part)
                if known is not None:
                    found[members[name]] = known
        return found
    if kind == "list" and isinstance(value, list):
        parts = [_known(shape.member, part) for part in value]
        return parts if None not in parts else None
    if kind in ("integer", "long") and re.fullmatch(r"-?\d+", str(value)):
        return int(value)
    if kind == "string" and isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return None
