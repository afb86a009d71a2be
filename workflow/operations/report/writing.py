"""From a source of reviews to the report's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow.errors import AfterloopError
from workflow.operations.report.findings import Headline, headline
from workflow.operations.report.loop_facts import LoopFacts, count_loops
from workflow.operations.report.page import Origin, render_page
from workflow.operations.report.statistics import Figures, ReviewStatistics
from workflow.operations.reviews_source import Period, ReviewsSource

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        file: the HTML file.
        headline: what it says first.
        figures: of the reviews.
        facts: of the human loops; None if the ledger was not looked at.
    """

    file: Path
    headline: Headline
    figures: Figures
    facts: LoopFacts | None


def write_report(
    file: Path,
    source: ReviewsSource,
    period: Period,
    *,
    flow_definition: str | None = None,
    ledger: str | None = None,
    loops: Iterable[Mapping[str, Any]] | None = None,
    progress: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Report:
    """Reads the reviews, counts them, and writes the page. The file is written whole or not at all.

    Args:
        file: the HTML file to write.
        source: where the reviews are.
        period: which days.
        flow_definition: name of the one to report on; all if not given.
        ledger: name of the ledger that `loops` comes from, to be told on the page.
        loops: ledger rows of the period, see `ledger_rows`; without them the page is about reviews only.
        progress: called now and then with the number of reviews that have been read.
        now: what the page gives as the time it was made.

    Raises:
        ReviewsError: if the reviews cannot be read.
        AfterloopError: if the file cannot be written.
    """
    statistics = ReviewStatistics(period)
    for flow in [flow_definition] if flow_definition else source.flow_definitions():
        for stored in source.reviews(flow, period):
            statistics.add(stored)
            if progress is not None and statistics.seen % 200 == 0:
                progress(statistics.seen)
    figures = statistics.figures()
    facts = None if loops is None else count_loops(loops)
    made_at = (now or datetime.now(UTC)).astimezone(UTC)
    page = render_page(figures, facts, Origin(source.location, flow_definition, made_at, ledger))
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AfterloopError(f"cannot write {file}: {error.strerror}; name another with --file") from error
    return Report(file.resolve(), headline(figures), figures, facts)
