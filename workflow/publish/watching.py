"""Watching the project's files, to publish again when one changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Snapshot", "changes", "snapshot"]

Snapshot = dict[Path, tuple[int, int]]
"""Files, each with its modification time in nanoseconds and its size in bytes."""

WATCHED = ("workflow", "lambdas", "requirements")
PAUSE_SECONDS = 0.3


def snapshot(root: Path, settings: Path) -> Snapshot:
    """The current state of the files that a publish is made from."""
    files = [
        file for folder in WATCHED for file in (root / folder).rglob("*") if "__pycache__" not in file.parts
    ]
    found: Snapshot = {}
    for file in (*files, settings):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue  # Editors save by replacing a file: it is missing for a moment.
        if file.is_file():
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


def changes(
    root: Path, settings: Path, since: Snapshot, sleep: Callable[[float], None] = time.sleep
) -> Iterator[list[Path]]:
    """Yields the files that changed, each time that files change and then stay the same for a moment.

    Args:
        root: the project's folder.
        settings: the settings file.
        since: the files that the published stage was made from.
        sleep: waits for a number of seconds.
    """
    before = since
    while True:
        now = snapshot(root, settings)
        if now != before:
            # Wait until nothing changes any more: an editor or a git checkout writes many files one by one.
            while (later := _later(root, settings, sleep)) != now:
                now = later
            if changed := sorted(file for file in {*before, *now} if before.get(file) != now.get(file)):
                yield changed
            before = now
        sleep(PAUSE_SECONDS)


def _later(root: Path, settings: Path, sleep: Callable[[float], None]) -> Snapshot:
    sleep(PAUSE_SECONDS)
    return snapshot(root, settings)
