"""`python deploy.py report`: one HTML file that shows how often people overrule the model, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.options import FlowDefinition, ReviewOptions, StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, progress, tell
from workflow.errors import AfterloopError

if TYPE_CHECKING:
    import boto3

    from workflow.operations.report.figures import Costs, Figures

__all__ = ["report"]

MAX_AMOUNT = 1e12
"""The highest price. Much higher ones exceed what a calculation with squares can hold."""


@takes_options
def report(
    *,
    flow_definition: FlowDefinition = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The file to write.")] = Path("report.html"),
    cost_of_review: Annotated[
        float | None,
        typer.Option(
            metavar="AMOUNT", help="What one review costs, with all its workers. Needs --cost-of-error."
        ),
    ] = None,
    cost_of_error: Annotated[
        float | None,
        typer.Option(
            metavar="AMOUNT",
            help="What one error costs that nobody corrects. The same currency as --cost-of-review.",
        ),
    ] = None,
    of: ReviewOptions,
    on: StageOptions,
) -> None:
    """Write a report of reviews as one HTML file: how often people overrule the model, and where.

    Without --since and --until it covers the last 30 days. With --source it has no figures about restarts and
    escalations, which are in the stage's ledger. With --cost-of-review and --cost-of-error it shows which confidence
    threshold costs least.
    """
    from workflow.operations.flow_definitions import FlowDefinitions, check_reviews_of
    from workflow.operations.report.loop_facts import ledger_rows
    from workflow.operations.report.writing import make_report, write_report
    from workflow.operations.reviews_source import open_reviews

    costs = _costs(cost_of_review, cost_of_error)
    period, source = of.period(), of.source
    flow = flow_definition.rpartition("/")[2] if flow_definition else None
    ledger, loops, owner = None, None, None
    session: boto3.Session | None = None
    # The ledger belongs to the stage, so it says nothing about reviews from another place.
    if source is None:
        session = on.session()
        resources = on.resources(session)
        source = f"s3://{resources.review_bucket}/reviews"
        ledger, owner = resources.ledger_table, resources.account_id
        arn = FlowDefinitions(resources, session).known(flow_definition) if flow_definition else None
        loops = ledger_rows(ledger, session, period, arn)
    elif source.startswith("s3://"):
        session = on.session()
    reviews = open_reviews(source, session, owner=owner)
    if flow and ledger is None:
        check_reviews_of(flow, reviews)
    with progress("Reading reviews", clock=True) as read:
        made = make_report(
            reviews,
            period,
            flow_definition=flow,
            ledger=ledger,
            loops=loops,
            costs=costs,
            progress=lambda number: read(f"{number:,}"),
        )
    if made.is_empty:
        # An earlier report is worth more than an empty one.
        raise AfterloopError(
            f"there are no reviews{f' of {flow}' if flow else ''} of human loops created from {period.first} to "
            f"{period.last}, so no report was written: choose other days with --since and --until"
        )
    written = write_report(made, file)
    _warn(made.figures)
    if on.output is Output.JSON:
        from workflow.cli.shapes import ReportResult

        print_json(ReportResult.of(made, file=str(written)))
    else:
        tell(*filter(None, [str(made.headline), made.headline.meaning]))
        tell("", f"Report: {written}")


def _costs(review: float | None, error: float | None) -> Costs | None:
    from workflow.operations.report.figures import Costs

    if review is None and error is None:
        return None
    for option, amount, other in (
        ("--cost-of-review", review, "--cost-of-error"),
        ("--cost-of-error", error, "--cost-of-review"),
    ):
        if amount is None:
            raise AfterloopError(
                f"{option} is missing; {other} needs it, because a threshold weighs one against the other"
            )
        if not 0 < amount <= MAX_AMOUNT:
            raise AfterloopError(
                f"invalid {option}: {amount:g}; use an amount above 0 and up to {MAX_AMOUNT:,.0f}, such as 0.50"
            )
    assert review is not None
    assert error is not None
    return Costs(review, error)


def _warn(figures: Figures) -> None:
    malformed, unreadable, invented = figures.malformed, figures.unreadable, figures.invented
    for one in malformed[:3]:
        tell(f"warning: cannot be read as a review, left out: {one.location}: {one.problem}", err=True)
    if len(malformed) > 3:
        tell(f"warning: {len(malformed) - 3:,} more were left out; the report lists them", err=True)
    if unreadable:
        values, were = ("value", "was") if unreadable == 1 else ("values", "were")
        tell(
            f"warning: {unreadable:,} {values} in the reviews could not be read and {were} left out; the rest of each "
            f"review counts; the first is in {figures.partly_read[0]}",
            err=True,
        )
    if empty := figures.without_fields:
        have = "has" if empty == 1 else "have"
        tell(
            f"warning: {empty:,} of {figures.reviews:,} reviews {have} no field: nobody answered, or people submitted "
            "an empty page",
            err=True,
        )
    if invented:
        be = "is" if invented == 1 else "are"
        tell(f"warning: {invented:,} of {figures.reviews:,} reviews {be} invented sample data", err=True)
