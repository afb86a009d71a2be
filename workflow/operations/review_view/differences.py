"""Which parts of two texts differ, so that a page can mark them.

Words, spaces and signs are compared as a whole: of "07/04/2026" and "01/04/2026", "07" and "01" differ. The work is
linear in the texts, but for a short middle in which the longest common parts are looked for.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import groupby

from workflow.operations.review_view.model import TextPart, ValueView

__all__ = ["with_differences"]

MAX_EFFORT = 1_000
"""The number of words of one text, times that of the other, between their equal beginning and end, up to which equal
parts in the middle are looked for."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")


def with_differences(one: ValueView, two: ValueView) -> tuple[ValueView, ValueView]:
    """Returns two values with what differs between them, if something does."""
    if one.text == two.text:
        return one, two
    first, second = _WORD.findall(one.text), _WORD.findall(two.text)
    same_first, same_second = _same(first, second)
    if not any(_is_word(first[at]) for at in same_first):
        same_first, same_second = set(), set()  # a comma in both says nothing
    return (
        one.model_copy(update={"parts": _parts(first, same_first)}),
        two.model_copy(update={"parts": _parts(second, same_second)}),
    )


def _same(first: list[str], second: list[str]) -> tuple[set[int], set[int]]:
    """Returns the indices of the words that both texts have, in each of them."""
    shorter = min(len(first), len(second))
    start = next((at for at in range(shorter) if first[at] != second[at]), shorter)
    rest = shorter - start
    end = next((at for at in range(rest) if first[-1 - at] != second[-1 - at]), rest)
    same_first = {*range(start), *range(len(first) - end, len(first))}
    same_second = {*range(start), *range(len(second) - end, len(second))}
    middle_first, middle_second = first[start : len(first) - end], second[start : len(second) - end]
    if len(middle_first) * len(middle_second) <= MAX_EFFORT:
        for block in SequenceMatcher(None, middle_first, middle_second, autojunk=False).get_matching_blocks():
            same_first |= set(range(start + block.a, start + block.a + block.size))
            same_second |= set(range(start + block.b, start + block.b + block.size))
    return same_first, same_second


def _parts(words: list[str], same: set[int]) -> list[TextPart]:
    return [
        TextPart(text="".join(words[at] for at in run), differs=differs)
        for differs, run in groupby(range(len(words)), key=lambda at: at not in same)
    ]


def _is_word(text: str) -> bool:
    return text[0].isalnum()
