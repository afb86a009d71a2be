"""The wire protocols of AWS: parses and checks requests, and writes responses and errors.

The service models of botocore say what boto3 sends and accepts, so everything here follows from them: REST-JSON for
A2I, JSON 1.1 for SageMaker, Textract and Rekognition. botocore itself has the client's half only: it writes requests
and reads responses, and its validator checks neither patterns nor enum values.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp

from lambdas.reviews.times import in_utc, timestamp

__all__ = ["Operation", "ServiceError", "camel_case", "find_operation", "operation", "service_model"]

_Shape = Any
"""A botocore shape. Its attributes depend on its `type_name`."""


class ServiceError(Exception):
    """An error as AWS returns it to the caller.

    Attributes:
        code: The error code, such as `ConflictException`.
        message: The message, as AWS would word it.
        status: The HTTP status. None means the one in the service model.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Operation:
    """An operation of a service.

    Attributes:
        service: The name of the service in botocore, such as `sagemaker-a2i-runtime`.
        model: The botocore model of the operation.
    """

    service: str
    model: OperationModel

    @property
    def name(self) -> str:
        """The name, such as `StartHumanLoop`."""
        return str(self.model.name)

    @property
    def is_rest(self) -> bool:
        """Whether the protocol is REST-JSON. Otherwise it is JSON 1.1."""
        return bool(self.model.service_model.protocol == "rest-json")

    def parse(self, path: str, query: Mapping[str, list[str]], body: bytes) -> dict[str, Any]:
        """Parses a request and checks it against the model.

        Args:
            path: The path of the URL, percent-encoded.
            query: The query of the URL, decoded.
            body: The body.

        Returns:
            The parameters as boto3 names them. Timestamps are aware datetimes, blobs are bytes.

        Raises:
            ServiceError: SerializationException or the service's validation error.
        """
        document = self._from_body(body)
        if self.is_rest:
            document = self._from_url(path, query) | document
        return self.read(document)

    def read(self, document: Any) -> dict[str, Any]:
        """Reads parameters with JSON types and checks them against the model. See `parse`."""
        parameters = _decode(self._input, document)
        self.check(parameters)
        return dict(parameters)

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Checks parameters against the model: required members, types, lengths, ranges, patterns, enum values.

        Raises:
            ServiceError: The message lists all errors, as AWS words them.
        """
        problems = self.problems_of(parameters, complete=True)
        if problems:
            count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
            raise ServiceError(self.invalid, count + "; ".join(problems))

    def problems_of(self, parameters: Mapping[str, Any], *, complete: bool = False) -> list[str]:
        """Returns the errors of parameters, as AWS words them.

        Args:
            parameters: The parameters.
            complete: Whether a required parameter that is missing is an error.
        """
        return list(_problems(self._input, parameters, "", complete))

    def read_response(self, document: Any) -> dict[str, Any]:
        """Reads a response that a user wrote, as boto3 returns it.

        Raises:
            ValueError: It does not conform to the model. The message lists all errors.
        """
        response = _decode(self.model.output_shape, document)
        problems = list(_problems(self.model.output_shape, response, ""))
        if problems:
            raise ValueError("; ".join(problems))
        return dict(response)

    def decode_response(self, document: Any) -> dict[str, Any]:
        """Reads a response that a service has written, as boto3 returns it."""
        return dict(_decode(self.model.output_shape, document))

    @property
    def invalid(self) -> str:
        """The service's error code for a request that does not conform to its model."""
        return {"textract": "InvalidParameterException", "rekognition": "InvalidParameterException"}.get(
            self.service, "ValidationException"
        )

    def respond(self, result: Mapping[str, Any], request_id: str) -> tuple[int, dict[str, str], bytes]:
        """Returns the status, headers and body of a response."""
        shape: _Shape = self.model.output_shape
        body = json.dumps(_encode(shape, result, self.is_rest) if shape is not None else {})
        status = int(self.model.http.get("responseCode", 200))
        return status, self._headers(request_id), body.encode()

    def respond_error(self, error: ServiceError, request_id: str) -> tuple[int, dict[str, str], bytes]:
        """Returns the status, headers and body of an error."""
        status = error.status or self._status_of(error.code)
        headers = self._headers(request_id) | {"x-amzn-ErrorType": error.code}
        # The models spell the member either way, and boto3 reads only the one that the model has.
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
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ServiceError(
                "SerializationException", f"The request body is not valid JSON: {error}"
            ) from None
        if not isinstance(document, dict):
            raise ServiceError("SerializationException", "The request body is not a JSON object.")
        return document

    def _from_url(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        values = _path_pattern(self.model.http["requestUri"]).fullmatch(path)
        found: dict[str, Any] = {}
        shapes: dict[str, _Shape] = self._input.members
        for name, shape in shapes.items():
            place, key = shape.serialization.get("location"), shape.serialization.get("name", name)
            if place == "uri" and values is not None:
                found[name] = unquote(values[key])
            elif place == "querystring" and key in query:
                found[name] = _from_text(shape, query[key][0])
        return found


def operation(service: str, name: str) -> Operation:
    """Returns the operation with a name."""
    return Operation(service, service_model(service).operation_model(name))


def find_operation(service: str, method: str, path: str) -> Operation | None:
    """Returns the operation of a REST service that a request is for, or None."""
    for name in service_model(service).operation_names:
        model = service_model(service).operation_model(name)
        if model.http["method"] == method and _path_pattern(model.http["requestUri"]).fullmatch(path):
            return Operation(service, model)
    return None


@cache
def service_model(service: str) -> ServiceModel:
    """Returns the botocore model of a service. It is cached: the one of SageMaker has several megabytes."""
    # With a loader of its own. A client of S3 takes the buckets out of the paths, in the model that its loader keeps.
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def _path_pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri)))


