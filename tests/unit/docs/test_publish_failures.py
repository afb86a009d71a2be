"""Each row of the table of what can happen to a publish is seen by a test on the engine, and each test has a row."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish_failures import saw, table
from workflow import ROOT


def rows_seen_by(module: Path) -> Iterator[str]:
    """The rows that the tests of a module pass to `saw`."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "saw":
            title = node.args[0]
            assert isinstance(title, ast.Constant), f"{module}:{node.lineno}: write the row itself"
            yield title.value


def test_each_row_of_the_table_is_seen_by_a_test_on_the_engine_and_each_test_has_a_row() -> None:
    seen = {row for module in (ROOT / "tests/engine").glob("test_*.py") for row in rows_seen_by(module)}
    assert seen == set(table())


def test_rows_that_the_issue_names_say_what_is_printed() -> None:
    assert all(words for words in table().values())


def test_words_that_were_not_printed_are_found() -> None:
    row, (words, *_) = next((row, words) for row, words in table().items() if words)
    with pytest.raises(AssertionError, match="the page says"):
        saw(row, words.split("…")[0][:-1])
