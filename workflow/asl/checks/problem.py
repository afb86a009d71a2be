"""What the checks hand over, and how they suggest a name."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["Problem", "hint"]

Problem = tuple[str | None, str]
"""A state's name, None for the machine; and what is wrong."""


def hint(name: str, known: Collection[str]) -> str:
    """The end of a sentence about a name that does not exist: what may be meant, or nothing."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
