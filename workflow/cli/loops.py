"""List, show, start, restart and stop human loops, and fix what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lambdas.loops.bounded import MAX_REASON
from lambdas.loops.loop import LoopStatus, Outcome
from lambdas.loops.visible import quoted
from workflow.cli import times
from workflow.cli.loop_graph import graph
from workflow.cli.loop_logs import logs
from workflow.cli.options import FlowDefinition, StageOptions, takes_options
from workflow.cli.replay import replay
from workflow.cli.several_loops import Several
from workflow.cli.several_options import SeveralOptions
from workflow.cli.start_options import StartOptions, start_request
from workflow.cli.terminal import Output, print_json, progress, tell
from workflow.cli.undelivered import process_undelivered

if TYPE_CHECKING:
    from lambdas.loops.reconciliation import Reconciliation
    from lambdas.loops.start_request import StartedLoop
    from workflow.operations.loops import Loops

__all__ = ["loops"]

loops = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the human loop, or the key that it was started with.")
]


OptionalName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of the human loop, or its key. Or specify filters."),
]


@loops.command("list")
@takes_options
def list_(
    *,
    flow_definition: FlowDefinition = None,
    status: Annotated[
        LoopStatus | None,
        typer.Option(
            metavar="STATUS", case_sensitive=False, help=f"One of {', '.join(get_args(LoopStatus))}."
        ),
    ] = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(metavar="OUTCOME", case_sensitive=False, help=f"One of {', '.join(get_args(Outcome))}."),
    ] = None,
    since: Annotated[datetime | None, times.since("Created at this time or later")] = None,
    until: Annotated[datetime | None, times.until("Created before this time")] = None,
    older_than: Annotated[datetime | None, times.former("--older-than", "--until")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many to list at most; 0 for all.")] = 50,
    newest_first: Annotated[
        bool, typer.Option("--newest-first", help="List the newest first, also when others need action.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the list again every 2 seconds, until Ctrl-C.")
    ] = False,
    on: StageOptions,
) -> None:
    """List human loops: first those that need action, then those in progress or being processed, then the rest."""
    from workflow.operations.loops import LoopFilter

    until = times.one_of("--until", until, "--older-than", older_than)
    loop_filter = LoopFilter(
        status=status,
        flow_definition=flow_definition,
        outcome=outcome,
        since=since,
        until=until,
    )
    if watch:
        from workflow.cli import watching

        watching.check_watchable(on.output)
    stage = _loops(on)
    if flow_definition:
        stage.flow_definitions.known(flow_definition)
    with progress("Reading the ledger") as report:
        listing = stage.listing(
            loop_filter,
            limit=limit or None,
            newest_first=newest_first,
            progress=lambda number: report(f"{number:,} loops"),
        )
    if watch:
        watching.watch(
            listing, lambda: stage.listing(loop_filter, limit=limit or None, newest_first=newest_first)
        )
        return
    if on.output is Output.JSON:
        from workflow.cli.shapes import LoopList

        print_json(LoopList.of(listing))
    else:
        from workflow.cli.show_loops import show_listing

        show_listing(listing.loops)
    for row in listing.unreadable:
        tell(f"warning: {row}", err=True)
    if listing.more:
        tell(f"More than {limit} human loops match: raise --limit (0 for all), or add a filter.", err=True)


@loops.command()
@takes_options
def show(name: Name, on: StageOptions) -> None:
    """Show a human loop: how it started, its status changes, its outcome, and what you can do."""
    story = _loops(on).show(name)
    for row in story.unreadable:
        tell(f"warning: {row}", err=True)
    if on.output is Output.JSON:
        from workflow.cli.shapes import LoopStory

        print_json(LoopStory.of(story))
    else:
        from workflow.cli.show_loops import show_story

        show_story(story)


loops.command()(graph)
loops.command()(logs)


@loops.command()
@takes_options
def start(task: StartOptions, on: StageOptions) -> None:
    """Start a human loop so that it can be restarted. Running the command twice starts one loop."""
    stage = _loops(on)
    with _one_line_refusals(), progress("Starting"):
        request = start_request(task, stage.resources)
        stage.flow_definitions.existing(request.flow_definition_arn)
        started = stage.start(request)
    _print_started(started, on)


@loops.command()
@takes_options
def restart(
    *,
    name: OptionalName = None,
    many: SeveralOptions,
    attempts: Annotated[
        int, typer.Option(min=1, max=20, help="How many more attempts to allow, including this one.")
    ] = 1,
    new_flow_definition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name or ARN of another flow definition to start it with."),
    ] = None,
    on: StageOptions,
) -> None:
    """Restart failed or stopped human loops with the same input, whatever the stage's restart rules say."""
    many.check(name, "restart")
    stage = _loops(on)
    if new_flow_definition:
        stage.flow_definitions.existing(new_flow_definition)
    several = Several("restart", many, stage, on, flow_definition=new_flow_definition)
    if name is None:
        several.run(
            lambda interruption: stage.actions.restart(
                interruption, more_attempts=attempts, flow_definition=new_flow_definition
            )
        )
        return
    if many.dry_run:
        several.dry_run(name)
        return
    with _one_line_refusals(), progress("Restarting"):
        started = stage.restart(name, more_attempts=attempts, flow_definition=new_flow_definition)
    _print_started(started, on)


