"""Watching the project's files, to publish again when one changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Snapshot", "changes", "snapshot"]

Snapshot = dict[str, tuple[int, int]]
"""Paths of files, each with its modification time in nanoseconds and its size in bytes."""

WATCHED = ("workflow", "lambdas", "requirements")
PAUSE_SECONDS = 0.1
"""How long to wait between two looks. One takes some milliseconds: it asks for each file, but opens none."""


def snapshot(root: Path, settings: Path) -> Snapshot:
    """The current state of the files that a publish is made from."""
    found: Snapshot = {}
    for folder in WATCHED:
        _add(found, str(root / folder))
    if settings.is_file():
        stat = settings.stat()
        found[str(settings)] = (stat.st_mtime_ns, stat.st_size)
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
                yield [Path(file) for file in changed]
            before = now
        sleep(PAUSE_SECONDS)


def _add(found: Snapshot, folder: str) -> None:
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except FileNotFoundError:
        return
    for entry in listed:
        if entry.is_dir():
            if entry.name != "__pycache__":
                _add(found, entry.path)
            continue
        try:
            stat = entry.stat()
        except FileNotFoundError:
            continue  # Editors save by replacing a file: it is missing for a moment.
        found[entry.path] = (stat.st_mtime_ns, stat.st_size)


def _later(root: Path, settings: Path, sleep: Callable[[float], None]) -> Snapshot:
    sleep(PAUSE_SECONDS)
    return snapshot(root, settings)
