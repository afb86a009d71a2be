"""`publish --watch`: swaps whenever a file of the project changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workflow import ROOT
from workflow.cli import warm
from workflow.cli.options import StageOptions
from workflow.cli.terminal import end_line, tell

if TYPE_CHECKING:
    from workflow.publish.watching import Snapshot

__all__ = ["LIBRARIES", "ReadyCommand", "swap_changes"]

LIBRARIES = (
    *("boto3", "boto3.dynamodb.conditions", "jsonata", "packaging.requirements", "pydantic.main"),
    *("rich.console", "statelint.linter", "tomllib", "troposphere.serverless", "typer.main"),
)
"""What takes long of the libraries that a swap imports. `stepfunctions` is not one: the project prepares its import."""


def swap_changes(since: Snapshot, on: StageOptions, accepted: Sequence[str]) -> None:
    """Swaps whenever files change, until Ctrl-C. A mistake in a file is shown, and ends nothing.

    Args:
        since: The files that the stage was published from.
        on: The stage.
        accepted: The names of risks that are accepted.
    """
    from workflow.publish.watching import changes

    swap = ReadyCommand(_arguments(on, accepted))
    tell("Watching for changes. Press Ctrl-C to stop.")
    try:
        for files in changes(ROOT, on.settings, since):
            tell(f"Changed: {', '.join(file.name for file in files)}")
            swap.run()
    except KeyboardInterrupt:
        end_line(sys.stdout)
        tell("Stopped watching.")
    finally:
        swap.close()


def _arguments(on: StageOptions, accepted: Sequence[str]) -> list[str]:
    arguments = ["publish", "--swap", "--yes"]
    for option in ("stage", "settings", "profile", "region"):
        if value := getattr(on, option):
            arguments += [f"--{option}", str(value)]
    for name in accepted:
        arguments += ["--accept", name]
    return arguments


class ReadyCommand:
    """A command of this project that runs again and again, each time in a process that waits for it (see `warm`).

    This process has already imported the workflow's modules, and would not see their changes.

    Args:
        arguments: The arguments of `deploy.py`.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        # Without bytecode: its cache misses an edit within the same second that keeps the length of the file.
        python = [sys.executable, "-B", "-P", warm.__file__]
        self._command = [*python, ",".join(LIBRARIES), str(ROOT), *arguments]
        self._next = self._started()

    def run(self) -> int:
        """Runs the command, and returns its exit status."""
        process = self._next
        try:
            process.communicate(b"run\n")
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reaches it, too. It reports what it leaves.
            raise
        self._next = self._started()
        return process.returncode

    def close(self) -> None:
        """Ends the process that waits."""
        self._next.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603  the command line of this project
