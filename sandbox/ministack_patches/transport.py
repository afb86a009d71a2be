"""How requests reach the engine."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["correct"]


def correct() -> None:
    """Corrects what policies learn about the connection of a request."""
    _count_loopback_as_tls()


def _count_loopback_as_tls() -> None:
    """Treats each request as one over TLS.

    The policies in the template refuse requests without TLS. The sandbox uses plain HTTP, on the loopback interface
    only, where nobody can listen in.
    """
    from ministack import app
    from ministack.core import iam_evaluator

    # The default is for work without a request, such as a human loop that expires or a rule that fires.
    origin = ContextVar("afterloop_request_origin", default=("127.0.0.1", True))

    def pin_as_tls(source_ip: str, secure_transport: bool) -> None:
        origin.set((source_ip, True))

    iam_evaluator._request_origin = origin
    iam_evaluator.pin_request_origin = pin_as_tls
    app.pin_request_origin = pin_as_tls
