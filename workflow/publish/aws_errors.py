"""Errors of AWS that a person can cause and fix, each in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

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
from botocore.utils import is_valid_endpoint_url

from lambdas.aws.transient import is_transient
from workflow.errors import AccountError, PublishError

__all__ = ["NO_REGION", "error_code", "explained", "rejections"]

NO_REGION = "no Region: pass --region, or set `region` in the stage's settings"
NO_CREDENTIALS = (
    "no AWS credentials found: log in (`aws sso login`, `aws configure`) or pass --profile; "
    "to try Afterloop without an account, run `python deploy.py local`"
)

_CONNECT = "start it with `make local` if it does not run, then `source .engine.env`"


def explained(error: BaseException) -> AccountError | None:
    """The error to show for an error of botocore that a person can cause; None for any other."""
    match error:
        case ProfileNotFound():
            return AccountError(f"{error}; `aws configure list-profiles` lists your profiles")
        case NoCredentialsError() | PartialCredentialsError():
            return AccountError(NO_CREDENTIALS)
        case CredentialRetrievalError() | SSOError() | TokenRetrievalError():
            return AccountError(f"cannot get AWS credentials: {error}; log in again (`aws sso login`)")
        case NoRegionError():
            return AccountError(NO_REGION)
        case ConnectionError() | HTTPClientError():
            if _on_this_machine():
                return AccountError(f"cannot reach the local engine: {error}; {_CONNECT}")
            return AccountError(f"cannot reach AWS: {error}")
        case ClientError():
            return _explained_response(error)
        # boto3 raises a plain ValueError for an endpoint that is not a URL; subclasses are other errors.
        case ValueError() if type(error) is ValueError:
            return _invalid_endpoint(error)
    return None


def error_code(error: ClientError) -> str:
    """The code in a service's error response, such as AccessDenied."""
    return error.response["Error"].get("Code", "")


@contextmanager
def rejections(what: str) -> Iterator[None]:
    """Turns a service's rejection of user input, or an exceeded quota, into a PublishError.

    Args:
        what: the input, for the message.
    """
    try:
        yield
    except ClientError as error:
        if error_code(error) not in _REJECTED:
            raise
        raise PublishError(f"AWS rejected {what}: {error.response['Error']['Message']}") from None


def _invalid_endpoint(error: ValueError) -> AccountError | None:
    # The message depends on what is wrong with the URL, so look for the setting that holds it.
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not _is_endpoint(value):
            return AccountError(f"{name}: {value!r} is not a URL such as http://127.0.0.1:4566")
    url = str(error).removeprefix("Invalid endpoint: ")
    if url == str(error):
        return None
    return AccountError(
        f"endpoint_url in the AWS settings: {url!r} is not a URL such as http://127.0.0.1:4566"
    )


def _on_this_machine() -> bool:
    """Whether the environment leads to a local engine."""
    url = os.environ.get("AWS_ENDPOINT_URL", "")
    return _is_endpoint(url) and urlsplit(url).hostname in ("127.0.0.1", "localhost")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.port != 0 and is_valid_endpoint_url(url)
    except ValueError:
        return False


# Services disagree on the codes of common errors: each group lists the variants that mean the same.
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "InvalidAccessKeyId",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "403")
_REJECTED = (
    "ValidationError",
    "ValidationException",
    "InvalidDefinition",
    "InsufficientCapabilitiesException",
    "LimitExceededException",
    "ConflictException",
    "ServiceQuotaExceededException",
)


def _explained_response(error: ClientError) -> AccountError | None:
    code = error_code(error)
    message = " ".join(error.response["Error"].get("Message", "").split())
    if code in _EXPIRED:
        return AccountError("the AWS session has expired: log in again (`aws sso login`, or new credentials)")
    if code in _UNKNOWN and _on_this_machine():
        return AccountError(f"the local engine has other keys in each run ({code}); {_CONNECT}")
    if code in _UNKNOWN:
        return AccountError(f"AWS does not know these credentials ({code}): check --profile, or log in again")
    if code in _DENIED:
        return AccountError(f"{error.operation_name} is not permitted: {message or code}")
    if is_transient(error):
        said = f"{code}: {message}" if message else code
        return AccountError(
            f"AWS is busy or fails at the moment ({error.operation_name}: {said}); run the command again later"
        )
    if code == "OptInRequired":
        return AccountError(f"the account is not subscribed to this service: {message}")
    return None
