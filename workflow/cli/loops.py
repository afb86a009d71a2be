"""`python deploy.py loops`: human loops listed, shown, started, restarted, stopped; and what went wrong put right."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from lambdas.loops.ledger import LoopStatus, Outcome
from workflow.cli.options import SETTINGS, As, Output, Profile, Region, Settings, StageName, session_for
from workflow.errors import AfterloopError
from workflow.operations.story import Story, age, row_as_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from lambdas.loops.ledger import Loop
    from lambdas.loops.reconciling import Reconciliation
    from lambdas.loops.starting import StartedLoop, StartRequest
    from workflow.operations.loops import Loops, Redriven
    from workflow.operations.story import StatusChange

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
Flow = Annotated[str | None, typer.Option(metavar="NAME", help="Name or ARN of a flow definition.")]


@loops.command("list")
def list_(
    flow_definition: Flow = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(get_args(LoopStatus))}.")] = None,
    outcome: Annotated[str | None, typer.Option(help=f"One of {', '.join(get_args(Outcome))}.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Created longer ago than that: 30m, 2h, 3d, 1w.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 for all.")] = 50,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Instead of oldest first.")] = False,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """List human loops: those that wait for a person first, then those under way; the oldest first."""
    from workflow.operations.loops import Wanted

    wanted = Wanted(
        status=_known_word("--status", status, get_args(LoopStatus)),
        flow_definition=flow_definition,
        outcome=_known_word("--outcome", outcome, get_args(Outcome)),
        older_than=_age(older_than, "--older-than") if older_than else None,
    )
    found = _loops(stage, profile, region, settings)
    with _progress("Reading the ledger") as tell:
        listing = found.listing(
            wanted,
            limit=limit or None,
            newest_first=newest_first,
            progress=lambda number: tell(f"{number:,} loops"),
        )
    if output is Output.JSON:
        _print_json([row_as_json(loop) for loop in listing.loops])
    else:
        _show_listing(listing.loops)
    if listing.more:
        typer.echo(f"There are more than {limit}: raise --limit (0 for all), or narrow it.", err=True)


@loops.command()
def show(
    name: Name,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Show the whole story of a human loop: how it came to be, what became of it, and what to do."""
    story = _loops(stage, profile, region, settings).show(name)
    if output is Output.JSON:
        _print_json(story.as_json())
    else:
        _show_story(story)


