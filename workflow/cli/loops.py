"""`python deploy.py loops`: human loops listed, shown, started, restarted, stopped; and what went wrong put right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lambdas.loops.ledger import LoopStatus, Outcome
from workflow.cli.options import FlowDefinition, StageOptions, takes_options
from workflow.cli.show_loops import show_listing, show_story
from workflow.cli.start_options import StartOptions, start_request
from workflow.cli.terminal import Output, print_json, progress, tell
from workflow.errors import AfterloopError
from workflow.operations.story import row_as_json

if TYPE_CHECKING:
    from lambdas.loops.reconciling import Reconciliation
    from lambdas.loops.starting import StartedLoop
    from workflow.operations.loops import Loops, Redriven

__all__ = ["loops"]

loops = typer.Typer(
    help="List, show, start, restart and stop human loops, and put right what went wrong.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@loops.callback()
def _which(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        names = ", ".join(context.command.list_commands(context))  # type: ignore[attr-defined]
        raise AfterloopError(f"give one of the commands of loops: {names}")


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the human loop, or the key that it was started with.")
]


@loops.command("list")
@takes_options
def list_(
    *,
    flow_definition: FlowDefinition = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(get_args(LoopStatus))}.")] = None,
    outcome: Annotated[str | None, typer.Option(help=f"One of {', '.join(get_args(Outcome))}.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Created longer ago than that: 30m, 2h, 3d, 1w.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 for all.")] = 50,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Instead of oldest first.")] = False,
    on: StageOptions,
) -> None:
    """List human loops: those that wait for a person first, then those under way; the oldest first."""
    from workflow.operations.loops import Wanted

    wanted = Wanted(
        status=_known_word("--status", status, get_args(LoopStatus)),
        flow_definition=flow_definition,
        outcome=_known_word("--outcome", outcome, get_args(Outcome)),
        older_than=_age(older_than, "--older-than") if older_than else None,
    )
    found = _loops(on)
    with progress("Reading the ledger") as report:
        listing = found.listing(
            wanted,
            limit=limit or None,
            newest_first=newest_first,
            progress=lambda number: report(f"{number:,} loops"),
        )
    if on.output is Output.JSON:
        print_json([row_as_json(loop) for loop in listing.loops])
    else:
        show_listing(listing.loops)
    if listing.more:
        typer.echo(f"There are more than {limit}: raise --limit (0 for all), or narrow it.", err=True)


@loops.command()
@takes_options
def show(name: Name, on: StageOptions) -> None:
    """Show the whole story of a human loop: how it came to be, what became of it, and what to do."""
    story = _loops(on).show(name)
    if on.output is Output.JSON:
        print_json(story.as_json())
    else:
        show_story(story)


@loops.command()
@takes_options
def start(task: StartOptions, on: StageOptions) -> None:
    """Start a human loop so that it can be restarted. The same command run twice starts one loop."""
    found = _loops(on)
    with _told_in_one_line(), progress("Starting"):
        started = found.start(start_request(task, found.resources))
    _tell_started(started, on)


@loops.command()
@takes_options
def restart(
    *,
    name: Name,
    attempts: Annotated[
        int, typer.Option(min=1, max=20, help="How many more attempts it gets, this one included.")
    ] = 1,
    flow_definition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another flow definition, by name or ARN.")
    ] = None,
    on: StageOptions,
) -> None:
    """Start a failed or stopped human loop again with the same input, whatever the stage's rules say."""
    found = _loops(on)
    with _told_in_one_line(), progress("Restarting"):
        started = found.restart(name, more_attempts=attempts, flow_definition=flow_definition)
    _tell_started(started, on)


@loops.command()
@takes_options
def stop(name: Name, on: StageOptions) -> None:
    """Stop a human loop. Answers that were given are kept."""
    stopped = _loops(on).stop(name)
    tell(
        on.output,
        {"humanLoopName": stopped, "a2iStatus": "Stopping"},
        f"{stopped} is being stopped.",
        _follow(stopped, on),
    )


@loops.command()
@takes_options
def close(
    name: Name,
    note: Annotated[str, typer.Option(help="Why nothing more is done about it; kept in the ledger.")],
    on: StageOptions,
) -> None:
    """Close a human loop that waits for a person: it leaves the list of those that do."""
    if not note.strip():
        raise typer.BadParameter("say why, for whoever looks at it next", param_hint="--note")
    closed = _loops(on).close(name, note.strip())
    told = f" {closed.answered} waiting workflows were told that it failed." if closed.answered else ""
    tell(
        on.output,
        row_as_json(closed.loop),
        f"{closed.loop.human_loop_name} is closed by {closed.loop.closed_by}.{told}",
    )


@loops.command()
@takes_options
def redrive(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the human loop, or its key.")
    ] = None,
    execution: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="Instead: the failed execution, for an event that could not be claimed."
        ),
    ] = None,
    on: StageOptions,
) -> None:
    """Run a status change again that the workflow failed to handle, when the cause is mended."""
    if (name is None) == (execution is None):
        raise typer.BadParameter("give the human loop's name, or else --execution", param_hint="NAME")
    found = _loops(on)
    if execution:
        redriven = found.redrive_execution(execution)
    else:
        assert name is not None
        redriven = found.redrive(name)
    _tell_redriven(found, redriven, on)


