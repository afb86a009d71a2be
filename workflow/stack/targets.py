"""The machines that bundles are for: those of Lambda, and this one."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass

from workflow.stack import ARCHITECTURE, PYTHON

__all__ = ["Target", "aws", "local"]


@dataclass(frozen=True)
class Target:
    """The machine that a bundle is for.

    Attributes:
        tag: Names the target in digests and file names.
        is_here: Whether the bundle runs in this interpreter, as the local engine's functions do.
    """

    tag: str
    is_here: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """The values of the markers in requirements that differ from those of this interpreter."""
        return {} if self.is_here else _LAMBDA

    def __str__(self) -> str:
        if self.is_here:
            return f"Python {sys.version_info.major}.{sys.version_info.minor} on {sysconfig.get_platform()}"
        return f"Python {PYTHON} on {ARCHITECTURE} Linux"


def aws() -> Target:
    """Returns the target for Lambda's own machines."""
    return Target(f"aws-{PYTHON}-{ARCHITECTURE}")


def local() -> Target:
    """Returns the target for this machine and interpreter."""
    return Target(f"here-{sys.implementation.cache_tag}-{sysconfig.get_platform()}", is_here=True)


_LAMBDA = {
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.0",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
"""Markers (https://packaging.python.org/specifications/dependency-specifiers/#environment-markers). The release and the
version of the system are those of this machine, because nobody can know those of Lambda."""
