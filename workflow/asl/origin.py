"""The line of the user's file that made a step, for error messages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from workflow.asl.reach import everything
from workflow.asl.sdk import Block

__all__ = ["caller", "made_at", "name_of", "places", "readable", "shown_path"]


def places(start: Any) -> dict[str, str]:
    """The places where the states of a machine were made.

    Returns:
        State name to "file:line". The file is relative to the current folder if it is inside it. Plain SDK states do
        not know their place and are left out.
    """
    found = {}
    for state in everything(start):
        place = vars(state).get("place")
        if place is not None:
            found[state.state_id] = readable(place)
    return found


def name_of(state: Any) -> str:
    """A state as errors name it, with its place if known."""
    place = vars(state).get("place")
    return f"state {state.state_id!r}" + (f" ({readable(place)})" if place else "")


def made_at(*states: Any) -> str:
    """The places of states in parentheses, after a space; empty if none is known."""
    made = [readable(state.place) for state in states if vars(state).get("place")]
    return f" ({', '.join(made)})" if made else ""


def readable(place: tuple[str, int]) -> str:
    """A file and line as errors name them."""
    file, line = place
    return f"{shown_path(Path(file))}:{line}"


def shown_path(path: Path) -> str:
    """A file as errors name it: relative to the current folder if it is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def caller() -> tuple[str, int]:
    """The file and line that made a step: the nearest caller outside the SDK and `workflow.steps`."""
    frame = sys._getframe(1)
    # Constructors are skipped too, wherever they are: a user's own subclass of a step is not the place that made it.
    while frame.f_back and (
        _is_internal(str(frame.f_globals.get("__name__")))
        or (frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), Block))
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_internal(module: str) -> bool:
    """Whether a module makes steps only on behalf of its caller."""
    return module == "workflow.steps" or module.startswith(("stepfunctions.", "workflow.asl."))
