"""The type of a problem, and suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Literal, NamedTuple

__all__ = ["Problem", "Severity", "hint", "similar"]

Severity = Literal["error", "warning"]
"""An error would fail every execution that reaches the state. A warning may be intended."""


class Problem(NamedTuple):
    """The state's name (None for the machine), the message, and how severe it is."""

    state: str | None
    message: str
    severity: Severity = "error"


def hint(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: a suggestion, or nothing."""
    close = similar(name, known)
    return f"; did you mean {close!r}?" if close else ""


def similar(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """The known name that a name resembles most, whatever the case of its letters; "" if it resembles none.

    Args:
        name: The unknown name.
        known: The known names.
        cutoff: How similar they have to be, from 0 to 1.
    """
    plain = {one.lower(): one for one in sorted(known)}
    close = get_close_matches(name.lower(), plain, 1, cutoff)
    return plain[close[0]] if close else ""
