from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.operations.review_view.differences import with_differences
from workflow.operations.review_view.model import ValueView


def marked(one: str, two: str) -> tuple[str, str]:
    first, second = with_differences(ValueView(text=one), ValueView(text=two))
    return tuple(
        "".join(f"[{part.text}]" if part.differs else part.text for part in view.parts) or view.text
        for view in (first, second)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("07/04/2026", "01/04/2026", ("[07]/04/2026", "[01]/04/2026")),
        ("Ana Silva", "Ana Maria Silva", ("Ana Silva", "Ana [Maria ]Silva")),
        ("a b c d", "a x c y", ("a [b] c [d]", "a [x] c [y]")),
        ("cat", "dog", ("[cat]", "[dog]")),
        ("one, two", "three, four", ("[one, two]", "[three, four]")),
        ("", "x", ("", "[x]")),
        ("same", "same", ("same", "same")),
    ],
)
def test_words_that_differ_are_marked(one: str, two: str, expected: tuple[str, str]) -> None:
    assert marked(one, two) == expected


@given(st.text(), st.text())
def test_parts_are_the_whole_text(one: str, two: str) -> None:
    first, second = with_differences(ValueView(text=one), ValueView(text=two))
    for view, text in ((first, one), (second, two)):
        assert not view.parts or "".join(part.text for part in view.parts) == text
    kept = [[part.text for part in view.parts if not part.differs] for view in (first, second)]
    assert "".join(kept[0]) == "".join(kept[1])


def test_long_texts_are_compared_at_their_ends_only() -> None:
    words = [f"w{index}" for index in range(900)]
    one = "start " + " ".join(words) + " end"
    two = "start " + " ".join(reversed(words)) + " end"
    first, _ = with_differences(ValueView(text=one), ValueView(text=two))
    assert [part.differs for part in first.parts] == [False, True, False]
