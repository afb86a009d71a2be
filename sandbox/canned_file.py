"""A file of canned results that a running engine follows: when it appears, when it changes, when it is deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.canned_results import CannedResults, Given, Results, read_results
from sandbox.errors import SandboxError
from workflow import ROOT
from workflow.asl.walk import states
from workflow.stack.assembly import assemble

__all__ = ["DEFAULT_FILE", "following", "read_for_machine"]

DEFAULT_FILE = ROOT / "canned_results.json"
"""The file that `make local` follows unless another one is named. It need not exist."""

PAUSE_SECONDS = 0.3


def read_for_machine(path: Path) -> Results:
    """Reads a file, and checks the names of its states against the project's state machine.

    Returns:
        No results if it is the default file, which does not exist.

    Raises:
        SandboxError: The file is invalid, or names a state that the state machine does not have.
    """
    if path == DEFAULT_FILE and not path.exists():
        return Results()
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
    before: _State,
    given: Given,
    report: Callable[[str], None],
    ended: threading.Event,
) -> None:
    last = before
    while not ended.wait(PAUSE_SECONDS):
        now, earlier = _state(path), last
        last = now
        # While a file is saved, it is empty or missing for a moment.
        if now != earlier or now == before:
            continue
        before = now
        try:
            given.replace(Results() if now is None else read_results(path))
        except SandboxError as error:
            report(f"{error} (the engine keeps the earlier results)")
        except OSError:
            return  # The engine has ended.
        else:
            report(
                f"{path.name} is gone: no canned results" if now is None else f"Canned results of {path.name}"
            )


_State = tuple[int, int] | None
"""Time and size of a file; None if there is none."""


def _state(path: Path) -> _State:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
