"""`loops logs`: shows what functions logged about a human loop, once or as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambdas.loops.visible import visible, visible_json, visible_lines
from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, print_whole, progress, tell

if TYPE_CHECKING:
    from workflow.operations.logs import LogLine, Logs

__all__ = ["STYLES", "is_shown", "line_text", "logs"]

SECONDS = 3
"""How long to wait before lines are read again. Each time takes some searches, of which AWS allows five a second."""
_AGAIN = timedelta(minutes=2)
"""How far back lines are read again: CloudWatch Logs has a line some seconds after it was written."""

STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "LAMBDA": "dim"}
"""The level of a line → how a terminal shows it."""
_BEGINNINGS = ("START ", "END ", "INIT_START", "platform.start", "platform.init")


@takes_options
def logs(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the human loop, or the key that it was started with."),
    ],
    *,
    step: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help="Only what functions logged that this step of the workflow called."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines as they come, until Ctrl-C.")
    ] = False,
    on: StageOptions,
) -> None:
    """Show what functions logged while they processed a human loop."""
    from workflow.operations.loops import Loops

    session = on.session()
    loops = Loops(on.resources(session), session)
    if follow:
        _follow(lambda since: loops.logs(name, step=step, since=since), on)
        return
    with progress("Reading the logs"):
        found = loops.logs(name, step=step)
    if on.output is Output.JSON:
        from workflow.cli.shapes import LoopLogLines

        print_json(LoopLogLines.of(found))
    elif not _print_lines(found.lines, on.stage):
        tell("No log lines found.", err=True)
    _print_notes(found.notes)


def _follow(read: Callable[[datetime | None], Logs], on: StageOptions) -> None:
    """Prints log lines as they come, until Ctrl-C. As JSON, each line is a document of its own.

    What passes by itself, such as throttling or a lost connection, is reported once, and ends nothing.

    Args:
        read: Returns the lines of calls that ran after a time; None for all.
        on: The stage, and the format.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from lambdas.aws.transient import is_transient

    shown: set[Any] = set()
    since: datetime | None = None
    try:
        while True:
            try:
                found = read(since)
                since = datetime.now(UTC) - _AGAIN
            except (ClientError, BotoCoreError) as error:
                if not is_transient(error):
                    raise
                notes, lines = [f"{error}; trying again"], []
            else:
                notes = found.notes
                lines = [line for line in found.lines if _key(line) not in shown]
            shown |= {_key(line) for line in lines}
            _print_notes(note for note in notes if note not in shown)
            shown |= set(notes)
            if on.output is Output.JSON:
                _print_documents(lines)
            else:
                _print_lines(lines, on.stage)
            sys.stdout.flush()
            sleep(SECONDS)
    except KeyboardInterrupt:
        return


def _key(line: LogLine) -> tuple[object, ...]:
    return line.time, line.function, line.raw, line.request_id


def _print_notes(notes: Any) -> None:
    for note in notes:
        tell(f"warning: {note}", err=True)


def _print_documents(lines: list[LogLine]) -> None:
    from workflow.cli.shapes import LoopLogLine

    for line in lines:
        tell(visible_json(LoopLogLine.of(line).model_dump_json(by_alias=True)))


def _print_lines(lines: list[LogLine], stage: str) -> bool:
    """Prints lines for people, without metrics and those that only say that a call begins or ends.

    Returns:
        Whether there was any.
    """
    from rich.text import Text

    texts = [
        Text(line_text(line, stage), style=STYLES.get(line.level, "")) for line in lines if is_shown(line)
    ]
    if texts:
        print_whole(Text("\n").join(texts), wrap=False)
    return bool(texts)


def line_text(line: LogLine, stage: str) -> str:
    """Returns a line for people: time, step, level, message and fields. It can have several lines."""
    first, *more = visible_lines(line.message).split("\n")
    fields = [f"{name}={_value(value)}" for name, value in line.fields.items()]
    level = "" if line.level == "LAMBDA" else line.level
    time = f"{line.time:%Y-%m-%dT%H:%M:%S}.{line.time.microsecond // 1000:03}Z"
    whole = " ".join([first, *map(visible, fields)])
    text = "  ".join(filter(None, [time, _where(line, stage), level, whole]))
    return "\n".join([text, *(f"    {one}" for one in more)])


def is_shown(line: LogLine) -> bool:
    """Whether people need a line: not metrics, nor that a call begins or ends."""
    return line.level != "METRIC" and not (line.level == "LAMBDA" and line.message.startswith(_BEGINNINGS))


def _where(line: LogLine, stage: str) -> str:
    if line.state is None:
        return visible(line.function.removeprefix(f"afterloop-{stage}-"))
    more = [
        *([f"visit {line.visit}"] if line.visit and line.visit > 1 else []),
        *([f"attempt {line.attempt}"] if line.attempt and line.attempt > 1 else []),
        *(["by time"] if line.by_time else []),
    ]
    return visible(line.state) + (f" ({', '.join(more)})" if more else "")


def _value(value: Any) -> str:
    return (
        value
        if isinstance(value, str) and value and " " not in value
        else json.dumps(value, ensure_ascii=False)
    )
