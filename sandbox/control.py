"""The sandbox's own routes (`/_sandbox/...`), from the caller's side."""

from __future__ import annotations

import http.client
import json
from typing import Any

from sandbox.errors import SandboxError

__all__ = ["Control"]


class Control:
    """Calls `/_sandbox/...` and `/_ministack/...` of one sandbox. JSON both ways; not signed."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = 60.0) -> Any:
        """Makes one request and returns the parsed answer.

        Args:
            method: HTTP method.
            path: such as `/_sandbox/loops`; already quoted.
            body: anything that JSON can hold, or None for no body.
            timeout: seconds to wait for the answer.

        Raises:
            SandboxError: the sandbox refused, with its own words.
            OSError: there is no sandbox at this address, or it ended meanwhile.
        """
        # A connection of its own per call: safe between threads, and no proxy is ever asked.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"the sandbox at port {self._port} broke off: {error!r}") from error
        finally:
            connection.close()
        answer = json.loads(text) if text else None
        if response.status >= 400:
            message = answer.get("message") if isinstance(answer, dict) else None
            raise SandboxError(message or f"{method} {path}: HTTP {response.status}: {text}")
        return answer
