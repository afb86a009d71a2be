"""Hostile values, and documents that are valid but for a few places, as hypothesis strategies."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["HUGE_NUMBER", "broken_bytes", "damaged", "documents", "texts", "to_json", "values"]

HUGE_NUMBER = "\x00a number of thousands of digits\x00"
"""Stands for a number that Python's own writer of JSON refuses. `to_json` writes it out."""
_REPEATED_KEY = "\x00again\x00"
"""The end of a key that `to_json` writes without it, so that the key is there twice."""


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


_DEEP = [_nested(180), _nested(300)]
"""The parser of pydantic reads about 200 levels."""

_TEXTS = [
    "", " ", "\x00", "\x1b[2J", "\u202e", "\ud800", "a\udfff", "\ufeff", "\u2028", "\u0131", "\u0660", "e\u0301", "💥",
    "a" * 300, "-" * 70, "null", "NaN", "Infinity", "-0", "1e999", "true", "{}", "[", "[" * 3000, "(" * 3000, "//",
    "..", "*", "%s", "{0}", "@", "claim ", "tokens loop", "s3://", "s3://b/", "s3://bucket/key", "s3://bucket/\x00",
    "s3://bucket/a/../b", "arn:", "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/other",
    "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-31T08:15:60Z",
    "2026-01-31", "1e400", "Completed", "Failed", "Stopped", "custom", "humanLoopName", "detail", "KEY", "VALUE",
    "CHILD", "WORD", "SELECTED",
]  # fmt: skip
_NUMBERS = [
    0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**299, 10**300, 10**400, 0.0, -0.0, 0.5, 5e-324,
    1e16, 1e300, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip

_PIECES = [b"", b"\x00", b"\xff", b'"', b"\\", b"{", b"]", b",", b"9" * 5000, b"[" * 3000, b"\xef\xbb\xbf"]

texts = st.sampled_from(_TEXTS) | st.text(max_size=8)
_leaves = st.one_of(
    texts,
    st.sampled_from(_NUMBERS),
    st.sampled_from([None, True, False, HUGE_NUMBER, *_DEEP, [], {}]),
    st.integers(),
    st.floats(),
)
values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Values of JSON, and some that only look so."""


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a document in which one to four places are something else, are gone, or are there twice."""
    for _ in range(draw(st.integers(1, 4))):
        places = _places(document)
        place = draw(st.sampled_from(places))
        document = _changed(draw, document, place, places)
    return document


def documents(*samples: Any) -> st.SearchStrategy[Any]:
    """Damaged copies of samples, and values that have nothing of them."""
    return st.sampled_from(samples).flatmap(damaged) | values


def to_json(value: Any) -> bytes:
    """Returns the value as JSON: with NaN and half surrogates, and with what a dict cannot have: a key twice."""
    text = json.dumps(value)
    digits = "9" * 5000
    return (
        text.replace(json.dumps(HUGE_NUMBER), digits)
        .replace(json.dumps(HUGE_NUMBER)[1:-1], digits)
        .replace(json.dumps(_REPEATED_KEY)[1:-1], "")
        .encode()
    )


@st.composite
def broken_bytes(draw: st.DrawFn, sample: bytes) -> bytes:
    """A copy of a text in which bytes are replaced, removed or added."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(sample)))
        length = draw(st.sampled_from([0, 1, 1, 2, 10, 10**6]))
        new = draw(st.sampled_from(_PIECES))
        sample = sample[:at] + new + sample[at + length :]
    return sample


def _places(value: Any, depth: int = 12) -> list[tuple[Any, ...]]:
    if not depth:
        return [()]
    inner: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [(), *((key, *rest) for key, item in inner for rest in _places(item, depth - 1))]


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def _changed(draw: st.DrawFn, document: Any, place: tuple[Any, ...], places: list[tuple[Any, ...]]) -> Any:
    if not place:
        how = draw(st.sampled_from(["add", "wrap"]))
        if how == "add" and isinstance(document, dict):
            return {**document, draw(texts): draw(values)}
        return document
    *parents, key = place
    parent = _at(document, tuple(parents))
    how = draw(st.sampled_from(["replace", "replace", "remove", "twice", "move", "rename", "wrap"]))
    if how == "replace":
        new: Any = {key: draw(values)}
    elif how == "move":
        new = {key: _at(document, draw(st.sampled_from(places)))}
    elif how == "wrap":
        new = {key: [parent[key]]}
    elif how == "rename":
        new = {draw(texts): parent[key]}
    elif how == "twice" and isinstance(parent, dict):
        new = {key: parent[key], f"{key}{_REPEATED_KEY}": draw(values)}
    elif how == "twice":
        new = {key: parent[key], "again": parent[key]}
    else:
        new = {}
    if isinstance(parent, dict):
        rest = {name: item for name, item in parent.items() if name != key}
        changed: Any = rest | new
    else:
        changed = [*parent[:key], *new.values(), *parent[key + 1 :]]
    return _replaced(document, tuple(parents), changed)


def _replaced(document: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    key, *rest = place
    inner = _replaced(document[key], tuple(rest), new)
    if isinstance(document, dict):
        return {**document, key: inner}
    return [*document[:key], inner, *document[key + 1 :]]
