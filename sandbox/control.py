"""The client of the sandbox's own routes, `/_sandbox/...`."""

from __future__ import annotations

import http.client
import json
from typing import Any

from sandbox.errors import SandboxError
from sandbox.identity import TOKEN_HEADER, Keys

__all__ = ["Control"]


class Control:
    """Calls `/_sandbox/...` of one sandbox, with JSON requests and responses.

    Requests are not signed: they carry the token of the run.
    """

    def __init__(self, host: str, port: int, keys: Keys) -> None:
        self._host = host
        self._port = port
        self._headers = {"Content-Type": "application/json", TOKEN_HEADER: keys.token}

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = 60.0) -> Any:
        """Sends a request and returns the parsed response.

        Args:
            method: The HTTP method.
            path: The path, such as `/_sandbox/loops`, with special characters escaped.
            body: A JSON value, or None for no body.
            timeout: Seconds to wait for the response.

        Raises:
            SandboxError: The sandbox refused the request. The message is its own.
            OSError: There is no sandbox at this address, or it has ended.
        """
        # A new connection for each call: threads can share this object, and http.client ignores proxies.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, self._headers)
            response = connection.getresponse()
            text = response.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(
                f"the local engine on port {self._port} closed the connection: {error!r}"
            ) from error
        finally:
            connection.close()
        answer = json.loads(text)
        if response.status >= 400:
            raise SandboxError(answer["message"])
        return answer
