"""Texts of which case and punctuation are ignored. Diacritics are not: "Muller" is not "Müller".

Letters are folded as Unicode defines it (UAX #15, NFKC, and case folding): "STRASSE" is "straße", and full-width
letters are the usual ones. Punctuation is Unicode's category P, without the signs `& @ # % ‰`, which say something. It
can stand for a space or for nothing: "e-mail" is "email" and "e mail", and "Doe,Ann" is "Doe, Ann". Between digits
and as the sign of a number, it stays: "1.5" is not "15", and "-5" is not "5".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from typing_extensions import override

from lambdas.reviews.comparison.sameness import Sameness
from lambdas.reviews.comparison.values import normalised

_SIGNS = "&@#%‰"
_IN_NUMBER = re.compile(r"(?<=\d)[^\w\s](?=\d)|(?<![^\s(])[-\u2212.,](?=\d)")


class Folded(NamedTuple):
    """A text without case, with nothing or a space for each punctuation mark."""

    joined: str
    spaced: str


class SameText(Sameness):
    """Texts that differ only in case, punctuation and white space."""

    @override
    def read(self, text: str) -> Folded | None:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        kept = {match.start() for match in _IN_NUMBER.finditer(text)}
        marks = [at for at in range(len(text)) if at not in kept and _is_punctuation(text[at])]
        folded = Folded(*(_without(text, marks, instead) for instead in ("", " ")))
        return folded if folded.joined else None

    @override
    def between(self, one: Folded, other: Folded) -> int | None:
        return 0 if one.joined == other.joined or one.spaced == other.spaced else None


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") and character not in _SIGNS


def _without(text: str, marks: Sequence[int], instead: str) -> str:
    characters = list(text)
    for at in marks:
        characters[at] = instead
    return normalised("".join(characters))
