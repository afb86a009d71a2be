"""Tests of the report's file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sandbox.invented_reviews import write_reviews
from workflow.errors import AfterloopError
from workflow.operations.report.writing import write_report
from workflow.operations.reviews_source import Period, ReviewsSource, open_reviews

PERIOD = Period(date(2026, 1, 1), date(2026, 1, 11))
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> ReviewsSource:
    write_reviews(tmp_path / "stored", 400, first=PERIOD.first, days=PERIOD.days, seed=2)
    return open_reviews(str(tmp_path / "stored"))


def test_report_covers_all_flow_definitions_and_loops(source: ReviewsSource, tmp_path: Path) -> None:
    counts: list[int] = []
    loops = [{"status": "Failed", "createdAt": "2026-01-05T00:00:00Z"}]
    report = write_report(
        tmp_path / "r.html", source, PERIOD, ledger="rows", loops=loops, progress=counts.append, now=NOON
    )
    assert report.figures.reviews == 400
    assert counts == [200, 400]
    assert report.facts is not None
    page = report.file.read_text(encoding="utf-8")
    assert str(report.headline.number) in page
    assert "Made by Afterloop on 1 February 2026 at 12:00 UTC from 400 stored reviews" in page
    assert "and the ledger rows" in page


def test_report_of_one_flow_definition_without_loops(source: ReviewsSource, tmp_path: Path) -> None:
    (flow, *_) = source.flow_definitions()
    report = write_report(tmp_path / "r.html", source, PERIOD, flow_definition=flow)
    assert {one.flow_definition for one in report.figures.flow_definitions} == {flow}
    assert report.facts is None
    assert "This report was made without" in report.file.read_text(encoding="utf-8")


def test_file_that_cannot_be_written_is_one_error(source: ReviewsSource, tmp_path: Path) -> None:
    folder = tmp_path / "r.html"
    folder.mkdir()
    with pytest.raises(AfterloopError, match=r"cannot write .*; specify another with --file"):
        write_report(folder, source, PERIOD)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
