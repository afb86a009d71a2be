"""A value of a field as text for people.

Values in records are JSON texts whose form depends on the kind of the field (`lambdas.reviews.comparison.elements`). A
value of another form than its kind has is shown as JSON: nothing is hidden because it is odd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import from_json

from lambdas.reviews.record import Kind
from workflow.operations.review_view.model import ValueView

__all__ = ["MAX_CHARACTERS", "Quote", "json_value", "value_view"]

MAX_CHARACTERS = 2_000
"""The characters of a value that are shown. The stored record has all of them."""
MAX_QUOTE = 120
"""The characters of a quoted span that are shown."""

Quote = Callable[[int, int], str | None]
"""Returns the text between two offsets of the text that people marked; None if it is unknown."""


def value_view(text: str | None, kind: Kind, quote: Quote = lambda start, end: None) -> ValueView:
    """Returns a value for people.

    Args:
        text: The value as JSON text; None for an empty field.
        kind: The kind of the field.
        quote: Quotes the text that spans are in.
    """
    if text is None:
        return ValueView(text="", empty=True)
    words = _in_words(text, kind, quote)
    return ValueView(
        text=words[:MAX_CHARACTERS], empty=not words, shortened=max(len(words) - MAX_CHARACTERS, 0)
    )


def json_value(text: str) -> Any:
    """Returns the value of a JSON text; the text itself if it is not JSON."""
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return text


def _in_words(text: str, kind: Kind, quote: Quote) -> str:
    value = json_value(text)
    try:
        return _words(value, kind, quote)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return text  # not a value of this kind


def _words(value: Any, kind: Kind, quote: Quote) -> str:
    match kind:
        case "selection" if isinstance(value, bool):
            return "checked" if value else "not checked"
        case "box":
            size = f"{number(value['width'])} by {number(value['height'])}"
            return f"{value['label']}: {size} at {_place(value['left'], value['top'])}"
        case "span":
            start, end = value["startOffset"], value["endOffset"]
            quoted = quote(start, end)
            where = f"characters {start:d} to {end:d}"
            return f"{value['label']}: “{_cut(quoted)}”, {where}" if quoted else f"{value['label']}: {where}"
        case "keypoint":
            return f"{value['label']}: at {_place(value['x'], value['y'])}"
        case "polygon" | "line":
            corners = [(corner["x"], corner["y"]) for corner in value["vertices"]]
            xs, ys = zip(*corners, strict=True)
            across = f"from {_place(min(xs), min(ys))} to {_place(max(xs), max(ys))}"
            return f"{value['label']}: {len(corners):,} points, {across}"
        case "segmentation":
            return "; ".join(_mask(value))
        case "text" if isinstance(value, dict) and value.keys() == {"key", "value"}:
            # A worker corrected the key of a form's field, too.
            return f"{_plain(value['value'])} (key: {_plain(value['key'])})"
    return _plain(value)


def _mask(value: dict[str, Any]) -> Iterator[str]:
    yield ", ".join(value["labels"]) or "no labels"
    if "digest" in value:
        yield f"mask {value['digest']}"
    if "src" in value:
        yield f"in {value['src']}"
    if "modified" in value:
        yield "modified" if value["modified"] else "not modified"


def _plain(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number(value)
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """Returns a number with as many decimals as matter in a picture: one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(value)
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:.4g}"
    return f"{value:.1f}".removesuffix(".0")


def _place(x: float, y: float) -> str:
    return f"({number(x)}, {number(y)})"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 1]}…"