@loops.command()
@takes_options
def stop(name: Name, on: StageOptions) -> None:
    """Stop a human loop. Answers that were given are kept."""
    stopped = _loops(on).stop(name)
    if on.output is Output.JSON:
        from workflow.cli.shapes import StopResult

        print_json(StopResult(human_loop_name=stopped))
    else:
        tell(f"{stopped} is stopping.", _follow_up(stopped, on))


@loops.command()
@takes_options
def close(
    *,
    name: OptionalName = None,
    note: Annotated[str, typer.Option(help="Why no more action is needed. The ledger keeps it.")],
    many: SeveralOptions,
    on: StageOptions,
) -> None:
    """Close human loops that need action, so that they are no longer listed as such."""
    note = note.strip()
    if not note:
        raise typer.BadParameter("is empty: say why the loop needs no more action", param_hint="--note")
    if len(note) > MAX_REASON:
        raise typer.BadParameter(
            f"has {len(note):,} characters; the maximum is {MAX_REASON:,}", param_hint="--note"
        )
    many.check(name, "close")
    stage = _loops(on)
    if name is None:
        Several("close", many, stage, on).run(lambda interruption: stage.actions.close(interruption, note))
        return
    if many.dry_run:
        Several("close", many, stage, on).dry_run(name)
        return
    closed = stage.close(name, note)
    if on.output is Output.JSON:
        from workflow.cli.shapes import LedgerRow

        print_json(LedgerRow.model_validate(closed.loop))
        return
    notified = f" Waiting workflows that were notified: {closed.answered}." if closed.answered else ""
    tell(f"{closed.loop.human_loop_name} was closed by {closed.loop.closed_by}.{notified}")


@loops.command()
@takes_options
def redrive(
    *,
    name: OptionalName = None,
    execution: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="ARN of a failed execution, for an event that could not be claimed."
        ),
    ] = None,
    undelivered: Annotated[
        bool,
        typer.Option(
            "--undelivered",
            help="Process the events that EventBridge could not deliver, from the queue UndeliveredEvents.",
        ),
    ] = False,
    many: SeveralOptions,
    wait: Annotated[
        bool,
        typer.Option(
            help="For many, wait up to a minute for each execution, so that no more run at once than --at-once."
        ),
    ] = True,
    on: StageOptions,
) -> None:
    """Process status changes again after you have fixed why the workflow failed."""
    if undelivered:
        many.check_unused("--undelivered", name or execution, filters_only=True)
    elif execution is not None:
        many.check_unused("--execution", name)
    else:
        many.check(name, "redrive")
    stage = _loops(on)
    if undelivered:
        process_undelivered(stage.undelivered(), many, on, wait=wait)
        return
    one = execution or name
    if one is None:
        Several("redrive", many, stage, on).run(
            lambda interruption: stage.actions.redrive(interruption, wait=wait)
        )
        return
    if many.dry_run:
        Several("redrive", many, stage, on).dry_run(one, is_execution=execution is not None)
        return
    redriven = stage.redrive_execution(one) if execution else stage.redrive(one)
    if on.output is Output.JSON:
        from workflow.cli.shapes import RedriveResult

        print_json(
            RedriveResult(
                human_loop_name=redriven.human_loop_name,
                status_change=redriven.claim,
                execution=redriven.execution,
                before=redriven.before,
            )
        )
        return
    # An event that could not be claimed may not say which loop it is about.
    where = stage.execution(redriven.execution).link or redriven.execution
    tell(f"{redriven.human_loop_name or 'The event'} is being processed again: {where}")
    if redriven.human_loop_name:
        tell(_follow_up(redriven.human_loop_name, on))


