"""AWS's wire protocols, from botocore's own service models: requests in, checked; responses and errors out.

The models say what boto3 may send and will accept, so the sandbox answers by them and by nothing else:
REST-JSON for the human-loop service, JSON 1.1 for SageMaker, Textract and Rekognition.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp

__all__ = ["Operation", "ServiceError", "find_operation", "iso_time", "operation", "service_model"]

_Shape = Any
"""A shape of botocore's: which attributes it has depends on its `type_name`."""


class ServiceError(Exception):
    """An error as AWS returns it to the caller.

    Attributes:
        code: its name, such as `ConflictException`.
        message: what AWS would say.
        status: the HTTP status; by the service's model when None.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Operation:
    """One operation of one service, and what its messages look like.

    Attributes:
        service: botocore's name of the service, such as `sagemaker-a2i-runtime`.
        model: botocore's model of the operation.
    """

    service: str
    model: OperationModel

    @property
    def name(self) -> str:
        """Its name on the wire, such as `StartHumanLoop`."""
        return str(self.model.name)

    @property
    def is_rest(self) -> bool:
        """Whether it speaks REST-JSON; else JSON 1.1."""
        return bool(self.model.service_model.protocol == "rest-json")

    def parse(self, path: str, query: Mapping[str, list[str]], body: bytes) -> dict[str, Any]:
        """Reads a request, and checks it against the model.

        Args:
            path: the URL's path, percent-encoded as it came.
            query: the URL's query, decoded.
            body: the request's body.

        Returns:
            The parameters as boto3 names them; timestamps as aware datetimes, blobs as bytes.

        Raises:
            ServiceError: SerializationException or the service's validation error.
        """
        sent = self._from_body(body)
        if self.is_rest:
            sent = self._from_url(path, query) | sent
        return self.read(sent)

    def read(self, document: Any) -> dict[str, Any]:
        """Reads parameters in JSON's types, and checks them against the model; see `parse`."""
        parameters = _decode(self._input, document)
        self.check(parameters)
        return dict(parameters)

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Checks parameters against the model: required, types, lengths, ranges, patterns, values.

        Raises:
            ServiceError: with all that is wrong, in AWS's words.
        """
        problems = list(_problems(self._input, parameters, ""))
        if problems:
            count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
            raise ServiceError(self.invalid, count + "; ".join(problems))

    def read_response(self, document: Any) -> dict[str, Any]:
        """Reads a response that somebody has written, as boto3 returns them.

        Raises:
            ValueError: it is not what the model says; tells all that is wrong.
        """
        response = _decode(self.model.output_shape, document)
        problems = list(_problems(self.model.output_shape, response, ""))
        if problems:
            raise ValueError("; ".join(problems))
        return dict(response)

    @property
    def invalid(self) -> str:
        """The service's own name for a request that breaks its model."""
        return {"textract": "InvalidParameterException", "rekognition": "InvalidParameterException"}.get(
            self.service, "ValidationException"
        )

    def respond(self, result: Mapping[str, Any], request_id: str) -> tuple[int, dict[str, str], bytes]:
        """Writes a response: status, headers, body."""
        shape: _Shape = self.model.output_shape
        body = json.dumps(_encode(shape, result, self.is_rest) if shape is not None else {})
        status = int(self.model.http.get("responseCode", 200))
        return status, self._headers(request_id), body.encode()

    def respond_error(self, error: ServiceError, request_id: str) -> tuple[int, dict[str, str], bytes]:
        """Writes an error: status, headers, body."""
        status = error.status or self._status_of(error.code)
        headers = self._headers(request_id) | {"x-amzn-ErrorType": error.code}
        shapes: list[_Shape] = list(self.model.error_shapes)
        lower = any(shape.name == error.code and "message" in shape.members for shape in shapes)
        key = "message" if lower else "Message"
        body = {key: error.message} if self.is_rest else {"__type": error.code, key: error.message}
        return status, headers, json.dumps(body).encode()

    @property
    def _input(self) -> _Shape:
        return self.model.input_shape

    def _headers(self, request_id: str) -> dict[str, str]:
        kind = "application/json" if self.is_rest else "application/x-amz-json-1.1"
        return {"Content-Type": kind, "x-amzn-RequestId": request_id}

    def _status_of(self, code: str) -> int:
        for shape in self.model.error_shapes:
            if shape.name == code and "error" in shape.metadata:
                return int(shape.metadata["error"].get("httpStatusCode", 400))
        return 500 if code.startswith("InternalServer") else 400

    def _from_body(self, body: bytes) -> dict[str, Any]:
        if not body:
            return {}
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ServiceError("SerializationException", f"The request's body is not JSON: {error}") from None
        if not isinstance(sent, dict):
            raise ServiceError("SerializationException", "The request's body is not a JSON object.")
        return sent

    def _from_url(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        values = _path_pattern(self.model.http["requestUri"]).fullmatch(path)
        sent: dict[str, Any] = {}
        shapes: dict[str, _Shape] = self._input.members
        for name, shape in shapes.items():
            place, key = shape.serialization.get("location"), shape.serialization.get("name", name)
            if place == "uri" and values is not None:
                sent[name] = unquote(values[key])
            elif place == "querystring" and key in query:
                sent[name] = _from_text(shape, query[key][0])
        return sent


def operation(service: str, name: str) -> Operation:
    """The operation of that name."""
    return Operation(service, service_model(service).operation_model(name))


def find_operation(service: str, method: str, path: str) -> Operation | None:
    """The operation of a REST service that a request is for, or None."""
    for name in service_model(service).operation_names:
        model = service_model(service).operation_model(name)
        if model.http["method"] == method and _path_pattern(model.http["requestUri"]).fullmatch(path):
            return Operation(service, model)
    return None


@cache
def service_model(service: str) -> ServiceModel:
    """Botocore's model of a service. Read once: SageMaker's alone is some megabytes."""
    return _botocore().get_service_model(service)


@cache
def _botocore() -> botocore.session.Session:
    return botocore.session.Session()


@cache
def _path_pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri)))


