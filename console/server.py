"""Serves a console in a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.types import ASGIApp

from console.app import console_app
from console.guard import Guard
from console.loopback import HOST, listen
from console.site import Site

__all__ = ["serving", "serving_app"]

_MAX_SECONDS_TO_END = 5


@contextlib.contextmanager
def serving(site: Site, port: int | None = None) -> Iterator[str]:
    """Serves a console for as long as the context lasts.

    Args:
        site: What its pages need.
        port: TCP port on 127.0.0.1. None picks a free one.

    Yields:
        The link to its first page, with the token.

    Raises:
        AfterloopError: The port is in use.
    """
    with serving_app(console_app(site), port) as link:
        yield link


@contextlib.contextmanager
def serving_app(app: ASGIApp, port: int | None = None) -> Iterator[str]:
    """Serves an application behind the guard. See `serving`."""
    listener = listen(port, "the console")
    port = int(listener.getsockname()[1])
    token = secrets.token_urlsafe(24)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.1
    guard = Guard(app, port, token)
    stop = threading.Event()

    async def until_stopped() -> None:
        while not stop.is_set():
            await asyncio.sleep(0.1)

    def run() -> None:
        asyncio.run(serve(cast(ASGIFramework, guard), config, shutdown_trigger=until_stopped))

    thread = threading.Thread(target=run, name="console", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{port}/?token={token}"
    finally:
        stop.set()
        thread.join(_MAX_SECONDS_TO_END)
