"""Placeholders in a definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import PublishError
from workflow.publish.placeholders import fill, names, read_values

words = st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True)


def test_values_are_read_from_a_filled_text() -> None:
    text = '{"a": "${A}", "b": "${B}/${A}", "c": "[not a (regex"}'
    filled = '{"a": "arn:x", "b": "y/arn:x", "c": "[not a (regex"}'

    values = read_values(text, filled)

    assert values == {"A": "arn:x", "B": "y"}
    assert names(text) == {"A", "B"}
    assert fill(text, values) == filled


@pytest.mark.parametrize("filled", ['{"b": "x"}', '{"a": "x", "b": "y"}'])
def test_values_of_another_text_are_refused(filled: str) -> None:
    with pytest.raises(PublishError, match="the definition is not the published one"):
        read_values('{"a": "${A}", "b": "${A}"}', filled)


@given(
    st.dictionaries(words, st.text(st.characters(exclude_characters='"$'), max_size=9), max_size=5),
    st.lists(words),
)
def test_reading_values_reverses_filling(values: dict[str, str], more: list[str]) -> None:
    text = "|".join(
        f'"{word}" "${{{name}}}"' for word, name in zip([*more, *values], [*values, *values], strict=False)
    )
    filled = fill(text, values)
    assert fill(text, read_values(text, filled)) == filled
