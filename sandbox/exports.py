"""The file with which a shell connects to the local engine: `source .engine.env`."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.identity import HOST
from workflow import ROOT

__all__ = ["EXPORTS_FILE", "exports", "exports_in_file"]

EXPORTS_FILE = ROOT / ".engine.env"
"""Where `make local` writes the file. Git ignores it."""

# An SDK would combine settings such as AWS_ENDPOINT_URL_S3, AWS_PROFILE and AWS_SESSION_TOKEN with the exports.
_UNSET_OTHERS = "for name in $(env | sed -n 's/^\\(AWS_[A-Za-z0-9_]*\\)=.*/\\1/p'); do unset \"$name\"; done"

# An HTTP proxy cannot reach the loopback interface of this machine.
_NO_PROXY = f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{HOST},localhost"; export no_proxy="$NO_PROXY"'


def exports(variables: Mapping[str, str]) -> list[str]:
    """Returns the lines with which a shell exports variables."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


@contextlib.contextmanager
def exports_in_file(path: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """Writes a file that connects a shell to the engine, for as long as the context lasts.

    Only the user can read it. It takes the place of an earlier file at once, and is removed at the end, unless another
    engine has written its own in the meantime. It also removes all other variables of AWS from the shell.

    Args:
        path: The file.
        variables: The variables to export.

    Raises:
        OSError: The file cannot be written.
    """
    lines = ["# The keys of the local engine's current run.", _UNSET_OTHERS, *exports(variables), _NO_PROXY]
    text = "\n".join([*lines, ""])
    # A new file, readable by the user only from its first byte on.
    descriptor, part = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == text:
                path.unlink()
