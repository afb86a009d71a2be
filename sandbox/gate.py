"""The gate in front of the engine: which requests reach it at all.

A web page in the developer's browser can send requests to 127.0.0.1, and the engine runs code. So, before any routing:

1. **Address.** The Host is this engine: a page whose name an attacker made resolve to 127.0.0.1 (DNS rebinding) sends
   its own name. `127.0.0.1`, `localhost`, `[::1]`, and names under `.localhost`, which nobody can register (RFC 6761),
   with the port of the engine or without one.
2. **Origin.** No other site sends it: neither Origin nor Sec-Fetch-Site names one. Another port of this machine is
   another site. No response has a CORS header, so that a browser shows none to a page.
3. **Control routes.** `/_sandbox/` and `/_ministack/` need the token of the run.
4. **Signature.** Everything else has a valid Signature Version 4: of the run's key, of 12 digits with the run's secret
   (they choose an account), of an IAM user, or of a role session.

Without a signature, there are only: the health check; the URLs that CloudFormation gives to custom resources and wait
conditions, which have a random token; function URLs and stages of API Gateway by their paths (`/_aws/…`), whose own
settings say who may call them. AWS serves more without one: public buckets, forms that upload to S3, links in messages
of SNS, sign-in pages, web identities. Here they are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any
from urllib.parse import parse_qs, quote

from ministack import app as ministack
from ministack.core import iam_evaluator, sigv4
from ministack.core.iam_actions import access_denied_response
from ministack.core.responses import _account_from_sts_session
from ministack.core.router import detect_service, extract_access_key_id

from sandbox.identity import ACCOUNT_ID, TOKEN_HEADER, Keys

__all__ = ["Gate", "WithoutCors"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HOST = re.compile(r"(?:127\.0\.0\.1|\[::1\]|(?:[a-z0-9_-]+\.)*localhost)(?::([0-9]{1,5}))?", re.IGNORECASE)
_CONTROL = ("/_sandbox/", "/_ministack/", "/_localstack/")
_HEALTH = "/_sandbox/health"
_WITH_OWN_TOKEN = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")
_WITH_OWN_SETTINGS = ("/_aws/lambda-url/", "/_aws/execute-api/")
_HOST_WITHOUT_NAME = re.compile(r"(?:127\.0\.0\.1|\[::1\]|localhost)(?::|$)", re.IGNORECASE)
_CREDENTIALS_IN_QUERY = {"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid"}
_MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
"""(https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html)"""


class _Refused(Exception):
    """A request that does not pass.

    Attributes:
        code: The error code, as MiniStack's own checks have it: `access_denied_response` words it for the service.
        message: What is wrong, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Gone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class _Request:
    """A request, in the forms that MiniStack's own code uses."""

    method: str
    path: str
    raw_path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    repeated: frozenset[str]

    @classmethod
    def of(cls, scope: Scope) -> _Request:
        headers: dict[str, str] = {}
        repeated = set()
        for name, value in scope.get("headers", []):
            key, text = name.decode("latin-1").lower(), sigv4.decode_header_value(value)
            if key in headers:
                repeated.add(key)
                # SigV4 signs a header that is sent on several lines as its values, joined by a comma.
                text = f"{headers[key]},{text}"
            headers[key] = text
        raw_path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        # A WebSocket begins with a GET request.
        method = scope.get("method", "GET")
        return cls(method, scope["path"], raw_path, query, headers, frozenset(repeated))


