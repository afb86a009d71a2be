"""Errors of AWS in one line."""

from __future__ import annotations

import pytest
from botocore import exceptions as aws

from workflow.errors import AccountError, PublishError
from workflow.publish.aws_errors import explained, rejections


def response(code: str, message: str = "No.") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (aws.NoCredentialsError(), "no AWS credentials found.*`make local`.*AWS_ENDPOINT_URL"),
        (aws.PartialCredentialsError(provider="env", cred_var="x"), "no AWS credentials found"),
        (aws.ProfileNotFound(profile="prod"), r"\(prod\) could not be found; `aws configure list-profiles`"),
        (aws.NoRegionError(), "no Region: pass --region"),
        (aws.EndpointConnectionError(endpoint_url="https://x"), "cannot reach AWS"),
        (aws.TokenRetrievalError(provider="sso", error_msg="gone"), "log in again"),
        (response("ExpiredToken"), "the AWS session has expired: log in again"),
        (response("InvalidClientTokenId"), "AWS does not know these credentials"),
        (
            response("AccessDenied", "User x\n is not authorized"),
            "DescribeStacks is not permitted: User x is not authorized",
        ),
        (
            response("Throttling", "Rate exceeded"),
            r"AWS is busy or fails at the moment \(DescribeStacks: Throttling: Rate exceeded\); run the command again",
        ),
        (response("InternalFailure", ""), r"\(DescribeStacks: InternalFailure\); run the command again"),
        (response("OptInRequired"), "the account is not subscribed to this service: No."),
    ],
)
def test_error_caused_by_a_user_is_one_line(error: Exception, message: str) -> None:
    known = explained(error)
    assert isinstance(known, AccountError)
    with pytest.raises(AccountError, match=message):
        raise known
    assert "\n" not in str(known)


@pytest.mark.parametrize(
    "error",
    [
        response("InvalidChangeSetStatus"),
        KeyError("x"),
        ValueError("something else"),
        aws.ParamValidationError(report="x"),
    ],
)
def test_bug_is_not_explained(error: Exception) -> None:
    assert explained(error) is None


def test_rejected_input_becomes_a_publish_error() -> None:
    with (
        pytest.raises(PublishError, match="AWS rejected the definition: No") as raised,
        rejections("the definition"),
    ):
        raise response("InvalidDefinition")
    assert raised.value.__suppress_context__


def test_other_responses_are_not_taken_for_rejected_input() -> None:
    with pytest.raises(aws.ClientError), rejections("the definition"):
        raise response("ThrottlingException")
