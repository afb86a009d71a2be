"""Refusals to start a loop say that A2I may be closed to the account, unless they name another cause."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.refusals import CLOSED, is_refusal, refusal_in_words


def refused(code: str, message: str, operation: str = "StartHumanLoop") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(answer, operation)


@pytest.mark.parametrize("operation", ["StartHumanLoop", "AnalyzeDocument", "DetectModerationLabels"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidParameterException", "Request has invalid parameters"),
        ("ValidationException", "Amazon A2I is not available to this account"),
        ("AccessDeniedException", ""),
        ("SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service"),
        ("OptInRequired", "You are not subscribed to this service"),
    ],
)
def test_refusal_without_another_cause_says_to_whom_a2i_is_closed(
    operation: str, code: str, message: str
) -> None:
    error = refused(code, message, operation)
    assert is_refusal(error)
    said = f"{operation} refuses to start human loop 'a': {message} ({code})"
    assert refusal_in_words("a", error) == f"{said}; {CLOSED}"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:x is not authorized to perform: sagemaker:StartHumanLoop",
        ),
        ("InvalidParameterException", "HumanLoop 'a' already exists and is finished."),
        ("ValidationException", "1 validation error detected: Value 'A' at 'humanLoopName' failed"),
        ("ValidationException", "Flow definition arn:aws:sagemaker:x does not exist"),
        ("ConflictException", "the name is taken"),
        ("InvalidS3ObjectException", "Unable to get object metadata"),
    ],
)
def test_refusal_with_another_cause_does_not_mention_the_account(code: str, message: str) -> None:
    error = refused(code, message)
    assert is_refusal(error)
    assert refusal_in_words("a", error).endswith(f"{message} ({code})")


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ServiceQuotaExceededException", "InternalServerError"]
)
def test_error_that_can_pass_is_no_refusal(code: str) -> None:
    assert not is_refusal(refused(code, ""))
