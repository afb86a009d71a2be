"""Refusals of A2I, Textract and Rekognition to start a human loop.

Amazon A2I takes no new customers since July 2026. What AWS says of an account that is none:

- AnalyzeDocument with a HumanLoopConfig fails with an InvalidParameterException
  (https://docs.aws.amazon.com/textract/latest/APIReference/API_HumanLoopConfig.html), also for a customer that A2I does
  not recognize as one: then AWS Support helps.
- StartHumanLoop is refused (release notes of the AWS SDKs, August 2026). No page names its error code, nor what
  DetectModerationLabels says, nor the message of any of them.

So the account cannot be recognized by a refusal. It is mentioned where a code fits and the message names no other
cause.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

__all__ = ["CLOSED", "NO_NEW_CUSTOMERS", "is_refusal", "refusal_in_words"]

_NO_CUSTOMER = frozenset({"OptInRequired", "SubscriptionRequiredException"})
"""How AWS services in general refuse an account that does not have them."""

_PERHAPS_NO_CUSTOMER = frozenset(
    {"AccessDeniedException", "InvalidParameterException", "ValidationException"} | _NO_CUSTOMER
)

REFUSALS = _PERHAPS_NO_CUSTOMER | {
    "BadDocumentException",
    "ConflictException",
    "DocumentTooLargeException",
    "ImageTooLargeException",
    "InvalidImageFormatException",
    "InvalidS3ObjectException",
    "ResourceNotFoundException",
    "UnsupportedDocumentException",
}
"""Errors after which there is no loop, and which the same call would get again."""

NO_NEW_CUSTOMERS = "an account that did not use Amazon A2I before July 2026 cannot create one"
"""About flow definitions: where there is none, A2I may be closed to the account."""

CLOSED = (
    "if this account did not use Amazon A2I before July 2026, A2I is closed to it and refuses each start; if it did, "
    "ask AWS Support for the A2I team"
)

_OTHER_CAUSES = (
    "not authorized to perform",
    "validation error",
    "humanloop",
    "human loop",
    "flow definition",
    "flow-definition",
    "inputcontent",
    "s3",
)
"""Texts of messages, in lower case, that name what is wrong with the request, or the permission that is missing."""


def is_refusal(error: ClientError) -> bool:
    """Returns whether there is no loop after an error, and the same call would get the error again."""
    return error.response["Error"]["Code"] in REFUSALS


def refusal_in_words(human_loop_name: str, error: ClientError) -> str:
    """Returns who refuses to start a loop, and why."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    said = f"{error.operation_name} refuses to start human loop {human_loop_name!r}: {message} ({code})"
    return f"{said}; {CLOSED}" if _may_be_closed(code, message) else said


def _may_be_closed(code: str, message: str) -> bool:
    words = message.casefold()
    return code in _NO_CUSTOMER or (
        code in _PERHAPS_NO_CUSTOMER and not any(cause in words for cause in _OTHER_CAUSES)
    )
