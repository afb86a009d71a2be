"""`loops replay`: sends archived status changes to the workflow again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lambdas.reviews.times import timestamp
from workflow.cli import times
from workflow.cli.options import StageOptions, Yes, takes_options
from workflow.cli.terminal import (
    Output,
    approved,
    console_for,
    exit_interrupted,
    exit_unchanged,
    finishing_on_interrupt,
    on_interrupt,
    print_json,
    progress,
    tell,
)

if TYPE_CHECKING:
    from workflow.operations.replaying import Replaying
    from workflow.operations.replays import Replay, ReplayPlan
    from workflow.operations.several import Results

__all__ = ["replay"]

MAX_NAMED = 20
"""How many loops are named, of each kind. JSON has all."""


@takes_options
def replay(
    *,
    since: Annotated[
        datetime | None,
        times.since("Replay events of this time or later", "By default, all that the archive has."),
    ] = None,
    until: Annotated[
        datetime | None,
        times.until(
            "Replay events before this time. By default, what is archived by now: on AWS, until 10 minutes ago"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be replayed, and change nothing.")
    ] = False,
    yes: Yes = False,
    on: StageOptions,
) -> None:
    """Send archived status changes to the workflow again. What is processed stays as it is."""
    from workflow.operations.loops import Loops

    session = on.session()
    replaying = Loops(on.resources(session), session).replaying()
    with progress("Reading the ledger"):
        plan = replaying.plan(since, until)
    if on.output is Output.TEXT:
        _show_plan(plan)
    for row in plan.unreadable:
        tell(f"warning: {row}", err=True)
    if dry_run:
        _show(plan, None, None, on)
        return
    if not yes and not approved(console_for(on.output), f"Replay these events in stage {on.stage}?"):
        exit_unchanged()
    ended, results = _run(replaying, plan)
    _show(plan, ended, results, on)
    if ended.state == "CANCELLED":
        exit_interrupted(f"the replay was cancelled; {_rest(ended, plan)}")
    if ended.state != "COMPLETED" or results.count("failed", "error"):
        raise typer.Exit(1)


def _run(replaying: Replaying, plan: ReplayPlan) -> tuple[Replay, Results]:
    from workflow.operations.several import Interruption

    interruption = Interruption()
    started = replaying.start(plan)
    with (
        on_interrupt(lambda: replaying.goes_on(started.name)),
        progress(f"Replaying as {started.name}", clock=True) as report,
        finishing_on_interrupt(interruption.request),
    ):
        ended = replaying.follow(
            started,
            interruption,
            lambda now: report(f"until {timestamp(now.last)}" if now.last else now.state.lower()),
        )
        report("waiting for executions")
        return ended, replaying.results(ended, interruption)


def _rest(ended: Replay, plan: ReplayPlan) -> str:
    """How to replay what was not replayed. Events of one minute come in any order."""
    if ended.last is None:
        return "nothing was replayed"
    begin = max(ended.last.replace(second=0, microsecond=0), plan.since)
    return (
        f"events until {timestamp(begin)} were replayed; for the rest, pass --since {timestamp(begin)} "
        f"--until {timestamp(plan.until)}"
    )


# Output


def _show(plan: ReplayPlan, ended: Replay | None, results: Results | None, on: StageOptions) -> None:
    if on.output is Output.JSON:
        from workflow.cli.shapes import ReplayResult

        print_json(ReplayResult.of(plan, ended, results))
    elif ended is None or results is None:
        tell("Nothing was changed.")
    else:
        _show_results(ended, results)


def _show_plan(plan: ReplayPlan) -> None:
    archive = plan.archive
    kept = f"for {archive.days:,} days" if archive.days else "for ever"
    tell(
        f"Archive {archive.name}: since {timestamp(archive.created)}, keeps events {kept}; about "
        f"{archive.events:,} events, {archive.size:,} bytes (AWS updates both figures once a day).",
        f"Events from {timestamp(plan.since)} until {timestamp(plan.until)} are sent to the workflow again.",
        "What the ledger says about this period:",
        f"  {plan.processed:,} status changes are processed, and stay as they are",
    )
    if plan.busy:
        tell(f"  {plan.busy:,} are being processed, and stay as they are")
    tell(
        f"  {len(plan.again):,} human loops failed in the workflow, which processes them again{_named(plan.again)}"
    )
    tell(f"  {plan.open:,} human loops are open; if an event says that one ended, it is processed")
    tell("Events of human loops that the ledger does not have are processed, too.")
    if not plan.is_archived:
        tell(
            "warning: events of the last 10 minutes may not be in the archive yet; replay this period again later",
            err=True,
        )


def _named(names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return f": {', '.join(names[:MAX_NAMED])}{more}"


def _show_results(ended: Replay, results: Results) -> None:
    said = f": {ended.reason}" if ended.reason else ""
    tell(f"The replay {ended.name} is {ended.state}{said}.", err=ended.state == "FAILED")
    for result, what in (("done", "processed"), ("running", "being processed")):
        found = [one for one in results.results if one.result == result]
        for one in found[:MAX_NAMED]:
            tell(f"{what}: {one.name}: {one.detail}")
        if len(found) > MAX_NAMED:
            tell(f"{what}: {len(found) - MAX_NAMED:,} more")
    for one in results.results:
        if one.result in ("failed", "error"):
            tell(f"error: {one.name}: {' '.join(one.detail.split())}", err=True)
    tell(
        f"Status changes since the replay began: {results.count('done'):,} processed, "
        f"{results.count('running'):,} being processed, {results.count('failed', 'error'):,} failed. All others were "
        "processed before."
    )