# Reading and writing values by their shape.


def _from_text(shape: _Shape, text: str) -> Any:
    """A value of a URL: numbers are text there."""
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text
    return text


def _decode(shape: _Shape, value: Any) -> Any:
    """Timestamps and blobs as Python has them. What does not fit stays, for `_problems` to tell."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name: _decode(shape.members[name], member)
            for name, member in value.items()
            if name in shape.members and member is not None
        }
    if kind == "list" and isinstance(value, list):
        return [_decode(shape.member, member) for member in value]
    if kind == "timestamp" and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            moment: datetime = parse_timestamp(value)  # type: ignore[arg-type]  # takes numbers too
        except (ValueError, OverflowError, OSError):
            return value
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            return value
    return value


def _encode(shape: _Shape, value: Any, iso_times: bool) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            name: _encode(shape.members[name], member, iso_times)
            for name, member in value.items()
            if member is not None
        }
    if kind == "list":
        return [_encode(shape.member, member, iso_times) for member in value]
    if kind == "timestamp":
        return iso_time(value) if iso_times else round(value.timestamp(), 3)
    return value


def iso_time(moment: datetime) -> str:
    """A moment as A2I writes it: UTC, to the millisecond, `2019-11-14T17:37:36.740Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


# Checking values by their shape, in the words of AWS's own validation.

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "list": (list,),
    "map": (dict,),
    "string": (str,),
    "blob": (bytes,),
    "timestamp": (datetime,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}


def _problems(shape: _Shape, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    is_number = kind in ("integer", "long", "float", "double")
    wrong_number = is_number and (isinstance(value, bool) or not _finite(value))
    fits = isinstance(value, _TYPES[kind]) and not wrong_number
    if not fits:
        yield f"Value {_quoted(value)} at '{where}' failed to satisfy constraint: Member must be a {kind}"
        return
    if kind == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield _failure(None, _join(where, name), "not be null")
        for name, member in value.items():
            if name in shape.members:
                yield from _problems(shape.members[name], member, _join(where, name))
        return
    yield from (_failure(value, where, rule) for rule in _broken_rules(shape, value))
    if kind == "list":
        for index, member in enumerate(value):
            yield from _problems(shape.member, member, f"{where}.{index + 1}.member")


def _broken_rules(shape: _Shape, value: Any) -> Iterator[str]:
    limits = shape.metadata
    measure, what = (len(value), "have length") if hasattr(value, "__len__") else (value, "have value")
    if isinstance(value, datetime):
        return
    if "min" in limits and measure < limits["min"]:
        yield f"{what} greater than or equal to {limits['min']}"
    if "max" in limits and measure > limits["max"]:
        yield f"{what} less than or equal to {limits['max']}"
    elif isinstance(value, str):  # a pattern is not tried on what is too long anyway
        if "pattern" in limits and not _pattern(limits["pattern"]).fullmatch(value):
            yield f"satisfy regular expression pattern: {limits['pattern']}"
        if "enum" in limits and value not in limits["enum"]:
            yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # The models' patterns are Java's. Of what Python lacks only these classes occur: letter, digit, space.
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _failure(value: Any, where: str, rule: str) -> str:
    return f"Value {_quoted(value)} at '{where}' failed to satisfy constraint: Member must {rule}"


def _quoted(value: Any) -> str:
    if value is None:
        return "null"
    text = str(value)
    return f"'{text if len(text) <= 128 else text[:125] + '...'}'"


def _join(where: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{where}.{name}" if where else name


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
