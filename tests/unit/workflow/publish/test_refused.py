"""What AWS refuses, in one line."""

from __future__ import annotations

import boto3
import pytest
from botocore import exceptions as aws
from botocore.stub import Stubber

from workflow.errors import AccountError, RefusedError
from workflow.publish.refused import in_words, name_services


def response(
    code: str, message: str = "No.", operation: str = "UpdateStack", **more: object
) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}, **more}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("InvalidChangeSetStatus", "is OBSOLETE", "the stack has changed meanwhile"),
        ("ChangeSetNotFound", "", "the stack has changed meanwhile"),
        ("TokenAlreadyExistsException", "", "another operation is in progress"),
        (
            "ValidationError",
            "Stack:x is in UPDATE_IN_PROGRESS state and can not be updated.",
            "another operation",
        ),
        (
            "ValidationError",
            "Stack [x] cannot be deleted while TerminationProtection is enabled",
            "is protected",
        ),
        (
            "ValidationError",
            "is in ROLLBACK_FAILED state and can not be updated.",
            "the command `status` says why",
        ),
        ("AlreadyExistsException", "Stack [x] already exists", "delete or rename it"),
        ("LimitExceededException", "Limit for stack has been exceeded", "request a higher quota"),
        ("StateMachineLimitExceeded", "", "request a higher quota"),
        ("StateMachineDoesNotExist", "", "publish --repair` creates it again"),
        ("ResourceNotFoundException", "Requested resource not found", "publish --repair` creates it again"),
        ("NobodyKnowsThisCode", "Strange", "fix the cause that it gives, and run the command again"),
        ("", "", "it gives no reason; fix the cause"),
    ],
)
def test_refusal_has_operation_reason_and_what_to_do(code: str, message: str, advice: str) -> None:
    shown = in_words(response(code, message))
    assert isinstance(shown, RefusedError)
    assert str(shown).startswith("AWS refused UpdateStack: ")
    assert message.rstrip(".") in str(shown)
    assert advice in str(shown)
    assert "\n" not in str(shown)


def test_unknown_refusal_has_the_request_id_for_aws_support() -> None:
    error = response("Odd", "Line one\nline two.", ResponseMetadata={"RequestId": "id-1"})
    assert str(in_words(error)) == (
        "AWS refused UpdateStack: Line one line two (Odd); fix the cause that it gives, and run the command again; "
        "for AWS Support, the request ID is id-1"
    )


def test_refusal_names_the_service() -> None:
    session = name_services(boto3.Session("key", "secret", region_name="us-east-1"))
    client = session.client("sqs")
    with Stubber(client) as stub:
        stub.add_client_error("list_queues", "Odd", "Why.")
        with pytest.raises(aws.ClientError) as raised:
            client.list_queues()
    assert str(in_words(raised.value)).startswith("SQS refused ListQueues: Why (Odd); ")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (response("ExpiredToken"), AccountError),
        (
            aws.WaiterError(name="table_exists", reason="Max attempts exceeded", last_response={}),
            RefusedError,
        ),
    ],
)
def test_other_errors_of_botocore_are_one_line(error: Exception, kind: type[Exception]) -> None:
    assert isinstance(in_words(error), kind)


@pytest.mark.parametrize("error", [KeyError("x"), aws.ParamValidationError(report="x"), ValueError("other")])
def test_bug_keeps_its_traceback(error: Exception) -> None:
    assert in_words(error) is None
