"""AWS errors that a person can cause, told in one line."""

from __future__ import annotations

import os
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

from workflow.errors import AccountError

__all__ = ["explained"]

NO_CREDENTIALS = (
    "no AWS credentials were found: log in (`aws sso login`, `aws configure`) or give --profile; "
    "to try Afterloop without an account, run `python deploy.py local`"
)


def explained(error: BaseException) -> AccountError | None:
    """An error of botocore that a person can cause, told in one line; None for any other."""
    match error:
        case ProfileNotFound():
            return AccountError(f"{error}; `aws configure list-profiles` lists those there are")
        case NoCredentialsError() | PartialCredentialsError():
            return AccountError(NO_CREDENTIALS)
        case CredentialRetrievalError() | SSOError() | TokenRetrievalError():
            return AccountError(f"the AWS credentials cannot be had: {error}; log in again (`aws sso login`)")
        case NoRegionError():
            return AccountError("no Region: give --region, or set `region` in the stage's settings")
        case ConnectionError() | HTTPClientError():
            return AccountError(f"AWS cannot be reached: {error}")
        case ClientError():
            return _refused(error)
        case ValueError() if type(error) is ValueError:
            return _wrong_endpoint(error)
    return None


def _wrong_endpoint(error: ValueError) -> AccountError | None:
    """An endpoint that is no URL, which boto3 tells as a mere ValueError, in words that depend on what is wrong."""
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not _is_endpoint(value):
            return AccountError(f"{name}: {value!r} is no URL such as http://127.0.0.1:4566")
    told = str(error).removeprefix("Invalid endpoint: ")
    if told == str(error):
        return None
    return AccountError(f"endpoint_url of the AWS settings: {told!r} is no URL such as http://127.0.0.1:4566")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.port != 0 and is_valid_endpoint_url(url)
    except ValueError:
        return False


_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "InvalidAccessKeyId",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException", "403")


def _refused(error: ClientError) -> AccountError | None:
    code = error.response["Error"].get("Code", "")
    message = " ".join(error.response["Error"].get("Message", "").split())
    if code in _EXPIRED:
        return AccountError("the AWS session has expired: log in again (`aws sso login`, or new credentials)")
    if code in _UNKNOWN:
        return AccountError(f"AWS does not know these credentials ({code}): check --profile, or log in again")
    if code in _DENIED:
        return AccountError(f"{error.operation_name} is not permitted: {message or code}")
    if code == "OptInRequired":
        return AccountError(f"the account is not signed up for this: {message}")
    return None
