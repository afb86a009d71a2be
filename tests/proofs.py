"""The tables of a written page, and the tests that they name as proofs.

A table with the column `test` names a test in each row by its place, as pytest takes it: `tests/….py::test_…`.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from workflow import ROOT

__all__ = ["PLACE_OF_A_TEST", "Row", "missing_tests", "rows", "named_tests"]

PLACE_OF_A_TEST = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)+)`")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: Its line in the page, from 1.
        section: The heading above the table.
        titles: The heads of the columns.
        cells: The texts of the cells, with their Markdown.
    """

    line: int
    section: str
    titles: tuple[str, ...]
    cells: tuple[str, ...]

    def __getitem__(self, title: str) -> str:
        """Returns the cell of a column."""
        return self.cells[self.titles.index(title)]


def rows(page: Path) -> list[Row]:
    """Returns the rows of all tables of a page, in order."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    found: list[Row] = []
    titles: tuple[str, ...] = ()
    section = ""
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            section = tokens[index + 1].content
        elif token.type == "tr_open":
            cells = tuple(_cells(tokens[index + 1 :]))
            if tokens[index + 1].type == "th_open":
                titles = cells
            else:
                assert token.map is not None
                found.append(Row(token.map[0] + 1, section, titles, cells))
    return found


def _cells(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "tr_close":
            return
        if token.type == "inline":
            yield token.content.strip()


def named_tests(row: Row) -> list[str]:
    """Returns the places of the tests that a row names, such as `tests/unit/test_a.py::TestB::test_c`."""
    return [file + names for file, names in PLACE_OF_A_TEST.findall(row["test"])]


def missing_tests(places: list[str]) -> list[str]:
    """Returns the places at which there is no test. Nothing is collected: the modules are only parsed."""
    split = ((place, *place.split("::")) for place in places)
    return [place for place, file, *names in split if names not in _tests_in(file)]


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
