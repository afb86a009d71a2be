"""Whether a process of this machine has ended: what holds a lock must not hold it after its death.

A process marks itself with a file that it locks. The system releases that lock when the process ends, however it ends.
A process ID would not do: it is given to another process later, and is that of another one in a container or on
another machine. The file of a process that runs elsewhere is not here, so nothing is known about it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is known about any process.
    fcntl = None  # type: ignore[assignment]

__all__ = ["ProcessMark", "forget", "has_ended"]


class ProcessMark:
    """Marks this process until `remove`, or until it ends.

    Args:
        name: a name that no other mark ever had; only letters and digits.
    """

    def __init__(self, name: str) -> None:
        self._file: int | None = None
        self._path = _path(name)
        # Without it, only this machine takes longer to see that the process ended.
        with suppress(OSError):
            if fcntl:
                # Readable: another user of this machine may look. Not inherited by child processes, which may live on.
                self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
                fcntl.flock(self._file, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Removes the mark."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = None


def has_ended(name: str) -> bool:
    """Whether the process with this mark has ended. False if nothing is known about it here."""
    if not fcntl:
        return False
    try:
        file = os.open(_path(name), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def forget(name: str) -> None:
    """Removes the mark of a process that has ended."""
    with suppress(OSError):
        _path(name).unlink()


def _path(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"afterloop-{name}"
