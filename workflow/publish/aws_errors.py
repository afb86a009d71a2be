"""AWS errors that a person can cause, told in one line."""

from __future__ import annotations

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
    return None


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