loops.command()(replay)


@loops.command()
@takes_options
def reconcile(
    *,
    flow_definition: FlowDefinition = None,
    since: Annotated[
        datetime | None,
        times.since(
            "Check the whole ledger, and all loops created at this time or later",
            "By default, what is open in the ledger, and the loops created since the last check.",
        ),
    ] = None,
    on: StageOptions,
) -> None:
    """Find missed status changes and unfinished starts, as the stage does every hour."""
    stage = _loops(on)
    if flow_definition:
        stage.flow_definitions.known(flow_definition)
    with progress("Checking flow definitions") as report:

        def show_progress(flow: str, so_far: Reconciliation) -> None:
            report(f"{flow.rpartition('/')[2]}: {so_far.looked_at:,} loops, {len(so_far.missed)} missed")

        found = stage.reconcile(flow_definition=flow_definition, since=since, progress=show_progress)
    # An error of AWS for one loop or flow definition does not stop the others. The exit status reports it.
    found.problems = [_readable_problem(problem) for problem in found.problems]
    if on.output is Output.JSON:
        from workflow.cli.shapes import ReconcileResult

        print_json(ReconcileResult.model_validate(found))
    else:
        _print_reconciliation(found)
    for problem in found.problems:
        tell(f"error: {problem}", err=True)
    if found.problems:
        raise typer.Exit(1)


# Input


def _loops(on: StageOptions) -> Loops:
    from workflow.operations.loops import Loops

    session = on.session()
    return Loops(on.resources(session), session)


@contextmanager
def _one_line_refusals() -> Iterator[None]:
    from workflow.operations.client import refusals_as_errors

    with refusals_as_errors("run the same command again later"):
        yield


# Output


def _print_started(started: StartedLoop, on: StageOptions) -> None:
    if on.output is Output.JSON:
        from workflow.cli.shapes import StartResult

        print_json(StartResult.model_validate(started))
        return
    name = started.human_loop_name
    if not started.needed:
        tell(f"{name}: no human review is needed. The prediction is stored in {started.prediction_location}")
    elif started.already:
        tell(f"{name} was already started. Its status is {started.status}.")
    else:
        tell(f"{name} was started.")
    tell(_follow_up(name, on))


def _follow_up(name: str, on: StageOptions) -> str:
    return f"To check its status: python deploy.py loops show {quoted(name)} --stage {on.stage}"


def _readable_problem(problem: str) -> str:
    """An error from AWS without boto3's wording."""
    match = re.fullmatch(
        r"(?P<what>.+): An error occurred \((?P<code>\w+)\) when calling the (?P<call>\w+) operation"
        r"(?: \(.+?\))?: (?P<message>.*)",
        problem,
        re.DOTALL,
    )
    if match is None:
        return problem
    if (match["call"], match["code"]) == ("ListHumanLoops", "ResourceNotFoundException"):
        return (
            f"{match['what']}: this flow definition does not exist: create it, remove it from flow_definitions in the "
            "stage's settings, or choose another with --flow-definition"
        )
    return f"{match['what']}: {match['call']} failed ({match['code']}): {match['message']}"


def _print_reconciliation(found: Reconciliation) -> None:
    lines = [
        *(f"missed: {change}: {execution}" for change, execution in found.missed.items()),
        *(f"deleted in A2I, and escalated: {name}: {run}" for name, run in found.deleted.items()),
        *(f"in progress without a row: {name}" for name in found.adopted),
        *(f"start resumed: {name}" for name in found.resumed),
        *(f"start refused, and escalated: {name}: {run}" for name, run in found.refused.items()),
        *(f"abandoned by its execution: {claim}: redrive or close it" for claim in found.released),
        *(f"ended before it had a claim, and reported: {run}" for run in found.reported),
        *(f"notified the waiting workflow: {name}" for name in found.answered),
    ]
    for line in lines:
        tell(line)
    for name in found.overdue:
        tell(f"open longer than its flow definition allows: {name}")
    for name in found.earlier:
        tell(f"ended before the ledger was created: {name}")
    if found.earlier:
        tell(
            f"{len(found.earlier):,} human loops ended, and were created before the ledger, so that nobody knows "
            "whether they were processed. --since processes them."
        )
    fixed = f"{len(lines)} fixed" if lines else "nothing was missed"
    tell(f"Human loops checked: {found.looked_at:,}; {fixed}.")
