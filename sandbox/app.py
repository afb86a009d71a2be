"""One ASGI app: the sandbox's own routes first, MiniStack for the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ministack import app as ministack

if TYPE_CHECKING:
    from sandbox.server import EngineSettings

__all__ = ["SandboxApp"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class SandboxApp:
    """The ASGI application that the child process serves."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["path"].startswith("/_sandbox/"):
            await self._control(scope, receive, send)
        else:
            await ministack.app(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        match scope["method"], scope["path"]:
            case "GET", "/_sandbox/health":
                await _answer(send, 200, {"status": "ready"})
            case "POST", "/_sandbox/reset":
                await ministack._handle_admin_reset("/_ministack/reset", "POST", {})
                await _answer(send, 200, {})
            case "POST", "/_sandbox/config":
                await _configure(json.loads(body or b"{}"), send)
            case method, path:
                await _answer(send, 404, {"message": f"the sandbox has no {method} {path}"})


async def _configure(values: dict[str, Any], send: Send) -> None:
    from ministack.services import stepfunctions

    for name, value in values.items():
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            await _answer(send, 400, {"message": f"{name}: {value!r} is not a factor of 0 or more"})
            return
    if "wait_scale" in values:
        stepfunctions._SFN_WAIT_SCALE = float(values["wait_scale"])
    await _answer(send, 200, {})


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _answer(send: Send, status: int, body: Any) -> None:
    payload = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
