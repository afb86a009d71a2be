"""Errors of AWS that a person can cause and fix, each in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from lambdas.aws.transient import is_transient
from workflow.errors import AccountError, PublishError
from workflow.publish.engine_access import (
    explained_connection,
    has_engine_keys,
    invalid_url,
    is_endpoint,
    is_on_this_machine,
    no_keys,
    of_another_run,
)

__all__ = [
    "NOT_FOUND",
    "NO_REGION",
    "QUOTA",
    "error_code",
    "explained",
    "is_denied",
    "is_expired",
    "rejections",
]

NOT_FOUND = (
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchEntity",
    "NotFound",
    "NotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "StateMachineDoesNotExist",
)
"""The codes by which services say that a resource does not exist."""

NO_REGION = "no Region: pass --region, or set `region` in the stage's settings"
NO_CREDENTIALS = (
    "no AWS credentials found: log in (`aws sso login`, `aws configure`) or pass --profile; "
    "without an account, start the engine on this machine with `make local` if it does not run, then "
    "`source .engine.env`, which sets AWS_ENDPOINT_URL"
)
QUOTA = (
    "a quota of the account is reached: delete what is not needed, or request a higher quota in the Service Quotas "
    "console"
)


def explained(error: BaseException) -> AccountError | None:
    """The error to show for an error of botocore that a person can cause; None for any other."""
    match error:
        case ProfileNotFound():
            return AccountError(f"{error}; `aws configure list-profiles` lists your profiles")
        case NoCredentialsError() | PartialCredentialsError():
            return no_keys() if is_on_this_machine() else AccountError(NO_CREDENTIALS)
        case CredentialRetrievalError() | SSOError() | TokenRetrievalError():
            return AccountError(f"cannot get AWS credentials: {error}; log in again (`aws sso login`)")
        case NoRegionError():
            return AccountError(NO_REGION)
        case ConnectionError() | HTTPClientError():
            return explained_connection(error)
        case ResponseParserError():
            return AccountError(f"what answers is not AWS, but perhaps a proxy: {str(error)[:200]}")
        case ClientError():
            return _explained_response(error)
        # boto3 raises a plain ValueError for an endpoint that is not a URL; subclasses are other errors.
        case ValueError() if type(error) is ValueError:
            return _invalid_endpoint(error)
    return None


def error_code(error: ClientError) -> str:
    """The code in a service's error response, such as AccessDenied."""
    return error.response["Error"].get("Code", "")


def is_denied(error: ClientError) -> bool:
    """Whether the caller lacks the permission for a request."""
    return error_code(error) in _DENIED


def is_expired(error: ClientError) -> bool:
    """Whether the credentials of the session have expired."""
    return error_code(error) in _EXPIRED


@contextmanager
def rejections(what: str) -> Iterator[None]:
    """Turns a service's rejection of user input, or an exceeded quota, into a PublishError.

    Args:
        what: the input, for the message.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code not in _REJECTED:
            raise
        more = f"; {QUOTA}" if code in _QUOTAS else ""
        raise PublishError(f"AWS rejected {what}: {error.response['Error']['Message']}{more}") from None


def _invalid_endpoint(error: ValueError) -> AccountError | None:
    # The message depends on what is wrong with the URL, so look for the setting that holds it.
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not is_endpoint(value):
            return invalid_url(name, value)
    url = str(error).removeprefix("Invalid endpoint: ")
    if url == str(error):
        return None
    return invalid_url("endpoint_url in the AWS settings", url)


# Services disagree on the codes of common errors: each group lists the variants that mean the same.
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "InvalidAccessKeyId",
)
_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",  # SNS
    "UnauthorizedOperation",
    "UnauthorizedException",
    "403",
)
_REJECTED = (
    "ValidationError",
    "ValidationException",
    "InvalidDefinition",
    "InsufficientCapabilitiesException",
    "LimitExceededException",
    "ConflictException",
    "ServiceQuotaExceededException",
)


_QUOTAS = ("LimitExceededException", "ServiceQuotaExceededException")
"""Transient for a function, which runs again. A person has to do something."""


def _denial(message: str) -> str:
    # Most services say who may not do what on what; S3 and a few others do not.
    if "not authorized" in message:
        # Who names a role for CloudFormation (the setting `service_role`) passes it on.
        advice = "; allow it for the service that gets the role" if "iam:PassRole" in message else ""
        return message + advice
    return f"{message}; `aws sts get-caller-identity` says who you are, and IAM's policy simulator what is missing"


def _explained_response(error: ClientError) -> AccountError | None:
    code = error_code(error)
    message = " ".join(error.response["Error"].get("Message", "").split())
    if code in _EXPIRED:
        return AccountError("the AWS session has expired: log in again (`aws sso login`, or new credentials)")
    if code in _UNKNOWN and is_on_this_machine():
        return of_another_run(code)
    if code in _UNKNOWN:
        return has_engine_keys() or AccountError(
            f"AWS does not know these credentials ({code}): check --profile, or log in again"
        )
    if code in _DENIED:
        return AccountError(f"{error.operation_name} is not permitted: {_denial(message or code)}")
    if is_transient(error) and code not in _QUOTAS:
        said = f"{code}: {message}" if message else code
        return AccountError(
            f"AWS is busy or fails at the moment ({error.operation_name}: {said}); run the command again later"
        )
    if code == "OptInRequired":
        return AccountError(f"the account is not subscribed to this service: {message}")
    return None
