"""Which operation of which service a call is for, according to botocore's service models.

A request says so in its path and method (REST), in X-Amz-Target (JSON) or in Action (query); its signature names the
service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session

from sandbox.faults import Caller
from sandbox.protocol import service_model

__all__ = ["Call", "operation_requested"]

_SIGNING_NAMES = {
    "states": ("stepfunctions",),
    "monitoring": ("cloudwatch",),
    "sagemaker": ("sagemaker-a2i-runtime", "sagemaker"),
    "dynamodb": ("dynamodb", "dynamodbstreams"),
    "ses": ("sesv2", "ses"),
    "tagging": ("resourcegroupstaggingapi",),
    "execute-api": (),
}
"""Service in a signature → boto3's names, where they are not the same."""


@dataclass(frozen=True)
class Call:
    """A call of an AWS operation.

    Attributes:
        service: boto3's name of the service.
        operation: The operation.
        caller: Who makes it.
        function: The name of the function that makes it, if a function does.
        process_id: The process of that function.
        interruptible: Whether it comes from a client of `sandbox.session`, which can raise KeyboardInterrupt.
    """

    service: str
    operation: str
    caller: Caller
    function: str | None = None
    process_id: int | None = None
    interruptible: bool = False


def operation_requested(
    method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
) -> tuple[str, str] | None:
    """Returns boto3's name of the service, and the operation, that a signed request is for.

    Args:
        method: The HTTP method.
        path: The path, percent-encoded.
        query: The query, decoded, with blank values.
        headers: The headers, with lower-case names.
        body: The body.

    Returns:
        None for a request that is not signed, or that fits no operation.
    """
    credential = headers.get("authorization", "") + " ".join(query.get("X-Amz-Credential", ()))
    signed = re.search(r"/\d{8}/[^/]+/([^/]+)/aws4_request", credential)
    if signed is None:
        return None
    scope = signed[1]
    for service in _SIGNING_NAMES.get(scope, (scope,)):
        if service in _available():
            operation = _operation(service_model(service), method, path, query, headers, body)
            if operation is not None:
                return service, operation
    return None


def _operation(
    model: Any, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
) -> str | None:
    names = model.operation_names
    prefix, _, name = headers.get("x-amz-target", "").rpartition(".")
    if name:
        return name if prefix == model.metadata.get("targetPrefix") and name in names else None
    if model.protocol in ("query", "ec2"):
        given = {**query, **parse_qs(body.decode(errors="replace"))}
        name = given.get("Action", [""])[0]
        return name if name in names else None
    if model.protocol not in ("rest-json", "rest-xml"):
        return None
    fitting = [route for route in _routes(model.service_name) if route.fits(method, path, query, headers)]
    # The more a route asks for, the more precise it is: an upload of a part is also an upload.
    return min(fitting, key=lambda route: (-route.needs, route.deprecated)).operation if fitting else None


@dataclass(frozen=True)
class _Route:
    """How an operation of a REST service looks in HTTP."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: tuple[tuple[str, str], ...]
    needs_query: tuple[str, ...]
    needs_headers: tuple[str, ...]

    deprecated: bool

    @property
    def needs(self) -> int:
        """How many parts of the query and of the headers a request must have."""
        return len(self.query) + len(self.needs_query) + len(self.needs_headers)

    def fits(self, method: str, path: str, query: dict[str, list[str]], headers: dict[str, str]) -> bool:
        return (
            method == self.method
            and self.path.fullmatch(path) is not None
            and all(name in query and value in ("", query[name][0]) for name, value in self.query)
            and all(name in query for name in self.needs_query)
            and all(name in headers for name in self.needs_headers)
        )


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    model = service_model(service)
    return tuple(_route(model.operation_model(name)) for name in model.operation_names)


def _route(operation: Any) -> _Route:
    uri, _, query = operation.http["requestUri"].partition("?")
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    places = [(one.get("location"), one.get("name", "")) for one in required]
    pattern = re.sub(r"\\{\w+\\\+\\}", "(.+)", re.escape(uri))
    pattern = re.sub(r"\\{\w+\\}", "([^/]+)", pattern)
    pairs = parse_qs(query, keep_blank_values=True)
    return _Route(
        operation=operation.name,
        method=operation.http["method"],
        path=re.compile(pattern.rstrip("/") + "/?"),
        query=tuple((name, unquote(values[0])) for name, values in pairs.items()),
        needs_query=tuple(name for location, name in places if location == "querystring"),
        needs_headers=tuple(name.lower() for location, name in places if location == "header"),
        deprecated=operation.deprecated,
    )


@cache
def _available() -> frozenset[str]:
    return frozenset(botocore.session.Session().get_available_services())
