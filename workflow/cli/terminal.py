"""How commands talk to people and programs: output, questions, progress and errors.

Nothing reaches a terminal but through this module, which shows control characters and the like as escapes. A value in a
line of rich markup also needs `shown`, so that neither its brackets nor its newlines do anything.

What `--help` does not need is imported where it is used: rich alone takes a tenth of a second.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, TextIO

import typer

from lambdas.loops.visible import visible, visible_json, visible_lines
from workflow import ROOT
from workflow.errors import AfterloopError, PublishError, WorkflowError

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import BaseModel
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID

__all__ = [
    "INTERRUPTED",
    "NOTHING_CHANGED",
    "Activity",
    "Output",
    "approved",
    "confirm",
    "console_for",
    "end_line",
    "exit_interrupted",
    "exit_unchanged",
    "finishing_on_interrupt",
    "interrupted_by_sigterm",
    "is_interactive",
    "json_text",
    "on_interrupt",
    "one_line_errors",
    "print_for_shell",
    "print_json",
    "print_whole",
    "progress",
    "prompt",
    "say",
    "show_bugs_visibly",
    "show_warnings",
    "shown",
    "tell",
]

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as in shells."""

NOTHING_CHANGED = "nothing was changed"


class Output(StrEnum):
    """The format of a command's output."""

    TEXT = "text"
    JSON = "json"


# Output


def console_for(output: Output) -> Console:
    """Standard output for people. It is quiet when the command prints JSON."""
    from rich.console import Console

    return Console(quiet=output is Output.JSON)


def tell(*lines: str, err: bool = False) -> None:
    """Prints lines of text, which can have values from outside in them.

    Args:
        lines: The lines; an empty one if there is none. A newline in a line is shown as an escape.
        err: Whether to print them on standard error.
    """
    for line in lines or ("",):
        typer.echo(visible(line), err=err)


def show_warnings(warnings: Iterable[str]) -> None:
    """Prints warnings on standard error, one line each."""
    for warning in warnings:
        tell(f"Warning: {warning}", err=True)


def say(console: Console, line: str = "") -> None:
    """Prints a line of rich markup. Values from outside in it need `shown`."""
    # Wrapping would break piped tables and copied ARNs. Highlighting would color numbers, and colors have a meaning.
    console.print(visible_lines(line), soft_wrap=True, highlight=False)


def shown(value: object) -> str:
    """Returns a value from outside as rich markup that shows it on one line."""
    from rich.markup import escape

    return escape(visible(str(value)))


def print_json(document: BaseModel) -> None:
    """Prints the JSON document of a command; `workflow/cli/shapes.py` has a model for each."""
    typer.echo(json_text(document))


def json_text(document: BaseModel) -> str:
    """Returns a document as JSON with indents, with control characters and the like as escapes."""
    from pydantic_core import PydanticSerializationError

    try:
        text = document.model_dump_json(by_alias=True, indent=2)
    except PydanticSerializationError:
        # Half of a surrogate pair, which UTF-8 does not have: JSON of AWS can have it as an escape.
        text = json.dumps(document.model_dump(mode="json", by_alias=True), indent=2)
    return visible_json(text)


def print_whole(what: RenderableType, console: Console | None = None, *, wrap: bool = True) -> None:
    """Prints something without cutting it.

    A terminal wraps at its own width. Elsewhere each line is as long as it needs to be, for grep and cut.

    Args:
        what: What to print.
        console: Where to print it. The default is standard output.
        wrap: Whether a terminal may wrap lines. Set it to False for lines that people copy.
    """
    from rich.console import Console

    console = console or Console()
    if console.is_terminal:
        console.print(what, highlight=False, soft_wrap=not wrap)
        return
    wide = Console(width=100_000, color_system=None)
    with wide.capture() as captured:
        wide.print(what, highlight=False)
    for line in captured.get().removesuffix("\n").split("\n"):
        typer.echo(visible(line.rstrip()), file=console.file)


def print_for_shell(text: str) -> None:
    """Prints what a shell reads: code, or lines with tabs. Values from outside in it are escapes already."""
    typer.echo(text, nl=False)


def exit_unchanged() -> NoReturn:
    """Ends a command after its question was answered with no."""
    typer.echo("Nothing was changed.")
    raise typer.Exit(1)


def exit_interrupted(message: str) -> NoReturn:
    """Ends a command that finished what it had begun when Ctrl-C came. The message says how to continue."""
    raise _Interrupted(message)


# Questions


def is_interactive() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


def approved(console: Console, question: str, hint: str | None = None) -> bool:
    """Asks whether to continue.

    Args:
        console: Where the command has shown what it is about to do.
        question: A yes-or-no question.
        hint: How to see what the command would do, if it has not shown it.

    Raises:
        PublishError: Standard input is not a terminal, or the command prints JSON.
    """
    if console.quiet:
        hint = hint or "run without it to see the changes"
        raise PublishError(f"--output json does not ask for confirmation: {hint}, then pass --yes")
    if not is_interactive():
        raise _not_a_terminal(f"{hint or 'check the changes above'}, then pass --yes")
    return confirm(question)


def confirm(question: str) -> bool:
    """Asks a yes-or-no question."""
    return bool(_ask(typer.confirm, question))


def prompt(question: str, default: str, *, hint: str) -> str:
    """Asks for a text.

    Args:
        question: What to ask.
        default: The answer if the person enters nothing.
        hint: What to do if standard input is not a terminal; part of the error.

    Raises:
        PublishError: Standard input is not a terminal.
    """
    if not is_interactive():
        raise _not_a_terminal(hint)
    return str(_ask(typer.prompt, question, default=default))


