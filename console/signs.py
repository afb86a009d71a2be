"""The sign of each status: a mark and a tone, so that color is never the only sign."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Sign", "sign_of"]


class Sign(NamedTuple):
    """How a status is shown, before its word.

    Attributes:
        mark: One character.
        tone: The class in the style sheet: good, bad, warn, active or quiet.
        word: The word, if it is not the status itself.
    """

    mark: str
    tone: str
    word: str = ""


_GOOD = Sign("✓", "good")
_BAD = Sign("✕", "bad")
_WARN = Sign("!", "warn")
_ACTIVE = Sign("●", "active")
_QUIET = Sign("○", "quiet")

_SIGNS = {
    # Human loops (`lambdas.loops.loop.LoopStatus`) and what A2I adds.
    "Starting": _ACTIVE,
    "InProgress": _ACTIVE,
    "Stopping": _ACTIVE,
    "Completed": _GOOD,
    "Failed": _BAD,
    "Stopped": _WARN,
    "NotNeeded": _QUIET,
    "Refused": _WARN,
    # Outcomes (`lambdas.loops.loop.Outcome`).
    "processing": _ACTIVE,
    "stored": _GOOD,
    "restarted": _WARN,
    "escalated": _BAD,
    "notified": _WARN,
    "failed": _BAD,
    "closed": _QUIET,
    # Executions, of Step Functions; GONE and unknown are ours.
    "RUNNING": _ACTIVE,
    "PENDING_REDRIVE": _ACTIVE,
    "SUCCEEDED": _GOOD,
    "FAILED": _BAD,
    "TIMED_OUT": _BAD,
    "ABORTED": _WARN,
    "GONE": _QUIET,
    # States (`workflow.asl.graph.StateStatus`).
    "passed": _GOOD,
    "retried": Sign("↻", "good"),
    "caught-error": Sign("!", "warn", "error caught"),
    "aborted": Sign("■", "warn", "stopped"),
    "running": _ACTIVE,
    "not-reached": Sign("○", "quiet", "not reached"),
    "unknown": Sign("?", "quiet"),
    # Fields (`lambdas.reviews.record.Outcome`).
    "kept": _GOOD,
    "changed": Sign("≠", "bad"),
    "added": Sign("+", "warn"),
    "removed": Sign("\N{MINUS SIGN}", "warn"),
    "unresolved": Sign("?", "warn"),
    "answered": _QUIET,
}


def sign_of(status: str) -> Sign:
    """Returns the sign of a status. One that is not known is quiet."""
    return _SIGNS.get(status, _QUIET)
