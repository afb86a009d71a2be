"""The cause of an error, as people read it."""

from __future__ import annotations

import json
from typing import Any

from console.executions.views import CauseView

__all__ = ["cause_of"]

MAX_MESSAGE = 600
"""Characters of a message that are shown at once."""


def cause_of(text: str | None) -> CauseView | None:
    """Returns the cause of an error: its message, and what else there is.

    For an error that a function raised, the cause is a document: errorMessage, errorType, stackTrace, requestId.
    (AWS Lambda, "Understanding Lambda function errors"). Any other text is the message itself.
    """
    if not text:
        return None
    document = _document(text)
    if document is None:
        return (
            CauseView(message=text)
            if len(text) <= MAX_MESSAGE
            else CauseView(message=_short(text), trace=text)
        )
    message = str(document["errorMessage"])
    trace = document.get("stackTrace")
    lines = [str(line).rstrip("\n") for line in trace] if isinstance(trace, list) else []
    if len(message) > MAX_MESSAGE:
        lines.append(message)
    if kind := document.get("errorType"):
        lines.append(str(kind))
    return CauseView(message=_short(message), trace="\n".join(lines) if lines[1:] else "")


def _document(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and "errorMessage" in document else None


def _short(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"
