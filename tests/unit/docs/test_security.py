"""The page about security names a test in each row of its tables, and each of these tests exists."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from workflow import ROOT

PAGE = ROOT / "docs" / "security.md"
PLACE_OF_A_TEST = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)+)`")


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        line: Its line in the page, from 1.
        titles: The heads of the columns.
        cells: The texts of the cells, with their Markdown.
    """

    line: int
    titles: tuple[str, ...]
    cells: tuple[str, ...]


def rows_of_the_page() -> list[Row]:
    tokens = MarkdownIt("commonmark").enable("table").parse(PAGE.read_text(encoding="utf-8"))
    found: list[Row] = []
    titles: tuple[str, ...] = ()
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            cells = tuple(_cells(tokens[index + 1 :]))
            if tokens[index + 1].type == "th_open":
                titles = cells
            else:
                assert token.map is not None
                found.append(Row(token.map[0] + 1, titles, cells))
    return found


def _cells(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "tr_close":
            return
        if token.type == "inline":
            yield token.content.strip()


ROWS = rows_of_the_page()
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"line-{row.line}")


@every_row
def test_no_cell_is_empty(row: Row) -> None:
    assert len(row.cells) == len(row.titles)
    assert all(re.search(r"\w", cell) for cell in row.cells), row.cells


@every_row
def test_the_tests_of_a_row_exist(row: Row) -> None:
    proof = dict(zip(row.titles, row.cells, strict=True))["test"]
    named = PLACE_OF_A_TEST.findall(proof)
    assert named, f"no test is named: {proof}"
    missing = [file + names for file, names in named if names.split("::")[1:] not in _tests_in(file)]
    assert not missing


def test_each_section_has_a_table() -> None:
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections if "\n|" not in section] == []


@functools.cache
def _tests_in(file: str) -> list[list[str]]:
    """The tests of a file, and its classes, each as the names that lead to it."""
    path = ROOT / file
    assert path.is_file(), f"there is no {file}"
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.append([node.name])
        elif isinstance(node, ast.ClassDef):
            found.append([node.name])
            found += [[node.name, one.name] for one in node.body if isinstance(one, ast.FunctionDef)]
    return found
