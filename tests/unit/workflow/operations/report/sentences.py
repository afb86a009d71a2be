"""The sentences that a report can say, taken from its code, and those that a page does say.

Every text of the code that reads as a sentence counts: a string or an f-string that starts like one and ends with a
full stop, a colon or a question mark. Strings that stand next to each other are one text. What is filled in is
`{}`, so `f"{words.count(n)} failed."` is the sentence `{} failed.`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import workflow.operations.report as package

__all__ = ["says", "sentences_of_the_code"]

_BLOCKS = (
    r"</?(?:p|li|h1|h2|dt|dd|td|th|tr|figcaption|summary|section|div|header|footer|title|desc|text|ul|ol|dl|table)\b"
    "[^>]*>"
)
_MIN_WORDS = 4


def sentences_of_the_code() -> dict[str, str]:
    """Returns the sentences that the report's code has, with the file of each."""
    (folder,) = package.__path__
    found = {}
    for file in sorted(Path(folder).rglob("*.py")):
        texts = _texts(ast.parse(file.read_text(encoding="utf-8")))
        for sentence in (_plain(part) for text in texts for part in re.split(_BLOCKS, text)):
            words = len(sentence.replace("{}", "x").split())
            if words >= _MIN_WORDS and re.fullmatch(r"[A-Z“{\d].*[.:?]", sentence):
                found[sentence] = str(file.relative_to(folder))
    return found


def says(page: str, sentence: str) -> bool:
    """Returns whether a page says a sentence, whatever is filled in."""
    pattern = re.compile(".*?".join(re.escape(part) for part in sentence.split("{}")))
    return any(pattern.search(line) for line in _lines(page))


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yields the strings of code, without docstrings, annotations, and parts of f-strings."""
    skipped = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _lines(page: str) -> list[str]:
    text = re.sub(_BLOCKS, "\n", page[page.index("</style>") :])
    return [_plain(line) for line in text.split("\n")]


def _plain(text: str) -> str:
    text = unescape(re.sub(r"<[^>]*>", "", text))
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
