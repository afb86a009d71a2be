"""Tests of the printed report: no page is nearly empty, and no heading stands alone at the end of a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from playwright.sync_api import Browser
from pypdfium2.raw import FPDFText_GetFontSize

from tests.browser.test_report_page import report_of

MIN_FILLED = 0.2
"""A page with marks on less of its height, without margins, is nearly empty."""

MARGIN = 18 / 25.4 * 72
"""The margin of a page, in points."""

HEADING = 18
"""The smallest size of a heading, in CSS pixels."""


def print_report(browser: Browser, file: Path, paper: str) -> pdfium.PdfDocument:
    page = browser.new_page()
    try:
        page.goto(file.as_uri())
        return pdfium.PdfDocument(page.pdf(format=paper, prefer_css_page_size=True))
    finally:
        page.close()


def filled(page: pdfium.PdfPage) -> float:
    """Returns the share of the page's height, without margins, down to its last mark."""
    marks = page.render(scale=0.5, grayscale=True).to_numpy().reshape(-1, int(page.get_width() * 0.5 + 0.999))
    last = float(np.flatnonzero((marks < 250).any(axis=1))[-1] + 1) / len(marks) * page.get_height()
    return (last - MARGIN) / (page.get_height() - 2 * MARGIN)


def ends_with_a_heading(page: pdfium.PdfPage) -> bool:
    text = page.get_textpage()
    lines = [
        (text.get_charbox(index)[1], FPDFText_GetFontSize(text, index)) for index in range(text.count_chars())
    ]
    lowest = min(bottom for bottom, _ in lines)
    return all(size >= HEADING for bottom, size in lines if bottom < lowest + 4)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Returns the report of so many reviews."""
    return cache(lambda count: report_of(tmp_path_factory.mktemp("report"), count))


@pytest.mark.parametrize(("count", "paper"), [(400, "A4"), (5, "Letter")])
def test_no_printed_page_is_nearly_empty_or_ends_with_a_heading(
    browser: Browser, reports: Callable[[int], Path], count: int, paper: str
) -> None:
    printed = print_report(browser, reports(count), paper)
    assert len(printed) >= 4
    assert [number for number, page in enumerate(printed, 1) if filled(page) < MIN_FILLED] == []
    assert [number for number, page in enumerate(printed, 1) if ends_with_a_heading(page)] == []
