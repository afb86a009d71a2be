"""Makes a report of stored reviews, and writes it to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow.errors import AfterloopError
from workflow.operations.report.figures import Costs, Figures
from workflow.operations.report.findings import Headline, headline
from workflow.operations.report.loop_facts import LoopFacts, count_loops
from workflow.operations.report.page import Origin, render_page
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, ReviewsSource

__all__ = ["Report", "make_report", "write_report"]


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        page: The HTML page.
        headline: The main result.
        figures: The figures of the reviews.
        facts: The figures of the human loops; None if the report does not cover loops.
    """

    page: str
    headline: Headline
    figures: Figures
    facts: LoopFacts | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report: no review, readable or not, and no loop."""
        return not (self.figures.reviews or self.figures.malformed or (self.facts and self.facts.loops))


def make_report(
    source: ReviewsSource,
    period: Period,
    *,
    flow_definition: str | None = None,
    ledger: str | None = None,
    loops: Iterable[Mapping[str, Any]] | None = None,
    costs: Costs | None = None,
    progress: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Report:
    """Reads the reviews, counts them, and makes the page.

    Args:
        source: The source of the reviews.
        period: The period.
        flow_definition: The name of a flow definition; None for all.
        ledger: The name of the ledger with the loops, for the page.
        loops: The ledger's rows of the period, see `ledger_rows`. Without them, the page covers reviews only.
        costs: The prices of a review and of an error, for what each confidence threshold costs.
        progress: Called with the number of reviews read, every 200 reviews.
        now: The time of the report; the current time by default.

    Raises:
        ReviewsError: The reviews cannot be read.
    """
    statistics = ReviewStatistics(period)
    for flow in [flow_definition] if flow_definition else source.flow_definitions():
        for stored in source.reviews(flow, period):
            statistics.add(stored)
            if progress is not None and statistics.seen % 200 == 0:
                progress(statistics.seen)
    figures = statistics.figures(costs)
    facts = None if loops is None else count_loops(loops)
    made_at = (now or datetime.now(UTC)).astimezone(UTC)
    page = render_page(figures, facts, Origin(source.location, flow_definition, made_at, ledger))
    return Report(page, headline(figures), figures, facts)


def write_report(report: Report, file: Path) -> Path:
    """Writes a report to a file, and returns the file's whole path. An error leaves an existing file unchanged.

    Raises:
        AfterloopError: The file cannot be written.
    """
    # In the same folder, so that `replace` is atomic.
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(report.page, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AfterloopError(f"cannot write {file}: {error.strerror}; specify another with --file") from error
    return file.resolve()
