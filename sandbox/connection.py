"""The engine that the environment leads to, after `source .engine.env`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.identity import HOST, Keys

__all__ = ["engine_of"]


def engine_of(environment: Mapping[str, str]) -> Control | None:
    """Returns the client of the engine's own routes; None if the environment leads to AWS, or to another engine.

    Args:
        environment: The variables of a process.
    """
    try:
        address = urlsplit(environment.get("AWS_ENDPOINT_URL", ""))
        host, port = address.hostname, address.port
    except ValueError:
        return None
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if host not in (HOST, "localhost") or not port or not key or not secret:
        return None
    control = Control(host, port, Keys(key, secret))
    try:
        control.call("GET", "/_sandbox/loops", timeout=10)
    except (SandboxError, OSError, ValueError, KeyError):
        # Nothing listens there, the keys are of an earlier run, or it is another program.
        return None
    return control
