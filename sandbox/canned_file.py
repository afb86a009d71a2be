"""A file of canned results that a running engine follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.canned_results import CannedResults, Given, Results, read_results
from sandbox.errors import SandboxError
from workflow.asl.walk import states
from workflow.stack.assembly import assemble

__all__ = ["following", "read_for_machine"]

PAUSE_SECONDS = 0.3


def read_for_machine(path: Path) -> Results:
    """Reads a file, and checks the names of its states against the project's state machine.

    Raises:
        SandboxError: The file is invalid, or names a state that the state machine does not have.
    """
    results = read_results(path)
    if results.states:
        results.check_states([name for name, _ in states(assemble().definition)], str(path))
    return results


@contextmanager
def following(
    path: Path, results: Results, canned: CannedResults, report: Callable[[str], None]
) -> Iterator[None]:
    """Gives the results of a file until the `with` block ends, and again when the file changes.

    Args:
        path: The file.
        results: What was read from it.
        canned: Gives results to the engine.
        report: Is called with a sentence after a change. If the file is invalid, the engine keeps the earlier results.
    """
    ended = threading.Event()
    before = _state(path)
    with canned.given(results) as given:
        thread = threading.Thread(target=_follow, args=(path, before, given, report, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _follow(
    path: Path,
    before: tuple[int, int] | None,
    given: Given,
    report: Callable[[str], None],
    ended: threading.Event,
) -> None:
    while not ended.wait(PAUSE_SECONDS):
        now = _state(path)
        if now in (None, before):  # Editors save by replacing a file: it is missing for a moment.
            continue
        before = now
        try:
            given.replace(read_results(path))
        except SandboxError as error:
            report(f"{error}; the engine keeps the earlier results")
        except OSError:
            return  # The engine has ended.
        else:
            report(f"Read {path} again")


def _state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
