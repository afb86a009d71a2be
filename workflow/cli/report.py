"""`python deploy.py report`: one HTML file that tells how often people overrule the model, and where."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import SETTINGS, As, Output, Profile, Region, Settings, StageName, session_for
from workflow.operations.reviews_source import Period, open_reviews

if TYPE_CHECKING:
    import boto3

    from workflow.operations.report.statistics import Figures, Share
    from workflow.operations.report.writing import Report

__all__ = ["app", "chosen_period", "reading", "report"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day, such as 2026-01-31") from None


FlowDefinition = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name or ARN of one flow definition; all if not given.")
]
First = Annotated[
    datetime | None,
    typer.Option("--from", parser=_day, metavar="DAY", help="First day of the human loops' creation, UTC."),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--to", parser=_day, metavar="DAY", help="The day after the last one; tomorrow if not given."
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE", help="A folder of reviews or s3://bucket/prefix, instead of the stage's bucket."
    ),
]


@app.command()
def report(
    stage: StageName = "dev",
    flow_definition: FlowDefinition = None,
    first: First = None,
    until: Until = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The file to write.")] = Path("report.html"),
    source: Source = None,
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Make a report of reviews as one HTML file: how often people overrule the model, and where.

    Without days it covers the last 30. With --source it is about the reviews only: restarts and escalations
    are in the stage's ledger.
    """
    from workflow.operations.report.loop_facts import ledger_rows
    from workflow.operations.report.writing import write_report

    period = chosen_period(first, until)
    flow = flow_definition.rpartition("/")[2] if flow_definition else None
    ledger, loops = None, None
    session: boto3.Session | None = None
    if source is None:
        from workflow.operations.stage_resources import StageResources

        session = session_for(stage, profile, region, settings)
        resources = StageResources.find(stage, session, settings)
        source = f"s3://{resources.review_bucket}/reviews"
        ledger = resources.ledger_table
        arn = resources.flow_definition_arn(flow_definition) if flow_definition else None
        loops = ledger_rows(ledger, session, period, arn)
    elif source.startswith("s3://"):
        session = session_for(stage, profile, region, settings)
    reviews = open_reviews(source, session)
    with reading("reviews") as progress:
        made = write_report(
            file,
            reviews,
            period,
            flow_definition=flow,
            ledger=ledger,
            loops=loops,
            progress=progress,
        )
    _warn(made.figures)
    if flow and not made.figures.reviews:
        others = ", ".join(reviews.flow_definitions()) or "none"
        typer.echo(
            f"warning: no review is of the flow definition {flow!r}; those that have reviews of some day: {others}",
            err=True,
        )
    if output is Output.JSON:
        typer.echo(json.dumps(_as_json(made), indent=2))
    else:
        typer.echo(f"{made.headline}\n{made.headline.meaning}".rstrip())
        typer.echo(f"\nThe report: {made.file}")


# What it shares with other commands that read reviews


def chosen_period(first: datetime | None, until: datetime | None) -> Period:
    """The days that were asked for: up to `until` or today, from `first` or 30 days before."""
    default = Period.last_days(30, until=until.date() if until else None)
    return Period(first.date(), default.until) if first else default


@contextmanager
def reading(what: str) -> Iterator[Callable[[int], object] | None]:
    """Shows on a terminal how many have been read; gives None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(f"Reading {what}")
        yield lambda number: shown.update(task, description=f"Reading {what}: {number:,}")


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