class Gate:
    """An ASGI application that passes requests on to another one, or refuses them.

    Args:
        app: The application behind the gate.
        port: The port of the engine.
        keys: The keys of the run.
    """

    def __init__(self, app: App, port: int, keys: Keys) -> None:
        self._app = app
        self._port = port
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers with an error that an AWS SDK understands."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = _Request.of(scope)
        try:
            receive = await self._checked(scope["type"], request, receive)
        except _Refused as refused:
            await _refuse(scope, request, refused, receive, send)
        except _Gone:
            return
        else:
            await self._app(scope, receive, send)

    async def _checked(self, kind: str, request: _Request, receive: Receive) -> Receive:
        """Checks a request. Returns a function that receives its body again."""
        self._check_sender(request)
        if not self._needs_signature(request):
            return receive
        _check_credentials_are_unambiguous(request)
        body, again = await _read(receive) if kind == "http" else (b"", receive)
        self._check_signature(request, body)
        return again

    def _check_sender(self, request: _Request) -> None:
        """Checks the address, and that no other site sent the request."""
        host = request.headers.get("host", "")
        match = None if "host" in request.repeated else _HOST.fullmatch(host)
        if match is None or (match[1] and int(match[1]) != self._port):
            raise _Refused(
                "AccessDeniedException",
                f"the local engine is not {host[:100]!r}: use http://127.0.0.1:{self._port}",
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise _Refused("AccessDeniedException", "the local engine takes no requests from web pages")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise _Refused("AccessDeniedException", "the local engine takes no requests from other web sites")

    def _needs_signature(self, request: _Request) -> bool:
        """Returns whether the request has to be signed. Those to control routes need the token instead."""
        if request.path == _HEALTH:
            return False
        if request.path.startswith(_CONTROL):
            if request.path.startswith(_WITH_OWN_TOKEN) and request.method == "PUT":
                return False
            token = request.headers.get(TOKEN_HEADER.lower(), "")
            if not compare_digest(token.encode(), self._keys.token.encode()):
                raise _Refused(
                    "AccessDeniedException",
                    "the local engine has other keys in each run: run `source .engine.env` again. "
                    f"Its own routes need the header {TOKEN_HEADER}",
                )
            return False
        return not _has_settings_of_its_own(request) or _has_credentials(request)

    def _check_signature(self, request: _Request, body: bytes) -> None:
        presigned = "authorization" not in request.headers
        parse = sigv4.parse_query_signature(request.query) if presigned else None
        signature = parse or sigv4.parse_header_signature(request.headers)
        if isinstance(signature, tuple):
            raise _Refused(*signature)
        if signature.access_key_id != _key_that_the_services_see(request):
            raise _Refused("UnsupportedSignature", "the request names two access keys")
        secret = self._secret(signature.access_key_id, _session_token(request, presigned))
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
            raise _Refused(*failure)
        if presigned:
            _check_that_nothing_was_added(request, signature, body)
        else:
            _check_body(request, body)

    def _secret(self, key: str, token: str) -> str:
        """Returns the secret key that belongs to an access key."""
        if key == self._keys.access_key_id or re.fullmatch(r"[0-9]{12}", key):
            if token:
                raise _Refused(
                    "UnrecognizedClientException",
                    "The access key of the local engine has no session token: unset AWS_SESSION_TOKEN",
                )
            return self._keys.secret_access_key
        unknown = _Refused(
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
            raise _Refused(found.code, found.message)
        return str(found.secret_access_key)


class WithoutCors:
    """An ASGI application whose responses a browser shows to no page of another site.

    MiniStack lets every site read every response. This is not a part of the gate, because the faults between them have
    to know the server's own `send`.

    Args:
        app: The application that responds.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Responds to a request, without headers for Cross-Origin Resource Sharing."""

        async def send_without(message: dict[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                headers = message.get("headers", [])
                kept = [pair for pair in headers if not pair[0].lower().startswith(b"access-control-")]
                message = {**message, "headers": kept}
            await send(message)

        await self._app(scope, receive, send_without)


def _check_credentials_are_unambiguous(request: _Request) -> None:
    """Refuses a request that has no Signature Version 4, or more than one."""
    authorization = request.headers.get("authorization", "")
    in_query = [name for name in request.query if name.lower() in _CREDENTIALS_IN_QUERY]
    if "authorization" in request.repeated or (authorization and in_query):
        raise _Refused("UnsupportedSignature", "the request has credentials in two places")
    if any(len(request.query[name]) > 1 for name in in_query):
        raise _Refused("UnsupportedSignature", "the request has credentials in two places")
    if not authorization and not in_query:
        raise _Refused(
            "MissingAuthenticationToken", "the local engine takes only signed requests: use an AWS SDK"
        )
    signed = (
        authorization.startswith("AWS4-HMAC-SHA256 ")
        if authorization
        else (request.query.get("X-Amz-Algorithm") == ["AWS4-HMAC-SHA256"])
    )
    if not signed:
        raise _Refused("UnsupportedSignature", "the local engine takes Signature Version 4 only")


def _check_time(request: _Request, signature: sigv4.HeaderSignature, presigned: bool) -> None:
    if not presigned:
        failure = sigv4.request_time_failure(signature)
        if failure is not None:
            raise _Refused(*failure)
        if not sigv4._amz_datetime(signature.amz_date):
            raise _Refused("IncompleteSignature", "X-Amz-Date is no date")
        return
    seconds = _value(request, "X-Amz-Expires")
    if not re.fullmatch(r"[0-9]{1,6}", seconds) or int(seconds) > _MAX_PRESIGNED_SECONDS:
        raise _Refused("IncompleteSignature", "X-Amz-Expires must be a number of seconds, at most a week")
    try:
        expired = sigv4.presigned_request_is_expired(signature.amz_date, seconds)
    except ValueError:
        raise _Refused("IncompleteSignature", "X-Amz-Date is no date") from None
    if expired:
        raise _Refused("RequestExpired", "Request has expired")


def _check_that_nothing_was_added(request: _Request, signature: sigv4.HeaderSignature, body: bytes) -> None:
    """Checks that a presigned URL is used for what it was made for.

    Its signature covers the headers that it names, and, for S3, no body. Each of them could name another operation.
    """
    signed = set(signature.signed_headers.split(";"))
    added = [name for name in request.headers if name.startswith("x-amz-") and name not in signed]
    if added or "host" not in signed:
        raise _Refused(
            "SignatureDoesNotMatch",
            f"There were headers present in the request which were not signed: {added}",
        )
    if signature.service == "s3" and _service(request, body) != "s3":
        raise _Refused("SignatureDoesNotMatch", "Credential should be scoped to correct service")


def _check_body(request: _Request, body: bytes) -> None:
    """Checks the body against the header that the signature covers in its place, as S3 does."""
    declared = request.headers.get("x-amz-content-sha256", "")
    if re.fullmatch(r"[0-9a-f]{64}", declared) and declared != hashlib.sha256(body).hexdigest():
        raise _Refused("SignatureDoesNotMatch", "the body is not the one that was signed")


def _has_settings_of_its_own(request: _Request) -> bool:
    """Returns whether the request is for a function URL or a stage of API Gateway: their settings say who may call.

    Only by path: a name before the host, or a target, could lead the services to something else.
    """
    return (
        request.path.startswith(_WITH_OWN_SETTINGS)
        and _HOST_WITHOUT_NAME.match(request.headers["host"]) is not None
        and "x-amz-target" not in request.headers
    )


def _has_credentials(request: _Request) -> bool:
    """Returns whether the request has credentials of AWS. Those have to be valid wherever they are sent."""
    authorization = request.headers.get("authorization", "")
    return authorization.startswith(("AWS4-", "AWS ")) or any(
        name.lower() in _CREDENTIALS_IN_QUERY for name in request.query
    )


def _key_that_the_services_see(request: _Request) -> str:
    return str(extract_access_key_id(request.headers, request.query))


def _session_token(request: _Request, presigned: bool) -> str:
    if presigned:
        return _value(request, "X-Amz-Security-Token")
    return request.headers.get("x-amz-security-token", "")


def _value(request: _Request, name: str) -> str:
    return (request.query.get(name) or [""])[0]


def _service(request: _Request, body: bytes) -> str:
    """Returns the service that MiniStack gives a request to."""
    routing = ministack._routing_params(request.method, request.path, request.headers, body, request.query)
    return str(detect_service(request.method, request.path, request.headers, routing))


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """Reads a body. Returns it, and a function that receives it again."""
    chunks, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(chunks)
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> dict[str, Any]:
        return waiting.pop() if waiting else await receive()

    return body, receive_again


async def _refuse(scope: Scope, request: _Request, refused: _Refused, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refused.message})
        return
    request_id = str(uuid.uuid4())
    if request.path.startswith(_CONTROL):
        body = json.dumps({"message": refused.message}).encode()
        status, headers = 403, {"Content-Type": "application/json"}
    else:
        status, headers, body = _in_words_of_the_service(request, refused, request_id)
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    pairs += [(b"content-length", str(len(body)).encode()), (b"x-amzn-requestid", request_id.encode())]
    # What is left of a body that nobody read would be taken for the next request.
    pairs.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _in_words_of_the_service(
    request: _Request, refused: _Refused, request_id: str
) -> tuple[int, dict[str, str], bytes]:
    """Returns the response that an SDK understands: status, headers, body."""
    answer: tuple[int, dict[str, str], bytes] = access_denied_response(
        detect_service(request.method, request.path, request.headers, request.query),
        "",
        "",
        request_id,
        error_code=refused.code,
        message=refused.message,
        headers=request.headers,
    )
    return answer
