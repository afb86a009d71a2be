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
conditions, and the link with which an endpoint confirms its subscription to a topic of SNS, which have a random token;
function URLs and stages of API Gateway by their paths (`/_aws/…`), whose own settings say who may call them. AWS serves
more without one: public buckets, forms that upload to S3, other links in messages of SNS, sign-in pages, web
identities. Here they are refused.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any

from ministack.core.iam_actions import access_denied_response
from ministack.core.router import detect_service

from console.loopback import ForeignRequest, check_sender
from sandbox.identity import TOKEN_HEADER, Keys
from sandbox.signatures import Refused, Request, check_credentials, check_signature, has_credentials

__all__ = ["Gate", "WithoutCors"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_CONTROL = ("/_sandbox/", "/_ministack/", "/_localstack/")
_HEALTH = "/_sandbox/health"
_WITH_OWN_TOKEN = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")
_WITH_OWN_SETTINGS = ("/_aws/lambda-url/", "/_aws/execute-api/")
_HOST_WITHOUT_NAME = re.compile(r"(?:127\.0\.0\.1|\[::1\]|localhost)(?::|$)", re.IGNORECASE)


class _Gone(Exception):
    """The client has closed the connection."""


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
        request = Request.of(scope)
        try:
            receive = await self._checked(scope["type"], request, receive)
        except Refused as refused:
            await _refuse(scope, request, refused, receive, send)
        except _Gone:
            return
        else:
            await self._app(scope, receive, send)

    async def _checked(self, kind: str, request: Request, receive: Receive) -> Receive:
        """Checks a request. Returns a function that receives its body again."""
        self._check_sender(request)
        if not self._needs_signature(request):
            return receive
        check_credentials(request)
        body, again = await _read(receive) if kind == "http" else (b"", receive)
        check_signature(request, body, self._keys)
        return again

    def _check_sender(self, request: Request) -> None:
        """Checks the address, and that no other site sent the request."""
        try:
            check_sender(request.headers, self._port, "the local engine")
        except ForeignRequest as foreign:
            raise Refused("AccessDeniedException", str(foreign)) from None

    def _needs_signature(self, request: Request) -> bool:
        """Returns whether the request has to be signed. Those to control routes need the token instead."""
        if request.path == _HEALTH or _confirms_a_subscription(request):
            return False
        if request.path.startswith(_CONTROL):
            if request.path.startswith(_WITH_OWN_TOKEN) and request.method == "PUT":
                return False
            token = request.headers.get(TOKEN_HEADER.lower(), "")
            if not compare_digest(token.encode(), self._keys.token.encode()):
                raise Refused(
                    "AccessDeniedException",
                    "the local engine has other keys in each run: run `source .engine.env` again. "
                    f"Its own routes need the header {TOKEN_HEADER}",
                )
            return False
        return not _has_settings_of_its_own(request) or has_credentials(request)


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


def _confirms_a_subscription(request: Request) -> bool:
    """Returns whether the request is the SubscribeURL in a message of SNS, and nothing else."""
    return (
        request.method == "GET"
        and request.path == "/"
        and request.query.keys() == {"Action", "TopicArn", "Token"}
        and request.query["Action"] == ["ConfirmSubscription"]
        and _HOST_WITHOUT_NAME.match(request.headers["host"]) is not None
        and "x-amz-target" not in request.headers
    )


def _has_settings_of_its_own(request: Request) -> bool:
    """Returns whether the request is for a function URL or a stage of API Gateway: their settings say who may call.

    Only by path: a name before the host, or a target, could lead the services to something else.
    """
    return (
        request.path.startswith(_WITH_OWN_SETTINGS)
        and _HOST_WITHOUT_NAME.match(request.headers["host"]) is not None
        and "x-amz-target" not in request.headers
    )


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


async def _refuse(scope: Scope, request: Request, refused: Refused, receive: Receive, send: Send) -> None:
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
    request: Request, refused: Refused, request_id: str
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
