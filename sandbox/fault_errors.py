"""How a service words a fault: error codes from botocore's service models, on the wire and in a state machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from sandbox.faults import DropAnswer, Error, Fault, ServerError, Throttle
from sandbox.protocol import Operation, ServiceError, operation, service_model

__all__ = ["error_in_state_machine", "error_on_the_wire", "service_error"]

_TOO_MANY = (
    "ProvisionedThroughputExceededException",
    "TooManyRequestsException",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
)
"""What services call the error for too many calls, from the most to the least particular."""

_INTERNAL = ("InternalServer", "Internal", "ServiceException", "ServiceFailure")
"""How services begin the name of the error for a failure of their own."""


def service_error(fault: Fault, service: str, name: str) -> ServiceError | None:
    """Returns the error with which a service answers a call that meets a fault, or None if it does not answer so.

    Services whose models have no such error use the common ones: Throttling or ThrottlingException, InternalFailure,
    ServiceUnavailable. (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html)
    """
    if isinstance(fault, Error):
        message = fault.message or f"A test asked for {name} to be refused"
        return ServiceError(fault.code, message, fault.status)
    if isinstance(fault, Throttle):
        if service == "s3":  # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
            return ServiceError("SlowDown", "Please reduce your request rate.", 503)
        known = _modelled(service, name, _TOO_MANY)
        query = service_model(service).resolved_protocol in ("query", "ec2")
        plain = "Throttling" if query else "ThrottlingException"
        return ServiceError(known.code if known else plain, "Rate exceeded", known.status if known else 400)
    if isinstance(fault, ServerError):
        message = "The service failed, because a test asked for it"
        if service == "s3":
            return ServiceError(
                "ServiceUnavailable" if fault.status == 503 else "InternalError", message, fault.status
            )
        known = _modelled(service, name, ("ServiceUnavailable",) if fault.status == 503 else _INTERNAL)
        plain = "ServiceUnavailable" if fault.status == 503 else "InternalFailure"
        return ServiceError(known.code if known else plain, message, fault.status)
    return None


def error_on_the_wire(error: ServiceError, service: str, name: str) -> tuple[int, dict[str, str], bytes]:
    """Returns the status, headers and body of an error in the protocol of the service."""
    known = next((one for one in _errors(service, name) if one.code == error.code), None)
    status = error.status or (known.status if known else 400)
    error = ServiceError(error.code, error.message, status)
    model = service_model(service)
    if "json" in model.resolved_protocol:
        status, headers, body = Operation(service, operation(service, name).model).respond_error(
            error, _REQUEST_ID
        )
        if "awsQueryCompatible" in model.metadata:
            headers["x-amzn-query-error"] = f"{error.code};Sender"
        return status, headers, body
    fields = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if service == "s3":
        document = f"<Error>{fields}<RequestId>{_REQUEST_ID}</RequestId></Error>"
    else:
        kind = "Receiver" if status >= 500 else "Sender"
        document = (
            f"<ErrorResponse><Error><Type>{kind}</Type>{fields}</Error>"
            f"<RequestId>{_REQUEST_ID}</RequestId></ErrorResponse>"
        )
    return status, {"Content-Type": "text/xml", "x-amzn-RequestId": _REQUEST_ID}, document.encode()


_REQUEST_ID = "00000000-0000-4000-8000-fa0170000000"
"""The id of each request that a fault has answered, so that it can be recognized in a log."""

_PREFIXES = {
    "dynamodb": "DynamoDB",
    "lambda": "Lambda",
    "sns": "SNS",
    "sqs": "SQS",
    "stepfunctions": "StepFunctions",
    "events": "EventBridge",
}
"""Service → prefix of errors in an optimized integration."""

_UNMODELLED = {"lambda": "AWSLambdaException", "stepfunctions": "AWSStepFunctionsException"}
"""The error of an optimized integration that the model of the service does not have, if it is not Amazon…Exception."""


def error_in_state_machine(fault: Fault, service: str, name: str, sdk_prefix: str | None) -> tuple[str, str]:
    """Returns the error and the cause of a task whose call meets a fault.

    Step Functions names errors as the AWS SDK for Java names its exceptions.
    (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html)

    Args:
        fault: Throttle, ServerError, Error or DropAnswer.
        service: boto3's name of the service.
        name: The operation.
        sdk_prefix: The prefix of errors in an `aws-sdk` integration. None means an optimized integration.
    """
    prefix = sdk_prefix or _PREFIXES.get(service, service.upper())
    if isinstance(fault, DropAnswer):
        cause = "Unable to execute HTTP request: The target server failed to respond"
        return f"{prefix}.SdkClientException", cause
    error = service_error(fault, service, name)
    assert error is not None, fault
    known = next((one for one in _errors(service, name) if one.code == error.code), None)
    if known:
        return f"{prefix}.{known.name.removesuffix('Exception')}Exception", error.message
    plain = f"{prefix}Exception" if sdk_prefix else _UNMODELLED.get(service, f"Amazon{prefix}Exception")
    return f"{prefix}.{plain}", error.message


@dataclass(frozen=True)
class _Known:
    """An error that the model of a service has.

    Attributes:
        name: Its name in the model, which SDKs use for the exception.
        code: Its code on the wire.
        status: The HTTP status.
    """

    name: str
    code: str
    status: int


def _modelled(service: str, name: str, beginnings: tuple[str, ...]) -> _Known | None:
    """Returns the error whose name begins with the earliest of the beginnings, those of the operation first."""
    known = _errors(service, name)
    return next((one for start in beginnings for one in known if one.name.startswith(start)), None)


def _errors(service: str, name: str) -> list[_Known]:
    model = service_model(service)
    own = list(model.operation_model(name).error_shapes)
    # Errors that belong to certain operations of the service are not those of others.
    shared = [shape for shape in model.error_shapes if shape.name != _TOO_MANY[0]]
    return [_known(shape) for shape in [*own, *shared]]


def _known(shape: Any) -> _Known:
    error = shape.metadata.get("error", {})
    status = error.get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
    return _Known(shape.name, error.get("code", shape.name), int(status))
