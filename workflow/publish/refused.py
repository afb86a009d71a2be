"""What AWS refuses, in one line: the operation, the reason, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, IncompleteReadError, WaiterError

from workflow.errors import AfterloopError, RefusedError
from workflow.publish.aws_errors import NOT_FOUND, QUOTA, error_code, explained

if TYPE_CHECKING:
    import boto3

__all__ = ["in_words", "name_services"]

_CHANGED_MEANWHILE = (
    "the stack has changed meanwhile: run the command again to see the changes as they are now"
)
_IN_PROGRESS = (
    "another operation is in progress: the command `status` says which; try again when it has ended"
)
_GONE = (
    "if it was deleted outside of CloudFormation, the command `publish --repair` creates it again with what "
    "belongs to it"
)
_TAKEN = "something with this name or content exists already: delete or rename it, and run the command again"

_ADVICE = {
    _CHANGED_MEANWHILE: ("ChangeSetNotFound", "ChangeSetNotFoundException", "InvalidChangeSetStatus"),
    _IN_PROGRESS: (
        "ConcurrentModificationException",
        "InvalidOperationException",
        "OperationInProgressException",
        "ResourceConflictException",
        "ResourceInUseException",
        "StateMachineDeleting",
        "TokenAlreadyExistsException",
    ),
    _GONE: (*NOT_FOUND, "ExecutionDoesNotExist"),
    _TAKEN: (
        "AlreadyExistsException",
        "BucketAlreadyExists",
        "ConflictException",
        "EntityAlreadyExists",
        "ResourceAlreadyExistsException",
    ),
    QUOTA: (
        "CodeStorageExceededException",
        "ExecutionLimitExceeded",
        "LimitExceeded",
        "LimitExceededException",
        "ServiceQuotaExceededException",
        "StateMachineLimitExceeded",
        "TooManyBuckets",
    ),
}
_BY_CODE = {code: advice for advice, codes in _ADVICE.items() for code in codes}

_BY_MESSAGE = {
    "_IN_PROGRESS state": _IN_PROGRESS,
    "TerminationProtection": "the stage is protected: set protected = false in its settings, and publish it first",
    "termination protection": "the stage is protected: set protected = false in its settings, and publish it first",
    "stack policy": "the stage is protected: set protected = false in its settings, and publish it first",
    "does not exist": _GONE,
    "_FAILED state": "the command `status` says why, and what to do",
}
"""Texts in messages of a ValidationError, for which CloudFormation has no codes."""


def in_words(error: BaseException) -> AfterloopError | None:
    """The error to show for an error of botocore, in one line; None for a bug of this program.

    Other than `explained`, this knows an answer to whatever AWS refuses, also if nobody has thought of it.
    """
    if known := explained(error):
        return known
    match error:
        case ClientError():
            return _refused(error)
        case WaiterError() | IncompleteReadError():
            return RefusedError(f"AWS did not finish in time: {error}; run the command again")
    return None


def name_services(session: boto3.Session) -> boto3.Session:
    """Makes the error responses that clients of a session raise name their service.

    Args:
        session: The session, without clients.
    """

    def name(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if isinstance(parsed, dict) and "Error" in parsed:
            parsed["Error"].setdefault("Service", str(model.service_model.service_id))

    session.events.register("after-call", name)
    return session


def _refused(error: ClientError) -> RefusedError:
    code = error_code(error)
    answer: Any = error.response["Error"]
    message = " ".join(str(answer.get("Message") or "").split()).rstrip(".")
    reason = f"{message} ({code})" if message else code or "it gives no reason"
    service = answer.get("Service", "AWS")
    return RefusedError(
        f"{service} refused {error.operation_name}: {reason}; {_advice(error, code, message)}"
    )


def _advice(error: ClientError, code: str, message: str) -> str:
    if code in ("ValidationError", "ValidationException"):
        for text, advice in _BY_MESSAGE.items():
            if text in message:
                return advice
    if code in _BY_CODE:
        return _BY_CODE[code]
    metadata: Any = error.response.get("ResponseMetadata", {})
    request = metadata.get("RequestId") or metadata.get("HTTPHeaders", {}).get("x-amz-request-id")
    again = "fix the cause that it gives, and run the command again"
    return f"{again}; for AWS Support, the request ID is {request}" if request else again
