"""Watching the project's files, to publish again when one changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Snapshot", "changes", "snapshot"]

Snapshot = dict[Path, tuple[int, int]]
"""Files, each with its time in nanoseconds and its size in bytes."""

WATCHED = ("workflow", "lambdas", "requirements")
PAUSE_SECONDS = 0.3


def snapshot(root: Path, settings: Path) -> Snapshot:
    """The files that a publish is made from, as they are now."""
    files = [
        file for folder in WATCHED for file in (root / folder).rglob("*") if "__pycache__" not in file.parts
    ]
    found: Snapshot = {}
    for file in (*files, settings):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue  # Editors replace files: gone now, there again at the next look.
        if file.is_file():
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


def changes(
    root: Path, settings: Path, since: Snapshot, sleep: Callable[[float], None] = time.sleep
) -> Iterator[list[Path]]:
    """Yields the files that changed, each time that some did and have been quiet for a moment.

    Args:
        root: the project's folder.
        settings: the settings file.
        since: the files as they were when what runs now was made from them.
        sleep: waits for a number of seconds.
    """
    before = since
    while True:
        now = snapshot(root, settings)
        if now != before:
            while (later := _later(root, settings, sleep)) != now:
                now = later
            if changed := sorted(file for file in {*before, *now} if before.get(file) != now.get(file)):
                yield changed
            before = now
        sleep(PAUSE_SECONDS)


def _later(root: Path, settings: Path, sleep: Callable[[float], None]) -> Snapshot:
    sleep(PAUSE_SECONDS)
    return snapshot(root, settings)
