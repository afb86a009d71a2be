"""Who signed a request to the engine: Signature Version 4 in the header or in the query.

MiniStack verifies the signatures of IAM users and role sessions only: each request with the access key of a root user
passes as signed. Here, each signature is verified.
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html)
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from ministack import app as ministack
from ministack.core import iam_evaluator, sigv4
from ministack.core.responses import _account_from_sts_session
from ministack.core.router import detect_service, extract_access_key_id

from sandbox.identity import ACCOUNT_ID, Keys

__all__ = ["Refused", "Request", "check_credentials", "check_signature", "has_credentials"]

_CREDENTIALS_IN_QUERY = {"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid"}


class Refused(Exception):
    """A request that the engine does not take.

    Attributes:
        code: The error code, as MiniStack's own checks have it: `access_denied_response` words it for the service.
        message: What is wrong, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Request:
    """A request, in the forms that MiniStack's own code uses.

    Attributes:
        method: The HTTP method.
        path: The path, decoded.
        raw_path: The path as it was sent.
        query: The query, decoded, with blank values.
        headers: The headers, with lower-case names.
    """

    method: str
    path: str
    raw_path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @classmethod
    def of(cls, scope: dict[str, Any]) -> Request:
        """Returns the request of an ASGI scope."""
        headers: dict[str, str] = {}
        for name, value in scope.get("headers", []):
            key, text = name.decode("latin-1").lower(), sigv4.decode_header_value(value)
            # SigV4 signs a header that is sent on several lines as its values, joined by a comma.
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        raw_path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        # A WebSocket begins with a GET request.
        method = scope.get("method", "GET")
        return cls(method, scope["path"], raw_path, query, headers)


def check_credentials(request: Request) -> None:
    """Checks that a request has a Signature Version 4, valid or not.

    Raises:
        Refused: It has no credentials, or credentials of another kind.
    """
    authorization = request.headers.get("authorization", "")
    if not authorization and not has_credentials(request):
        raise Refused(
            "MissingAuthenticationToken", "the local engine takes only signed requests: use an AWS SDK"
        )
    algorithm = authorization.partition(" ")[0] if authorization else _value(request, "X-Amz-Algorithm")
    if algorithm != "AWS4-HMAC-SHA256":
        raise Refused("UnsupportedSignature", "the local engine takes Signature Version 4 only")


def check_signature(request: Request, body: bytes, keys: Keys) -> None:
    """Checks that a request is signed by somebody whom the engine knows.

    Args:
        request: The request, whose credentials `check_credentials` has accepted.
        body: Its body.
        keys: The keys of the run.

    Raises:
        Refused: The signature is not valid.
    """
    presigned = "authorization" not in request.headers
    parse = sigv4.parse_query_signature(request.query) if presigned else None
    signature = parse or sigv4.parse_header_signature(request.headers)
    if isinstance(signature, tuple):
        raise Refused(*signature)
    # A request may name several. The one whose signature is valid has to be the one that the services see.
    if signature.access_key_id != _key_that_the_services_see(request):
        raise Refused("UnsupportedSignature", "the request names two access keys")
    secret = _secret(signature.access_key_id, _session_token(request, presigned), keys)
    _check_time(request, signature, presigned)
    failure = sigv4.header_signature_failure(
        signature,
        secret,
        request.method,
        request.raw_path,
        request.query,
        request.headers,
        body,
        presigned=presigned,
    )
    if failure is not None:
        raise Refused(*failure)
    if presigned:
        _check_that_nothing_was_added(request, signature, body)
    else:
        _check_body(request, body)


def has_credentials(request: Request) -> bool:
    """Returns whether the request has credentials of AWS. Those have to be valid wherever they are sent."""
    authorization = request.headers.get("authorization", "")
    return authorization.startswith(("AWS4-", "AWS ")) or any(
        name.lower() in _CREDENTIALS_IN_QUERY for name in request.query
    )


def _secret(key: str, token: str, keys: Keys) -> str:
    """Returns the secret key that belongs to an access key."""
    if key == keys.access_key_id or re.fullmatch(r"[0-9]{12}", key):
        if token:
            raise Refused(
                "UnrecognizedClientException",
                "The access key of the local engine has no session token: unset AWS_SESSION_TOKEN",
            )
        return keys.secret_access_key
    unknown = Refused(
        "UnrecognizedClientException",
        "The security token included in the request is invalid: the local engine has other keys in each "
        "run; run `source .engine.env` again",
    )
    # MiniStack's names for the root user in each installation. Here, only the keys of the run are it.
    if iam_evaluator.is_root_access_key(key):
        raise unknown
    try:
        account = _account_from_sts_session(key) or iam_evaluator.find_iam_access_key_account(key)
    except iam_evaluator.AmbiguousAccessKeyError:
        raise unknown from None
    found = iam_evaluator.resolve_credential(key, account or ACCOUNT_ID, token)
    if isinstance(found, iam_evaluator.CredentialResolutionError):
        if found.code == "UnrecognizedClientException" or (found.code == "InvalidToken" and not token):
            raise unknown
        raise Refused(found.code, found.message)
    return str(found.secret_access_key)


def _check_time(request: Request, signature: sigv4.HeaderSignature, presigned: bool) -> None:
    if not presigned:
        failure = sigv4.request_time_failure(signature)
        if failure is not None:
            raise Refused(*failure)
        if not sigv4._amz_datetime(signature.amz_date):
            raise Refused("IncompleteSignature", "X-Amz-Date is no date")
        return
    seconds = _value(request, "X-Amz-Expires")
    if not re.fullmatch(r"[0-9]{1,6}", seconds):
        raise Refused("IncompleteSignature", "X-Amz-Expires must be a number of seconds")
    try:
        expired = sigv4.presigned_request_is_expired(signature.amz_date, seconds)
    except ValueError:
        raise Refused("IncompleteSignature", "X-Amz-Date is no date") from None
    if expired:
        raise Refused("RequestExpired", "Request has expired")


def _check_that_nothing_was_added(request: Request, signature: sigv4.HeaderSignature, body: bytes) -> None:
    """Checks that a presigned URL is used for what it was made for.

    Its signature covers the headers that it names, and, for S3, no body. Each of them could name another operation.
    """
    signed = set(signature.signed_headers.split(";"))
    added = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
    if added:
        raise Refused(
            "SignatureDoesNotMatch",
            f"There were headers present in the request which were not signed: {added}",
        )
    if signature.service == "s3" and _service(request, body) != "s3":
        raise Refused("SignatureDoesNotMatch", "Credential should be scoped to correct service")


def _check_body(request: Request, body: bytes) -> None:
    """Checks the body against the header that the signature covers in its place, as S3 does."""
    declared = request.headers.get("x-amz-content-sha256", "")
    if re.fullmatch(r"[0-9a-f]{64}", declared) and declared != hashlib.sha256(body).hexdigest():
        raise Refused("SignatureDoesNotMatch", "the body is not the one that was signed")


def _key_that_the_services_see(request: Request) -> str:
    return str(extract_access_key_id(request.headers, request.query))


def _session_token(request: Request, presigned: bool) -> str:
    if presigned:
        return _value(request, "X-Amz-Security-Token")
    return request.headers.get("x-amz-security-token", "")


def _value(request: Request, name: str) -> str:
    return (request.query.get(name) or [""])[0]


def _service(request: Request, body: bytes) -> str:
    """Returns the service that MiniStack gives a request to."""
    routing = ministack._routing_params(request.method, request.path, request.headers, body, request.query)
    return str(detect_service(request.method, request.path, request.headers, routing))
