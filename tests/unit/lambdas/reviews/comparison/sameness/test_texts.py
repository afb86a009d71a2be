from __future__ import annotations

import pytest

from tests.sameness import is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ACME, Inc.", "Acme Inc"),
        ("STRASSE", "straße"),
        ("e-mail", "Email"),
        ("e-mail", "E mail"),
        ("Doe,Ann", "doe, ann"),
        ("U.S.A.", "USA"),
        ("O'Neill", "O\u2019NEILL"),
        ("(no answer)", "No answer!"),
        ("\uff21\uff22", "ab"),  # full-width letters
        ("A\u030angstrom", "\u00c5ngstrom"),  # a letter and a combining ring, and both in one
        ("\u00bfQu\u00e9?", "qu\u00e9"),
        ("\u4f60\u597d\u3002", "\u4f60\u597d"),
        ("5", 5),
    ],
)
def test_case_and_punctuation_are_ignored(one: object, other: object) -> None:
    assert is_same(one, other, same="text")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Muller", "Müller"),
        ("1.5", "15"),
        ("-5", "5"),
        (".5", "5"),
        ("12-05", "1205"),
        ("R&D", "RD"),
        ("5%", "5"),
        ("C++", "C"),
        ("now here", "nowhere"),
        ("...", "Ana"),
        ("...", "!!!"),
        ("true", True),
    ],
)
def test_other_differences_of_texts_count(one: object, other: object) -> None:
    assert not is_same(one, other, same="text")
