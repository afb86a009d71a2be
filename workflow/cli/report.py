"""`python deploy.py report`: one HTML file that tells how often people overrule the model, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import ReviewOptions, StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, progress
from workflow.operations.reviews_source import open_reviews

if TYPE_CHECKING:
    import boto3

    from workflow.operations.report.statistics import Figures, Share
    from workflow.operations.report.writing import Report

__all__ = ["report"]


@takes_options
def report(
    *,
    flow_definition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name or ARN of one flow definition; all if not given.")
    ] = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The file to write.")] = Path("report.html"),
    of: ReviewOptions,
    on: StageOptions,
) -> None:
    """Make a report of reviews as one HTML file: how often people overrule the model, and where.

    Without days it covers the last 30. With --source it is about the reviews only: restarts and escalations
    are in the stage's ledger.
    """
    from workflow.operations.report.loop_facts import ledger_rows
    from workflow.operations.report.writing import write_report

    period, source = of.period(), of.source
    flow = flow_definition.rpartition("/")[2] if flow_definition else None
    ledger, loops = None, None
    session: boto3.Session | None = None
    if source is None:
        session = on.session()
        resources = on.resources(session)
        source = f"s3://{resources.review_bucket}/reviews"
        ledger = resources.ledger_table
        arn = resources.flow_definition_arn(flow_definition) if flow_definition else None
        loops = ledger_rows(ledger, session, period, arn)
    elif source.startswith("s3://"):
        session = on.session()
    reviews = open_reviews(source, session)
    with progress("Reading reviews", clock=True) as read:
        made = write_report(
            file,
            reviews,
            period,
            flow_definition=flow,
            ledger=ledger,
            loops=loops,
            progress=lambda number: read(f"{number:,}"),
        )
    _warn(made.figures)
    if flow and not made.figures.reviews:
        others = ", ".join(reviews.flow_definitions()) or "none"
        typer.echo(
            f"warning: no review is of the flow definition {flow!r}; those that have reviews of some day: {others}",
            err=True,
        )
    if on.output is Output.JSON:
        print_json(_as_json(made))
    else:
        typer.echo(f"{made.headline}\n{made.headline.meaning}".rstrip())
        typer.echo(f"\nThe report: {made.file}")


def _warn(figures: Figures) -> None:
    malformed = figures.malformed
    for one in malformed[:3]:
        typer.echo(f"warning: not a review, and not counted: {one.location}: {one.problem}", err=True)
    if len(malformed) > 3:
        typer.echo(f"warning: {len(malformed) - 3:,} more are not; the report lists them", err=True)


def _as_json(made: Report) -> dict[str, Any]:
    figures, facts = made.figures, made.facts
    return {
        "file": str(made.file),
        "headline": str(made.headline),
        "from": str(figures.period.first),
        "to": str(figures.period.until),
        "reviews": figures.reviews,
        "overruled": _share(figures.overruled),
        "overruledReviews": _share(figures.overruled_reviews),
        "agreement": _share(figures.agreement.unanimous),
        "malformed": [{"location": one.location, "problem": one.problem} for one in figures.malformed],
        "loops": None
        if facts is None
        else {"byStatus": dict(facts.by_status), "restarts": facts.restarts, "escalated": facts.escalated},
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "of": share.n,
        "hits": share.hits,
        "share": share.value if share.n else None,
        "interval": list(share.interval) if share.n else None,
    }