@loops.command()
@takes_options
def reconcile(
    *,
    flow_definition: FlowDefinition = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Look at loops created since: 2h, 3d, or a day as 2026-01-31. 11 days if not given, and not before"
            " the stage was published.",
        ),
    ] = None,
    on: StageOptions,
) -> None:
    """Look for status changes that were missed and starts that were left unfinished, as the stage does every hour."""
    moment = _moment(since) if since else None
    found = _loops(on)
    with progress("Looking at flow definitions") as report:

        def looking(flow: str, so_far: Reconciliation) -> None:
            report(
                f"{flow.rpartition('/')[2]}: {so_far.looked_at:,} ended loops, {len(so_far.missed)} missed"
            )

        reconciliation = found.reconcile(flow_definition=flow_definition, since=moment, progress=looking)
    reconciliation.problems = [_plain_problem(problem) for problem in reconciliation.problems]
    _tell_reconciled(reconciliation, on.output)
    if reconciliation.problems:
        raise typer.Exit(1)


# What the commands are given


def _loops(on: StageOptions) -> Loops:
    from workflow.operations.loops import Loops

    session = on.session()
    return Loops(on.resources(session), session)


def _known_word(option: str, given: str | None, words: tuple[str, ...]) -> str | None:
    if given is None:
        return None
    for word in words:
        if word.casefold() == given.casefold():
            return word
    raise typer.BadParameter(f"{given!r} is none of {', '.join(words)}", param_hint=option)


_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _age(text: str, option: str, otherwise: str = "") -> timedelta:
    match = re.fullmatch(r"([0-9]{1,5})\s*([mhdw])", text.strip())
    if match is None:
        told = f"{text!r} is no age, such as 30m, 2h, 3d or 1w{otherwise}"
        raise typer.BadParameter(told, param_hint=option)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) - _age(text, "--since", ", and no day, such as 2026-01-31")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    """What the stage's functions refuse is the caller's to put right."""
    from lambdas.loops.names import InvalidLoopName
    from lambdas.loops.starting import StartError
    from lambdas.reviews.errors import TransientServiceError

    try:
        yield
    except (InvalidLoopName, StartError) as error:
        raise AfterloopError(str(error)) from None
    except TransientServiceError as error:
        raise AfterloopError(f"{error}; run the same command again in a while") from None


# What the commands tell


def _tell_started(started: StartedLoop, on: StageOptions) -> None:
    name = started.human_loop_name
    if not started.needed:
        told = f"{name}: no person has to look. The prediction is at {started.prediction_location}"
    elif started.already:
        told = f"{name} was started already, and is {started.status}."
    else:
        told = f"{name} is started."
    data = started.model_dump(mode="json", by_alias=True, exclude_none=True)
    tell(on.output, data, told, _follow(name, on))


def _tell_redriven(found: Loops, redriven: Redriven, on: StageOptions) -> None:
    where = found.execution(redriven.execution).link or redriven.execution
    name = redriven.human_loop_name
    tell(
        on.output,
        {
            "humanLoopName": name,
            "statusChange": redriven.claim,
            "execution": redriven.execution,
            "before": redriven.before,
        },
        f"{name or 'The event'} runs again: {where}",
        *([_follow(name, on)] if name else []),
    )


def _follow(name: str, on: StageOptions) -> str:
    return f"What becomes of it: python deploy.py loops show {name} --stage {on.stage}"


def _plain_problem(problem: str) -> str:
    """What AWS refuses, without how boto3 words it."""
    match = re.fullmatch(
        r"(?P<what>.+): An error occurred \((?P<code>\w+)\) when calling the (?P<call>\w+) operation"
        r"(?: \(.+?\))?: (?P<told>.*)",
        problem,
        re.DOTALL,
    )
    if match is None:
        return problem
    if (match["call"], match["code"]) == ("ListHumanLoops", "ResourceNotFoundException"):
        return (
            f"{match['what']}: there is no such flow definition: create it, take it out of flow_definitions in the "
            "stage's settings, or name another with --flow-definition"
        )
    return f"{match['what']}: {match['call']} is refused ({match['code']}): {match['told']}"


def _tell_reconciled(found: Reconciliation, output: Output) -> None:
    lines = [
        *(f"missed: {change}: {execution}" for change, execution in found.missed.items()),
        *(f"start went on: {name}" for name in found.resumed),
        *(f"start refused, and escalated: {name}: {run}" for name, run in found.refused.items()),
        *(f"left by its execution: {claim}: redrive or close it" for claim in found.released),
        *(f"its end told to who waited for it: {name}" for name in found.answered),
    ]
    looked_at = f"{found.looked_at:,} ended loop{'' if found.looked_at == 1 else 's'} looked at"
    summary = f"{looked_at}: " + (
        "nothing was missed." if found.found_nothing else f"{len(lines)} put right."
    )
    tell(output, found.as_json(), *lines, summary)
    for problem in found.problems:
        typer.echo(f"error: {problem}", err=True)
