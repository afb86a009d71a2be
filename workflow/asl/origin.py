"""Where a step was made: the line of the user's file, for errors that name it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from workflow.asl.reach import everything
from workflow.asl.sdk import Block

__all__ = ["caller", "made_at", "name_of", "places", "readable"]


def places(start: Any) -> dict[str, str]:
    """Say where the states of a machine were made.

    Returns:
        State name to "file:line", the file relative to the current folder if it lies in it. Plain SDK states,
        which do not know their place, are left out.
    """
    found = {}
    for state in everything(start):
        place = vars(state).get("place")
        if place is not None:
            found[state.state_id] = readable(place)
    return found


def name_of(state: Any) -> str:
    """A state as errors name it, with its place if it knows that."""
    place = vars(state).get("place")
    return f"state {state.state_id!r}" + (f" ({readable(place)})" if place else "")


def made_at(*states: Any) -> str:
    """The places of states in parentheses, with a space before; nothing if none knows its place."""
    made = [readable(state.place) for state in states if vars(state).get("place")]
    return f" ({', '.join(made)})" if made else ""


def readable(place: tuple[str, int]) -> str:
    """A file and line as errors name them, relative to the current folder if the file lies in it."""
    file, line = place
    path = Path(file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"


def caller() -> tuple[str, int]:
    """Find who made a step: the first line outside the SDK, `workflow.steps`, the modules below it, and constructors.

    Returns:
        File and line.
    """
    frame = sys._getframe(1)
    while frame.f_back and (
        _is_ours(str(frame.f_globals.get("__name__")))
        or (frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), Block))
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_ours(module: str) -> bool:
    """Whether a step that is made in a module is made for somebody else."""
    return module == "workflow.steps" or module.startswith(("stepfunctions.", "workflow.asl."))
