"""The guard in front of the console: who gets in, and what each response allows the browser to do.

1. **Address and origin**, as for the engine: see `loopback.py`.
2. **Token.** The link that the command prints has a random token. It is exchanged for a cookie that scripts cannot read
   and other sites do not send. So other users of the machine, who can reach the port as well, see nothing. Programs
   send the token as `Authorization: Bearer TOKEN`.
3. **Writing.** A request that writes comes from a page of this console: it has its Origin. Only a console that may
   write has such routes at all.

Each response forbids the browser all but this console's own styles, scripts and images, and to keep a copy.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.loopback import ForeignRequest, check_sender

__all__ = ["POLICY", "Guard"]


POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""The Content-Security-Policy of all pages, unless a page has one of its own."""

_HEADERS = {
    "cache-control": "no-store",  # pages have personal data
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Guard:
    """An ASGI application that passes requests on to the console, or refuses them.

    Args:
        app: The console.
        port: The port that listens.
        token: The token in the link.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._port = port
        self._token = token
        # Cookies do not distinguish ports, so that two consoles need two names.
        self._cookie = f"afterloop-{port}"
        # Not the token itself: who sees the cookie cannot make a link.
        self._session = hmac.new(token.encode(), b"console", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            check_sender(headers, self._port, "the console")
        except ForeignRequest as refused:
            await _refuse(send, str(refused))
            return
        query = scope.get("query_string", b"").decode("latin-1")
        given = dict(parse_qsl(query)).get("token")
        if given is not None and scope["method"] in _SAFE:
            await self._exchange(given, scope, query, send)
            return
        by_header = self._is_token(headers.get("authorization", "").removeprefix("Bearer "))
        if not by_header and not self._has_cookie(headers):
            await _refuse(
                send,
                "This console is protected: open it with the link that the command printed. "
                "Its token is new in each run.",
            )
            return
        if scope["method"] not in _SAFE and not by_header and "origin" not in headers:
            await _refuse(send, "The console takes what writes only from its own pages.")
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {key.lower() for key, _ in message.get("headers", [])}
                more = [(k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in own]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _is_token(self, given: str) -> bool:
        return bool(_TOKEN.fullmatch(given)) and hmac.compare_digest(given.encode(), self._token.encode())

    def _has_cookie(self, headers: dict[str, str]) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._session.encode())

    async def _exchange(self, given: str, scope: Scope, query: str, send: Send) -> None:
        """Exchanges the token for the cookie, and sends the browser to the same page without it."""
        if not self._is_token(given):
            await _refuse(
                send, "The token in this link is not the one of this run: use the link that was printed."
            )
            return
        rest = urlencode([(key, value) for key, value in parse_qsl(query) if key != "token"])
        # Two slashes at the beginning would lead to another host, and browsers read a backslash as a slash.
        path = "/" + (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").lstrip("/\\")
        cookie = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
        await _respond(
            send,
            303,
            "",
            {"location": f"{path}?{rest}" if rest else path, "set-cookie": cookie},
        )


async def _refuse(send: Send, text: str) -> None:
    await _respond(send, 403, text + "\n", {"content-type": "text/plain; charset=utf-8"})


async def _respond(send: Send, status: int, text: str, headers: dict[str, str]) -> None:
    body = text.encode("utf-8", "backslashreplace")
    # What is left of a body that nobody read would be taken for the next request.
    pairs = {**_HEADERS, **headers, "content-length": str(len(body)), "connection": "close"}
    encoded = [(key.encode(), value.encode("latin-1")) for key, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
