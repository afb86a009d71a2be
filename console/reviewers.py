"""What the reviewer's pages need of the local engine, which implements it. A stage on AWS has workers of its own."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Reviewers"]


class Reviewers(Protocol):
    """The tasks of the local engine that wait for workers."""