@loops.command()
def start(
    flow_definition: Flow = None,
    name: Annotated[str | None, typer.Option(help="Name of the human loop.")] = None,
    key: Annotated[str | None, typer.Option(help="Instead of a name: your own key for it.")] = None,
    input_content: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="A custom task: what people are shown, as JSON; - for stdin."
        ),
    ] = None,
    document: Annotated[
        str | None, typer.Option(metavar="S3-URI", help="A Textract task: the form to analyze.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="S3-URI", help="A Rekognition task: the image to moderate.")
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Instead of all these: the whole request as JSON; - for stdin."),
    ] = None,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Start a human loop so that it can be restarted. The same command run twice starts one loop."""
    found = _loops(stage, profile, region, settings)
    with _told_in_one_line(), _progress("Starting"):
        asked = _request(found, flow_definition, name, key, input_content, document, image, request)
        started = found.start(asked)
    _tell_started(started, output, stage)


@loops.command()
def restart(
    name: Name,
    attempts: Annotated[
        int, typer.Option(min=1, max=20, help="How many more attempts it gets, this one included.")
    ] = 1,
    flow_definition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another flow definition, by name or ARN.")
    ] = None,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Start a failed or stopped human loop again with the same input, whatever the stage's rules say."""
    found = _loops(stage, profile, region, settings)
    with _told_in_one_line(), _progress("Restarting"):
        started = found.restart(name, more_attempts=attempts, flow_definition=flow_definition)
    _tell_started(started, output, stage)


@loops.command()
def stop(
    name: Name,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Stop a human loop. Answers that were given are kept."""
    stopped = _loops(stage, profile, region, settings).stop(name)
    _tell(
        output,
        {"humanLoopName": stopped, "a2iStatus": "Stopping"},
        f"{stopped} is being stopped.",
        f"What becomes of it: python deploy.py loops show {stopped} --stage {stage}",
    )


@loops.command()
def close(
    name: Name,
    note: Annotated[str, typer.Option(help="Why nothing more is done about it; kept in the ledger.")],
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Close a human loop that waits for a person: it leaves the list of those that do."""
    if not note.strip():
        raise typer.BadParameter("say why, for whoever looks at it next", param_hint="--note")
    closed = _loops(stage, profile, region, settings).close(name, note.strip())
    told = f" {closed.answered} waiting workflows were told that it failed." if closed.answered else ""
    _tell(
        output,
        row_as_json(closed.loop),
        f"{closed.loop.human_loop_name} is closed by {closed.loop.closed_by}.{told}",
    )


@loops.command()
def redrive(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the human loop, or its key.")
    ] = None,
    execution: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="Instead: the failed execution, for an event that could not be claimed."
        ),
    ] = None,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Run a status change again that the workflow failed to handle, when the cause is mended."""
    if (name is None) == (execution is None):
        raise typer.BadParameter("give the human loop's name, or else --execution", param_hint="NAME")
    found = _loops(stage, profile, region, settings)
    if execution:
        redriven = found.redrive_execution(execution)
    else:
        assert name is not None
        redriven = found.redrive(name)
    _tell_redriven(found, redriven, output, stage)


@loops.command()
def reconcile(
    flow_definition: Flow = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Look at loops created since: 2h, 3d, or a day as 2026-01-31. 11 days if not given, and not before"
            " the stage was published.",
        ),
    ] = None,
    stage: StageName = "dev",
    profile: Profile = None,
    region: Region = None,
    settings: Settings = SETTINGS,
    output: As = Output.TEXT,
) -> None:
    """Look for status changes that were missed and starts that were left unfinished, as the stage does every hour."""
    moment = _moment(since) if since else None
    found = _loops(stage, profile, region, settings)
    with _progress("Looking at flow definitions") as tell:

        def progress(flow: str, so_far: Reconciliation) -> None:
            tell(f"{flow.rpartition('/')[2]}: {so_far.looked_at:,} ended loops, {len(so_far.missed)} missed")

        reconciliation = found.reconcile(flow_definition=flow_definition, since=moment, progress=progress)
    reconciliation.problems = [_plain_problem(problem) for problem in reconciliation.problems]
    _tell_reconciled(reconciliation, output)
    if reconciliation.problems:
        raise typer.Exit(1)


# What the commands are given


def _loops(stage: str, profile: str | None, region: str | None, settings: Path) -> Loops:
    from workflow.operations.loops import Loops
    from workflow.operations.stage_resources import StageResources

    session = session_for(stage, profile, region, settings)
    return Loops(StageResources.find(stage, session, settings), session)


def _request(
    found: Loops,
    flow_definition: str | None,
    name: str | None,
    key: str | None,
    input_content: str | None,
    document: str | None,
    image: str | None,
    request: str | None,
) -> StartRequest:
    from lambdas.loops.starting import StartRequest
    from workflow.operations.client import s3_object

    options = (flow_definition, name, key, input_content, document, image)
    if request is not None:
        if any(options):
            raise typer.BadParameter(
                "is the whole request: leave the other options out", param_hint="--request"
            )
        return StartRequest.read(_json_object(request, "--request"))
    if not flow_definition:
        raise typer.BadParameter("is needed, unless --request is given", param_hint="--flow-definition")
    if (name is None) == (key is None):
        given_too = "" if name is None else ", not both"
        raise typer.BadParameter(f"give one of --name and --key{given_too}", param_hint="the loop's name")
    if len(given := [one for one in (input_content, document, image) if one]) != 1:
        raise typer.BadParameter(
            f"give one of --input, --document and --image, not {len(given)}", param_hint="the task"
        )
    if input_content:
        task: dict[str, Any] = {"type": "custom", "inputContent": _json_object(input_content, "--input")}
    elif document:
        task = {
            "type": "textract",
            "request": {"Document": s3_object(document), "FeatureTypes": ["FORMS"]},
        }
    else:
        assert image is not None
        task = {"type": "rekognition", "request": {"Image": s3_object(image)}}
    return StartRequest.read(
        {
            "humanLoopName": name,
            "key": key,
            "flowDefinitionArn": found.resources.flow_definition_arn(flow_definition),
            "task": task,
        }
    )


def _json_object(name: str, option: str) -> dict[str, Any]:
    where = "standard input" if name == "-" else name
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise AfterloopError(f"{option}: cannot read {name}: {error.strerror}") from None
    except ValueError as error:
        raise AfterloopError(f"{option}: {where} is no JSON: {error}") from None
    if not isinstance(document, dict):
        kind = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
        found = kind.get(type(document), "a number")
        raise AfterloopError(f"{option}: {where} must be one JSON object, {{…}}, and is {found}")
    return document


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


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _tell(output: Output, data: Any, *lines: str) -> None:
    if output is Output.JSON:
        _print_json(data)
    else:
        for line in lines:
            typer.echo(line)


def _tell_started(started: StartedLoop, output: Output, stage: str) -> None:
    name = started.human_loop_name
    if not started.needed:
        told = f"{name}: no person has to look. The prediction is at {started.prediction_location}"
    elif started.already:
        told = f"{name} was started already, and is {started.status}."
    else:
        told = f"{name} is started."
    _tell(
        output,
        started.model_dump(mode="json", by_alias=True, exclude_none=True),
        told,
        f"What becomes of it: python deploy.py loops show {name} --stage {stage}",
    )


def _tell_redriven(found: Loops, redriven: Redriven, output: Output, stage: str) -> None:
    where = found.execution(redriven.execution).link or redriven.execution
    name = redriven.human_loop_name
    follow = f"What becomes of it: python deploy.py loops show {name} --stage {stage}"
    _tell(
        output,
        {
            "humanLoopName": name,
            "statusChange": redriven.claim,
            "execution": redriven.execution,
            "before": redriven.before,
        },
        f"{name or 'The event'} runs again: {where}",
        *([follow] if name else []),
    )


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
    _tell(output, found.as_json(), *lines, summary)
    for problem in found.problems:
        typer.echo(f"error: {problem}", err=True)


# Tables for people

_STYLES = {
    "Completed": "green",
    "Failed": "red",
    "Stopped": "yellow",
    "stored": "green",
    "escalated": "bold red",
    "failed": "bold red",
    "SUCCEEDED": "green",
    "RUNNING": "cyan",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "ABORTED": "red",
}


def _show_listing(loops: Sequence[Loop]) -> None:
    if not loops:
        typer.echo("There are no such loops.")
    else:
        _print(_for_terminal(loops) if sys.stdout.isatty() else _for_pipe(loops))


def _for_terminal(loops: Sequence[Loop]) -> Table:
    """What fits on a narrow screen: two lines a loop, no name cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", expand=True)
    table.add_column("Human loop", overflow="fold", ratio=5)
    table.add_column("Flow definition", overflow="fold", ratio=3)
    table.add_column("Status", no_wrap=True, min_width=10)
    table.add_column("Age", no_wrap=True, min_width=6)
    table.add_column("Attempt", no_wrap=True, min_width=7)
    for loop in loops:
        name = Text(loop.human_loop_name)
        if why := _why(loop):
            name.append("\n").append_text(Text(_plain(why).plain, style="dim"))
        status = Text().append_text(_styled(loop.status))
        if loop.outcome:
            status.append("\n").append_text(_styled(loop.outcome))
        table.add_row(name, _flow_name(loop), status, age(loop.created_at), str(loop.attempt))
    return table


