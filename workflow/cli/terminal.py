"""How commands speak to people and programs: what they say, ask, show meanwhile, and how they fail.

What is not needed for a command's `--help` is imported when it is used: rich takes a tenth of a second.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, Self, TextIO

import typer

from workflow.errors import AfterloopError, PublishError, WorkflowError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID
    from rich.text import Text

__all__ = [
    "INTERRUPTED",
    "NOTHING_CHANGED",
    "Activity",
    "Output",
    "agreed",
    "attended",
    "confirm",
    "console_for",
    "end_line",
    "leaving",
    "nothing_changed",
    "one_line_errors",
    "plain",
    "print_json",
    "print_whole",
    "progress",
    "prompt",
    "say",
    "tell",
]

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

NOTHING_CHANGED = "nothing was changed"


class Output(StrEnum):
    """For whom the outcome is printed."""

    TEXT = "text"
    JSON = "json"


# What is said


def console_for(output: Output) -> Console:
    """Standard output for people; it prints nothing where a program reads the outcome."""
    from rich.console import Console

    return Console(quiet=output is Output.JSON)


def say(console: Console, line: str = "") -> None:
    """Prints a line, in rich's markup."""
    # No wrapping: a piped table or a copied ARN stays whole. No highlighting: colour has a meaning here.
    console.print(line, soft_wrap=True, highlight=False)


def tell(output: Output, data: Any, *lines: str) -> None:
    """Prints an outcome: the data for programs, or else the lines, as they are."""
    if output is Output.JSON:
        print_json(data)
    else:
        for line in lines:
            typer.echo(line)


def print_json(data: Any) -> None:
    """Prints JSON for programs. Names stand in it as they are written: nothing is escaped that need not be."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def plain(text: str) -> Text:
    """Text that is nobody's markup, in one line: names and reasons come from elsewhere."""
    from rich.text import Text

    return Text(re.sub(r"\s+", " ", text))


def print_whole(what: RenderableType, console: Console | None = None, *, breaks: bool = True) -> None:
    """Prints on a terminal as wide as it is; elsewhere as wide as needed, so that nothing is cut or broken.

    Args:
        what: What is printed.
        console: Where to; standard output if None.
        breaks: Whether lines may be broken; not those that a person copies.
    """
    from rich.console import Console

    console = console or Console()
    if console.is_terminal:
        console.print(what, highlight=False, soft_wrap=not breaks)
        return
    wide = Console(width=100_000, color_system=None)
    with wide.capture() as captured:
        wide.print(what, highlight=False)
    for line in captured.get().splitlines() or [""]:
        typer.echo(line.rstrip(), file=console.file)


def nothing_changed(console: Console | None = None) -> NoReturn:
    """Ends a command whose question was answered with no.

    Args:
        console: Says it, unless it is quiet.
    """
    if console is None or not console.quiet:
        typer.echo("Nothing was changed.")
    raise typer.Exit(1)


# What is asked


def attended() -> bool:
    """Whether there is a person at the keyboard."""
    return sys.stdin.isatty()


def agreed(console: Console, question: str, look: str | None = None) -> bool:
    """Whether a person agrees to what a command would do.

    Args:
        console: Where what would be done was shown.
        question: Can be answered with yes or no.
        look: Says where to look, if not at what the command has just shown.

    Raises:
        PublishError: standard input is no terminal, or the console is quiet.
    """
    if console.quiet or not attended():
        where = "without --output json" if console.quiet else "above"
        raise _nobody_to_ask(f"{look or f'see {where} what would be done'}, then add --yes")
    return confirm(question)


def confirm(question: str) -> bool:
    """A person's yes or no."""
    return bool(_answer(typer.confirm, question))


def prompt(question: str, default: str, *, instead: str) -> str:
    """A person's answer, or the default if it is empty.

    Args:
        question: What is asked.
        default: Is shown with it.
        instead: What to do where nobody can answer; the error says it.

    Raises:
        PublishError: standard input is no terminal.
    """
    if not attended():
        raise _nobody_to_ask(instead)
    return str(_answer(typer.prompt, question, default=default))


def _nobody_to_ask(instead: str) -> PublishError:
    return PublishError(f"there is nobody to ask: {instead}")


def _answer(ask: Callable[..., Any], question: str, **how: Any) -> Any:
    """At every question nothing has been begun."""
    try:
        return ask(question, **how)
    except typer.Abort:
        raise _Interrupted(NOTHING_CHANGED) from None


# What is shown meanwhile


class Activity:
    """One line on a terminal that says what is done now. Quiet where nobody looks.

    Args:
        console: The terminal, if it is one.
        clock: Whether it shows how long it has taken.
    """

    def __init__(self, console: Console, *, clock: bool = False) -> None:
        self.console = console
        self._clock = clock
        self._text = ""
        self._line: tuple[Progress, TaskID] | None = None

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Shows the line while the block runs."""
        if not self.console.is_interactive:
            yield self
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        text = TextColumn("{task.description}", table_column=Column())
        columns = [SpinnerColumn(), text, *([TimeElapsedColumn()] if self._clock else [])]
        with Progress(*columns, console=self.console, transient=True) as line:
            self._line = line, line.add_task("")
            yield self
        self._line = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes the line away, for a question."""
        if self._line is None:
            yield
            return
        line, _ = self._line
        line.stop()
        yield
        line.start()

    def step(self, text: str) -> None:
        """Shows what is done now."""
        self._text = text
        self.detail("")

    def detail(self, detail: str) -> None:
        """Shows how far it is."""
        if self._line:
            from rich.markup import escape

            line, task = self._line
            more = f" [dim]{escape(detail)}[/]" if detail else ""
            line.update(task, description=f"{escape(self._text)}{more}")


@contextmanager
def progress(what: str, *, clock: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows on a terminal, on standard error, that something is going on; what it yields says how far it is."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Activity(Console(stderr=True), clock=clock).running() as activity:
        activity.step(what)
        yield lambda text: activity.step(f"{what}: {text}")


# How it fails


@contextmanager
def leaving(leaves: Callable[[], str]) -> Iterator[None]:
    """Says of Ctrl-C in the block what it leaves behind.

    Args:
        leaves: Asked at that moment.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise _Interrupted(leaves()) from None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with one line for an error that a person can cause. A bug shows its traceback."""
    try:
        yield
    except (AfterloopError, typer.TyperException) as error:
        _fail(*_lines(error))
    except _Interrupted as error:
        _fail_interrupted(f"interrupted: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _fail_interrupted("interrupted")
    except Exception as error:
        from workflow.publish.aws_errors import explained

        if known := explained(error):
            _fail(str(known))
        raise


def end_line(stream: TextIO) -> None:
    """On a terminal Ctrl-C stands as ^C in the line: what follows begins a new one."""
    if stream.isatty():
        typer.echo(file=stream)


class _Interrupted(Exception):
    """Ctrl-C, where it is known what that leaves behind: the text says so."""


def _lines(error: AfterloopError | typer.TyperException) -> list[str]:
    """One line, but of a workflow one for each thing that is wrong with it."""
    if isinstance(error, typer.TyperException):
        message = re.sub(r": (Value error, |Input (?=should ))", ": ", error.format_message())
        return [re.sub(r"should be a valid integer\b.*", "should be a whole number", message)]
    return str(error).splitlines() if isinstance(error, WorkflowError) else [str(error)]


def _fail_interrupted(message: str) -> NoReturn:
    end_line(sys.stderr)
    _fail(message, exit_status=INTERRUPTED)


def _fail(*messages: str, exit_status: int = 1) -> NoReturn:
    for message in messages:
        typer.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(exit_status)
