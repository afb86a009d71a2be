"""Change stored reviews: make them again from the outputs of A2I."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.options import FlowDefinition, PeriodOptions, StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    NOTHING_CHANGED,
    Output,
    approved,
    console_for,
    exit_unchanged,
    on_interrupt,
    print_json,
    progress,
    tell,
)

if TYPE_CHECKING:
    from workflow.operations.recompute import Recomputation, Recompute
    from workflow.operations.reviews_source import Period

__all__ = ["reviews"]

reviews = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@reviews.callback()
def _group() -> None:
    # With a callback, Typer keeps `recompute` a subcommand, although it is the only one.
    pass


@reviews.command()
@takes_options
def recompute(
    *,
    flow_definition: FlowDefinition = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also recompute reviews that the current code and settings made.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")
    ] = False,
    yes: Yes = False,
    of: PeriodOptions,
    on: StageOptions,
) -> None:
    """Make stored reviews again from the outputs of A2I, with the published settings.

    Records, and the figures of their loops in the ledger, are replaced.
    Nobody is notified, and no step runs again. The review bucket keeps the
    earlier version of a record for 30 days. Without --since and --until, the
    command covers the last 30 days. You can interrupt it and run it again.
    The exit status is 1 if a review could not be recomputed.
    """
    from workflow.operations.flow_definitions import FlowDefinitions
    from workflow.operations.recompute import Recompute, RecomputeError

    period = of.period()
    session = on.session()
    resources = on.resources(session)
    if flow_definition:
        FlowDefinitions(resources, session).known(flow_definition)
    recompute = Recompute(resources, session)
    published = recompute.published_code()
    if published != recompute.code:
        problem = (
            f"stage {on.stage} compares reviews with other code ({published}) than this copy of Afterloop "
            f"({recompute.code})"
        )
        if not dry_run:
            raise RecomputeError(f"{problem}; publish this copy first, or use the copy that was published")
        tell(f"warning: {problem}", err=True)
    _warn_of_unpublished_settings(recompute, on)
    name = flow_definition.rpartition("/")[2] if flow_definition else None
    console = console_for(on.output)
    if dry_run or not yes:
        found = _run(recompute, period, name, every=every, write=False)
        if on.output is Output.TEXT:
            _show(found, period, recompute, on.stage, written=False)
        if not dry_run and found.to_write:
            question = f"Replace {_records(found.to_write)}?"
            if not approved(console, question, "run with --dry-run to see the changes"):
                exit_unchanged()
    if not dry_run and (yes or found.to_write):
        found = _run(recompute, period, name, every=every, write=True)
        if on.output is Output.TEXT:
            if yes:
                _show(found, period, recompute, on.stage, written=True)
            else:
                tell(f"{_records(found.to_write)} replaced.")
    if name and not found.reviews:
        others = ", ".join(recompute.flow_definitions()) or "none"
        tell(
            f"warning: there are no reviews of flow definition {name!r} in these days; flow definitions with reviews: "
            f"{others}",
            err=True,
        )
    if on.output is Output.JSON:
        _print_json(found, period, recompute, name, published, written=not dry_run)
    _show_left_out(found)
    if found.left_out:
        raise typer.Exit(1)


def _warn_of_unpublished_settings(recompute: Recompute, on: StageOptions) -> None:
    from workflow.errors import SettingsError
    from workflow.stack.stages import load_stage

    try:
        written = load_stage(on.settings, on.stage).review_settings()
    except SettingsError:
        return  # A published stage can be used without its settings.
    if recompute.differs_from(written):
        tell(
            f"warning: {on.settings.name} has other settings for reviews than the published ones, which count; "
            f"to use them, run `python deploy.py publish --stage {on.stage}` first",
            err=True,
        )


def _run(
    recompute: Recompute, period: Period, name: str | None, *, every: bool, write: bool
) -> Recomputation:
    written = 0

    def interrupted() -> str:
        if not written:
            return NOTHING_CHANGED
        return f"{_records(written)} or more replaced; run the same command again to continue"

    with (
        on_interrupt(interrupted),
        progress("Recomputing reviews" if write else "Checking what would change", clock=True) as report,
    ):

        def show(so_far: Recomputation) -> None:
            nonlocal written
            written = so_far.to_write if write else 0
            if so_far.reviews % 20 == 0:
                report(f"{so_far.reviews:,}")

        return recompute.run(period, flow_definition=name, every=every, write=write, progress=show)


def _records(number: int) -> str:
    return f"{number:,} {'record' if number == 1 else 'records'}"


def _show(found: Recomputation, period: Period, recompute: Recompute, stage: str, *, written: bool) -> None:
    would = "" if written else "would be "
    changes = found.changes
    tell(f"Stage {stage}: its published settings, and the code of this copy, {recompute.code}")
    tell(f"Reviews from {period.first} to {period.last}: {found.reviews:,}")
    for number, what in (
        (found.invented, "sample reviews, left alone"),
        (found.current, "made by the current code and settings, not recomputed"),
        (found.unchanged, "recomputed, with the same record"),
        (found.only_made_by, f"{would}replaced, with no change but made_by"),
        (found.changed, f"{would}replaced, with changes"),
        (len(found.left_out), "cannot be recomputed" if not written else "could not be recomputed"),
    ):
        if number:
            tell(f"  {what}: {number:,}")
    if changes.outcomes:
        tell("Outcomes of fields:")
        for (before, after), number in changes.outcomes.most_common():
            tell(f"  {before or 'no field'} → {after or 'no field'}: {number:,}")
    if changes.now_overruled or changes.no_longer_overruled:
        tell(f"Overruled reviews: {changes.no_longer_overruled:,} no longer, {changes.now_overruled:,} newly")
    if changes.keys:
        counts = ", ".join(f"{key} {number:,}" for key, number in changes.keys.most_common())
        tell(f"Keys with other values, by number of reviews: {counts}")
    if found.ledger:
        tell(
            f"Loops whose figures in the ledger {'changed' if written else 'would change'}: {found.ledger:,}"
        )
    identity = recompute.settings.worker_identity
    if changes.gain_identities:
        tell(
            f"warning: worker_identity is {identity!r}: {changes.gain_identities:,} reviews "
            f"{'have' if written else 'would get'} ids of workers that they did not have",
            err=True,
        )


def _show_left_out(found: Recomputation) -> None:
    for one in found.left_out[:3]:
        tell(f"left out: {one.review}: {one.reason}", err=True)
    if len(found.left_out) > 3:
        tell(f"left out: {len(found.left_out) - 3:,} more; --output json lists them", err=True)


def _print_json(
    found: Recomputation,
    period: Period,
    recompute: Recompute,
    flow_definition: str | None,
    published: str,
    *,
    written: bool,
) -> None:
    from workflow.cli.shapes import LeftOutReview, OutcomeChange, RecomputeResult

    changes = found.changes
    print_json(
        RecomputeResult(
            written=written,
            first=str(period.first),
            until=str(period.until),
            flow_definition=flow_definition,
            code=recompute.code,
            published_code=published,
            reviews=found.reviews,
            invented=found.invented,
            current=found.current,
            unchanged=found.unchanged,
            only_made_by=found.only_made_by,
            changed=found.changed,
            outcomes=[
                OutcomeChange(before=before, after=after, fields=number)
                for (before, after), number in changes.outcomes.most_common()
            ],
            now_overruled=changes.now_overruled,
            no_longer_overruled=changes.no_longer_overruled,
            keys=dict(changes.keys),
            gain_identities=changes.gain_identities,
            ledger=found.ledger,
            left_out=[LeftOutReview.model_validate(one) for one in found.left_out],
        )
    )
