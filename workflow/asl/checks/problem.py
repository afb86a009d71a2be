"""The type of a problem, and suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["Problem", "hint"]

Problem = tuple[str | None, str]
"""The state's name (None for the machine), and the message."""


def hint(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: a suggestion, or nothing."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
