"""What a local engine says about a state machine before it is published.

`sandbox` is that engine, and imports this module: how a client shows that it knows the keys of a run is defined here.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["TOKEN_HEADER", "not_run", "token"]

TOKEN_HEADER = "X-Sandbox-Token"  # noqa: S105 (the name of a header)
"""The header with which clients of the engine's own routes show that they know the secret key."""

_TIMEOUT_SECONDS = 5


def token(secret_access_key: str) -> str:
    """Returns the value of `TOKEN_HEADER`. It follows from the secret key, so that clients need only the keys."""
    return hmac.new(secret_access_key.encode(), b"control routes", hashlib.sha256).hexdigest()


def not_run(
    definition: Mapping[str, Any], places: Mapping[str, str], endpoint_url: str, secret_access_key: str
) -> list[str]:
    """Returns a warning for each state that the engine does not run and that has no canned results.

    Args:
        definition: The state machine.
        places: State name to "file:line".
        endpoint_url: Where the engine is.
        secret_access_key: The secret key of the engine's run.

    Returns:
        No warnings if it is another engine: then nothing is known about it.
    """
    address = urlsplit(endpoint_url)
    if address.scheme != "http" or address.hostname not in ("127.0.0.1", "localhost", "::1"):
        return []
    connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", TOKEN_HEADER: token(secret_access_key)}
    try:
        connection.request("POST", "/_sandbox/not-run", json.dumps({"definition": definition}), headers)
        response = connection.getresponse()
        found = json.loads(response.read()) if response.status == 200 else {}
        return [
            f"{places[name]}: state {name!r}: {message}" if name in places else f"state {name!r}: {message}"
            for name, message in found.get("states", {}).items()
        ] + list(found.get("unknown", {}).values())
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return []  # It does not know the route.
    finally:
        connection.close()
