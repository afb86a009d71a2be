"""The type of a problem, and suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Literal, NamedTuple

__all__ = ["Problem", "Severity", "hint"]

Severity = Literal["error", "warning"]
"""An error would fail every execution that reaches the state. A warning may be intended."""


class Problem(NamedTuple):
    """The state's name (None for the machine), the message, and how severe it is."""

    state: str | None
    message: str
    severity: Severity = "error"


def hint(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: a suggestion, or nothing."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
