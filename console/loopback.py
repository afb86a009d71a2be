"""The address of this machine: the sockets that listen on it, and the requests that are really for it.

A web page in the user's browser can send requests to 127.0.0.1. So everything that listens there checks the address
that a request names, and where it comes from. A page whose name an attacker made resolve to 127.0.0.1 (DNS rebinding)
sends its own name as Host. Another port of this machine is another origin.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from workflow.errors import AfterloopError

__all__ = ["HOST", "ForeignRequest", "check_sender", "listen"]

HOST = "127.0.0.1"
"""Everything here listens on the loopback interface only."""

_HOST = re.compile(r"(?:127\.0\.0\.1|\[::1\]|(?:[a-z0-9_-]+\.)*localhost)(?::([0-9]{1,5}))?", re.IGNORECASE)
"""The addresses of this machine, and names under `.localhost`, which nobody can register (RFC 6761)."""


class ForeignRequest(Exception):
    """A request that names another address, or that another site sends."""


def check_sender(headers: Mapping[str, str], port: int, what: str) -> None:
    """Checks that a request is for this address, and that no other site sends it.

    Args:
        headers: The headers, with names in lower case.
        port: The port that listens.
        what: What listens, for the message.

    Raises:
        ForeignRequest: The request is refused. The message says why.
    """
    host = headers.get("host", "")
    match = _HOST.fullmatch(host)
    if match is None or (match[1] and int(match[1]) != port):
        raise ForeignRequest(f"{what} is not {host[:100]!r}: use http://{HOST}:{port}")
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        raise ForeignRequest(f"{what} takes no requests from web pages of other addresses")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise ForeignRequest(f"{what} takes no requests from other web sites")


def listen(port: int | None, what: str, error: type[AfterloopError] = AfterloopError) -> socket.socket:
    """Opens a socket that listens.

    Args:
        port: TCP port on 127.0.0.1. None picks a free one.
        what: What is to listen, for the message.
        error: The class of the error.

    Raises:
        AfterloopError: The port is in use, or is not a valid port.
    """
    if not 0 <= (port or 0) <= 65_535:
        raise error(f"invalid port: {port}; use a port from 1 to 65535")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
    except OSError as problem:
        listener.close()
        raise error(
            f"{what} cannot use port {port} on {HOST} ({problem.strerror}): stop the program that uses it, "
            "or choose another port"
        ) from problem
    listener.listen(1024)
    return listener
