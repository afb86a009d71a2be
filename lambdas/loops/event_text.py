"""Events as texts: the inputs of executions, and the bodies of messages.

Whoever may start an execution, or send a message, chooses the text. Step Functions and SQS accept JSON that Python
refuses: nested a thousand levels deep, with a number of thousands of digits, with half of a surrogate pair.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["detail_of", "parsed", "written"]


def parsed(text: str | None) -> Any:
    """Returns the JSON value that a text has; None if it cannot be read."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def detail_of(event: Any) -> Mapping[str, Any]:
    """Returns the detail of an event; empty if it is no event, or one without a detail."""
    detail = event.get("detail") if isinstance(event, dict) else None
    return detail if isinstance(detail, dict) else {}


def written(event: Any) -> str:
    """Returns an event as JSON for `StartExecution`, whose inputs have a limit in bytes: without needless escapes."""
    text = json.dumps(event, ensure_ascii=False)
    # Half of a surrogate pair has no bytes in UTF-8. In JSON, its escape is the same.
    return text.encode(errors="backslashreplace").decode()
