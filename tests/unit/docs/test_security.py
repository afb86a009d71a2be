"""The page about security names a test in each row of its tables, and each of these tests exists."""

from __future__ import annotations

import re

import pytest

from tests.proofs import Row, missing_tests, named_tests, rows
from workflow import ROOT

PAGE = ROOT / "docs" / "security.md"
every_row = pytest.mark.parametrize("row", rows(PAGE), ids=lambda row: f"line-{row.line}")


@every_row
def test_no_cell_is_empty(row: Row) -> None:
    assert len(row.cells) == len(row.titles)
    assert all(re.search(r"\w", cell) for cell in row.cells), row.cells


@every_row
def test_the_tests_of_a_row_exist(row: Row) -> None:
    named = named_tests(row)
    assert named, f"no test is named: {row['test']}"
    assert not missing_tests(named)


def test_each_section_has_a_table() -> None:
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections if "\n|" not in section] == []
