"""Watching the project's files, to publish again when one changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["changes", "snapshot"]

WATCHED = ("workflow", "lambdas", "requirements")
PAUSE_SECONDS = 0.3


def snapshot(root: Path, settings: Path) -> dict[Path, tuple[int, int]]:
    """The files that a publish is made from, with time and size."""
    files = [
        file for folder in WATCHED for file in (root / folder).rglob("*") if "__pycache__" not in file.parts
    ]
    found = {}
    for file in (*files, settings):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue  # Editors replace files: gone now, there again at the next look.
        if file.is_file():
            found[file] = (stat.st_mtime_ns, stat.st_size)
    return found


def changes(root: Path, settings: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[list[Path]]:
    """Yields the files that changed, each time that some did and have been quiet for a moment."""
    before = snapshot(root, settings)
    while True:
        sleep(PAUSE_SECONDS)
        now = snapshot(root, settings)
        if now == before:
            continue
        while (later := _later(root, settings, sleep)) != now:
            now = later
        yield sorted(file for file in {*before, *now} if before.get(file) != now.get(file))
        before = now


def _later(root: Path, settings: Path, sleep: Callable[[float], None]) -> dict[Path, tuple[int, int]]:
    sleep(PAUSE_SECONDS)
    return snapshot(root, settings)