def _not_a_terminal(hint: str) -> PublishError:
    return PublishError(f"standard input is not a terminal: {hint}")


def _ask(ask: Callable[..., Any], question: str, **options: Any) -> Any:
    try:
        return ask(visible(question), **options)
    except typer.Abort:
        # Commands ask before they change anything.
        raise _Interrupted(NOTHING_CHANGED) from None


# Progress


class Activity:
    """A line on a terminal that shows what a command is doing. Elsewhere nothing is shown.

    Args:
        console: Where to show it.
        clock: Whether to show the elapsed time.
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
        """Hides the line while the block runs, for a question."""
        if self._line is None:
            yield
            return
        line, _ = self._line
        line.stop()
        yield
        line.start()

    def step(self, text: str) -> None:
        """Shows the current step."""
        self._text = text
        self.detail("")

    def detail(self, detail: str) -> None:
        """Shows how far the current step is."""
        if self._line:
            line, task = self._line
            more = f" [dim]{shown(detail)}[/]" if detail else ""
            line.update(task, description=f"{shown(self._text)}{more}")


@contextmanager
def progress(what: str, *, clock: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows progress on standard error, if that is a terminal. Yields a function that shows how far it is."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Activity(Console(stderr=True), clock=clock).running() as activity:
        activity.step(what)
        yield lambda text: activity.step(f"{what}: {text}")


# Errors


@contextmanager
def on_interrupt(message: Callable[[], str]) -> Iterator[None]:
    """Reports the state that Ctrl-C leaves when it interrupts the block. A SIGTERM and a closed terminal do the same.

    Args:
        message: Returns what to report. It is called when Ctrl-C comes, since the answer changes during the block.
    """
    try:
        with _ended_as_by_ctrl_c():
            yield
    except KeyboardInterrupt:
        raise _Interrupted(message()) from None


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Lets the block clean up when it is ended by a signal: without a handler, nothing of Python runs any more."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        # SIGHUP: the terminal was closed. Windows has no such signal. `nohup` ignores it, which stays so.
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def finishing_on_interrupt(request: Callable[[], object]) -> Iterator[None]:
    """Lets the block finish what it began after Ctrl-C or a SIGTERM. The second one ends the process at once.

    Args:
        request: Called at the first one. It requests that the block begins nothing more.
    """

    def interrupt(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        request()
        # RuntimeError: the signal came while the main thread was writing to the same stream.
        with suppress(RuntimeError, OSError):
            end_line(sys.stderr)
            typer.echo("Finishing what was begun. To exit at once, press Ctrl-C again.", err=True)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Lets a SIGTERM, as CI sends it, end the block as Ctrl-C does, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with a one-line message for an error that a person can fix. A bug shows its traceback."""
    try:
        yield
    except (AfterloopError, typer.TyperException) as error:
        _fail(*_messages(error))
    except _Interrupted as error:
        _fail_interrupted(f"interrupted: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _fail_interrupted("interrupted")
    except SyntaxError as error:
        if place := _place_in_project(error):
            _fail(f"{place}: {type(error).__name__}: {error.msg}")
        raise
    except Exception as error:
        from lambdas.loops.rows import UnreadableRow
        from workflow.publish.refused import in_words

        if isinstance(error, UnreadableRow):
            _fail(str(error))
        if known := in_words(error):
            _fail(str(known))
        raise


def _place_in_project(error: SyntaxError) -> str | None:
    """The file of the project that Python cannot import, and the line; None for a file of a library."""
    file = Path(error.filename or "")
    if not file.is_relative_to(ROOT) or "site-packages" in file.parts:
        return None
    return f"{file.relative_to(ROOT)}:{error.lineno}"


def show_bugs_visibly() -> None:
    """Makes Python show the traceback of a bug with escapes too: the message of an exception can be from outside."""

    def show(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        import traceback

        typer.echo(
            visible_lines("".join(traceback.format_exception(kind, error, where)).rstrip("\n")), err=True
        )

    sys.excepthook = show


def end_line(stream: TextIO) -> None:
    """Starts a new line on a terminal, which shows Ctrl-C as ^C at the cursor."""
    if stream.isatty():
        typer.echo(file=stream)


class _Interrupted(Exception):
    """Ctrl-C, with the state that it leaves as its text."""


def _messages(error: AfterloopError | typer.TyperException) -> list[str]:
    """One message, or one for each mistake in a workflow."""
    if isinstance(error, typer.TyperException):
        # Typer checks values with pydantic, and puts pydantic's wording into its messages.
        message = re.sub(r": (Value error, |Input (?=should ))", ": ", error.format_message())
        message = re.sub(r"should be a valid integer\b.*", "should be a whole number", message)
        return [f"{message}{_see_help(message, error)}"]
    return str(error).splitlines() if isinstance(error, WorkflowError) else [str(error)]


def _see_help(message: str, error: typer.TyperException) -> str:
    """Where to read how the command is used."""
    context = getattr(error, "ctx", None)
    # A group without a command has printed its help, and raises an error without a message.
    if context is None or not message:
        return ""
    see = f"see `{context.command_path} --help`"
    return f" {see.capitalize()}" if message.endswith((".", "?")) else f"; {see}"


def _fail_interrupted(message: str) -> NoReturn:
    end_line(sys.stderr)
    _fail(message, exit_status=INTERRUPTED)


def _fail(*messages: str, exit_status: int = 1) -> NoReturn:
    # A group without a command has printed its help, and raises an error without a message.
    for message in filter(None, messages):
        tell(f"error: {' '.join(message.split())}", err=True)
    sys.exit(exit_status)
