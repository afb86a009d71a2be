"""Text from outside, made safe to show."""

from __future__ import annotations

import json
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.visible import INVISIBLE, JOINERS, quoted, visible, visible_json, visible_lines

TEXTS = st.text(
    st.sampled_from("ab \\'\"é\u200c\u200d\u202e\x1b\x9b\n\t\ud800") | st.characters(exclude_categories=())
)

PERSIAN = "\u0645\u06cc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller, 李, محمد, Ω", "Müller, 李, محمد, Ω"),
        ("👩\u200d❤\ufe0f\u200d👨 1\ufe0f\u20e3", "👩\u200d❤\ufe0f\u200d👨 1\ufe0f\u20e3"),
        (f"{PERSIAN}\u200c{PERSIAN}", f"{PERSIAN}\u200c{PERSIAN}"),
        ("葛\U000e0100", "葛\U000e0100"),
        (r"C:\new\x1b", r"C:\new\x1b"),
        ("\x1b[2J\x1b]0;t\x07", r"\x1B[2J\x1B]0;t\x07"),
        ("\x9b31m\x7f", r"\u009B31m\x7F"),
        ("a\u202eb\u2066c\u2069\u200f\u061c", r"a\u202Eb\u2066c\u2069\u200F\u061C"),
        ("a\r\n\tb\u2028c\x85", r"a\r\n\tb\u2028c\u0085"),
        ("p\u200ba\u200dy\ufeff\u2060\u00ad", r"p\u200Ba\u200Dy\uFEFF\u2060\u00AD"),
        ("é\u200d\u200d", "é\u200d\\u200D"),
        ("\U000e0041\U0001d173", r"\U000E0041\U0001D173"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_controls_separators_and_formats_are_escaped() -> None:
    # These have a shape of their own, or stand before digits, as signs of Arabic, Syriac and Kaithi do.
    shaped = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, *JOINERS}
    for code in range(0xD800):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp") and code not in shaped:
            assert visible(chr(code)) != chr(code), f"U+{code:04X}"
    for first, last in INVISIBLE:
        assert all(unicodedata.category(chr(code)) not in ("Lu", "Nd", "Sm") for code in (first, last))


@given(TEXTS, st.integers(1, 20))
def test_visible_text_is_one_short_line_that_any_encoding_has(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert len(shown) <= limit
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1
    assert visible(shown, limit) == shown
    assert visible(visible(text)) == visible(text)


def test_lines_of_our_own_stay() -> None:
    assert visible_lines("one\x1b\r\n  two\n") == "one\\x1B\\r\n  two\n"


@given(TEXTS)
def test_json_with_escapes_has_the_same_content(text: str) -> None:
    document = json.dumps({"text": [text]}, ensure_ascii=False, indent=2)
    escaped = visible_json(document)
    assert json.loads(escaped) == json.loads(json.dumps({"text": [text]}))
    assert "\n".join(map(visible, escaped.split("\n"))) == escaped


def test_quoted_text_is_the_same_word_in_bash() -> None:
    texts = ["loop-1", "", "it's; rm -rf ~ $(id) `id`", "a\x1b\n'\\\u202e\u00ad\U000e0041é", "-\\x1b"]
    command = "printf '%s\\0' " + " ".join(map(quoted, texts))
    environment = {"LC_ALL": "C.UTF-8"}
    printed = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env=environment)
    assert printed.stdout.decode().split("\0")[:-1] == texts
    assert quoted("loop-1") == "loop-1"
