"""Texts that differ by a few characters: inserted, deleted or replaced ones (the Levenshtein distance)."""

from __future__ import annotations

import unicodedata

from typing_extensions import override

from lambdas.reviews.comparison.sameness import Sameness
from lambdas.reviews.comparison.values import normalised

MAX_LENGTH = 20_000
"""Characters of the longest text that is compared. It takes a twentieth of a second, and twice the length four times
as long. Longer texts are compared exactly."""


class SameWithin(Sameness):
    """Texts that differ by at most so many characters."""

    def __init__(self, max_distance: int) -> None:
        self.max_distance = max_distance

    @override
    def read(self, text: str) -> str | None:
        return unicodedata.normalize("NFC", normalised(text)) if len(text) <= MAX_LENGTH else None

    @override
    def between(self, one: str, other: str) -> int | None:
        from polyleven import levenshtein

        if abs(len(one) - len(other)) > self.max_distance:
            return None
        distance: int = levenshtein(one, other, self.max_distance)
        return distance if distance <= self.max_distance else None
