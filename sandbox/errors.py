"""Errors of the sandbox that a user can cause. The command line reports them in one line.

AfterloopError
└── SandboxError    the sandbox cannot start, or refused a request
"""

from __future__ import annotations

from workflow.errors import AfterloopError

__all__ = ["SandboxError"]


class SandboxError(AfterloopError):
    """The sandbox cannot start, or refused a request. The message says why, and what to do instead."""