def _for_pipe(loops: Sequence[Loop]) -> Table:
    """One line a loop, for grep and cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("Human loop", "Flow definition", "Status", "Outcome", "Age", "Attempt", "Why"):
        table.add_column(column, no_wrap=True)
    for loop in loops:
        words = (loop.human_loop_name, _flow_name(loop), loop.status or "", loop.outcome or "")
        table.add_row(*map(_plain, words), age(loop.created_at), str(loop.attempt), _plain(_why(loop)))
    return table


def _why(loop: Loop) -> str:
    if loop.outcome == "closed":
        return loop.note or ""
    if loop.outcome in ("escalated", "failed") or loop.status in ("NotNeeded", "Refused"):
        return loop.reason or ""
    if loop.next_loop_name:
        return f"restarted as {loop.next_loop_name}"
    return loop.failure_code or ""


def _show_story(story: Story) -> None:
    from rich.table import Table
    from rich.text import Text

    loop = story.loop
    head = Text(loop.human_loop_name, style="bold")
    status = loop.status or (story.view.status if story.view else "unknown")
    head.append("  ").append_text(_styled(status))
    if loop.outcome:
        head.append("  ").append_text(_styled(loop.outcome))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for what, told in _facts(story):
        facts.add_row(what, told)
    _print(head)
    _print(_plain(story.outcome))
    _print("")
    _print(facts)
    if story.next:
        _print("")
        for step in story.next:
            _print(_plain(f"{step.why}:"))
            _print(Text(f"  {step.command}", style="cyan"), breaks=False)


def _facts(story: Story) -> Iterator[tuple[str, RenderableType]]:
    loop = story.loop
    yield "Flow definition", _plain(loop.flow_definition_arn or "unknown")
    yield "Started", _plain(story.started)
    created = loop.created_at or (story.view.created.isoformat() if story.view else None)
    if created:
        yield "Created", _plain(f"{created} ({age(created)} ago)")
    if loop.failure_code or loop.failure_reason:
        yield "Failure", _plain(": ".join(filter(None, [loop.failure_code, loop.failure_reason])))
    if len(story.lineage) > 1:
        yield "Lineage", _lineage(story)
    if story.changes:
        yield "Status changes", _changes(story.changes)
    for what, place in (
        ("Input", loop.input_location),
        ("Output", loop.output_location if loop.status != "NotNeeded" else None),
        ("Prediction", loop.output_location if loop.status == "NotNeeded" else None),
        ("Review", loop.review_location),
    ):
        if place:
            yield what, _plain(place)
    if story.review:
        yield "", _plain(story.review)
    if loop.waiting:
        yield "Waiting", _plain("a workflow waits for its end")
    if loop.answer:
        yield "Waiting", _plain(f"the workflow that waited for its end: {loop.answer}, {loop.answered_at}")


def _lineage(story: Story) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(5):
        table.add_column(overflow="fold")
    for loop in story.lineage:
        here = loop.human_loop_name == story.loop.human_loop_name
        table.add_row(
            f"{loop.attempt}.",
            _plain(loop.human_loop_name + (" (this one)" if here else "")),
            _styled(loop.status),
            _plain(loop.failure_code or ""),
            _styled(loop.outcome),
        )
    return table


def _changes(changes: Sequence[StatusChange]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = []
    for change in changes:
        told = Text().append_text(_styled(change.human_loop_status))
        told.append(f", taken {change.at}, {change.state}: execution ")
        told.append_text(_styled(change.execution.status))
        place = _plain(change.execution.link or change.execution.arn)
        if change.execution.link:
            place.stylize(f"link {change.execution.link}")  # one link, also where it takes two lines
        lines += [told, place]
    return Group(*lines)


def _flow_name(loop: Loop) -> str:
    return (loop.flow_definition_arn or "unknown").rpartition("/")[2]


def _styled(word: str | None) -> Any:
    from rich.text import Text

    return Text(word or "", style=_STYLES.get(word or "", ""))


def _plain(text: str) -> Any:
    """Text that is nobody's markup: names and reasons come from elsewhere."""
    from rich.text import Text

    return Text(re.sub(r"\s+", " ", text))


def _print(what: RenderableType, *, breaks: bool = True) -> None:
    """On a terminal as wide as it is; elsewhere as wide as needed, so that nothing is cut or broken.

    Args:
        what: What is printed.
        breaks: Whether lines may be broken; not those that a person copies.
    """
    from rich.console import Console

    console: Console = Console()
    if console.is_terminal:
        console.print(what, highlight=False, soft_wrap=not breaks)
        return
    wide = Console(width=100_000, color_system=None)
    with wide.capture() as captured:
        wide.print(what, highlight=False)
    for line in captured.get().splitlines() or [""]:
        typer.echo(line.rstrip())


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """Shows on a terminal that something is going on, and how far it is."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda text: status.update(f"{what}: {text}")
