"""Texts from outside: short enough, and without characters that AWS refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.bounded import bounded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "short"),
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 9 + "…"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\x00b\x1b", "a\ufffdb\ufffd"),
        ("a\ud800b", "a\ufffdb"),
        ("😀" * 10, "😀" * 10),
        (None, "null"),
        (1.5, "1.5"),
        ({"a": ["ü"]}, '{"a": ["ü…'),
    ],
)
def test_text_is_short_and_printable(value: Any, text: str) -> None:
    assert bounded(value, 10) == text


TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
JSON = st.recursive(st.none() | st.booleans() | st.floats() | TEXTS, lambda of: st.lists(of, max_size=2))


@given(JSON)
def test_any_value_becomes_a_text_that_utf8_encodes(value: Any) -> None:
    text = bounded(value, 12)
    assert len(text) <= 12
    assert text.encode().decode() == text
    assert bounded(text, 12) == text