# Reads and writes values by their shape.


def _from_text(shape: _Shape, text: str) -> Any:
    """Returns a value from a URL, where numbers are text. Text that is not a number is returned for `_problems`."""
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else text
    return text


def _decode(shape: _Shape, value: Any) -> Any:
    """Converts timestamps and blobs. A value with the wrong type stays as it is, so that `_problems` reports it."""
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
            return in_utc(parse_timestamp(value))  # type: ignore[arg-type]  # it accepts numbers, too
        except (ValueError, OverflowError, OSError):
            return value
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
        return timestamp(value) if iso_times else round(value.timestamp(), 3)
    return value


# Checks values by their shape. The messages are those of AWS's own validation.

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


def _problems(shape: _Shape, value: Any, where: str, complete: bool = True) -> Iterator[str]:
    kind = shape.type_name
    is_number = kind in ("integer", "long", "float", "double")
    wrong_number = is_number and (isinstance(value, bool) or not _finite(value))
    fits = isinstance(value, _TYPES[kind]) and not wrong_number
    if not fits:
        yield f"Value {_quoted(value)} at '{where}' failed to satisfy constraint: Member must be a {kind}"
        return
    if kind == "structure":
        for name in shape.required_members:
            if complete and value.get(name) is None:
                yield _failure(None, _join(where, name), "not be null")
        for name, member in value.items():
            if name in shape.members:
                yield from _problems(shape.members[name], member, _join(where, name), complete)
        return
    yield from (_failure(value, where, rule) for rule in _broken_rules(shape, value))
    if kind == "list":
        for index, member in enumerate(value):
            yield from _problems(shape.member, member, f"{where}.{index + 1}.member", complete)


def _broken_rules(shape: _Shape, value: Any) -> Iterator[str]:
    limits = shape.metadata
    measure, what = (len(value), "have length") if hasattr(value, "__len__") else (value, "have value")
    if isinstance(value, datetime):
        return
    if "min" in limits and measure < limits["min"]:
        yield f"{what} greater than or equal to {limits['min']}"
    if "max" in limits and measure > limits["max"]:
        yield f"{what} less than or equal to {limits['max']}"
    elif isinstance(value, str):  # a text that is too long is not matched: backtracking could take very long
        if "pattern" in limits and not _pattern(limits["pattern"]).fullmatch(value):
            yield f"satisfy regular expression pattern: {limits['pattern']}"
        if "enum" in limits and value not in limits["enum"]:
            yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # The patterns in the models are for Java. Of what Python lacks, these models use only three character classes.
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s")):
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:  # a range of surrogates, which Java has and Python has not
        return re.compile(".*", re.DOTALL)


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


def camel_case(value: Any) -> Any:
    """Converts a request or response as A2I does: with camelCase keys, and without the bytes."""
    if isinstance(value, Mapping):
        return {
            name[0].lower() + name[1:]: camel_case(member)
            for name, member in value.items()
            if name != "Bytes"
        }
    if isinstance(value, list):
        return [camel_case(member) for member in value]
    return value
