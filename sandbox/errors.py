"""Errors of the sandbox that a person can cause, told in one line.

AfterloopError
└── SandboxError    the sandbox cannot start, or cannot do what it was asked to
"""

from __future__ import annotations

from workflow.errors import AfterloopError

__all__ = ["SandboxError"]


class SandboxError(AfterloopError):
    """The sandbox cannot start, or cannot do what it was asked to: what, and what to do instead."""
