"""Shows the progress of processing many human loops, and prints what happened to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from workflow.cli.several_options import SeveralOptions
from workflow.cli.terminal import Output, exit_interrupted, finishing_on_interrupt, print_json, progress, tell

if TYPE_CHECKING:
    from workflow.operations.several import Interruption, Operation, Result, Results

__all__ = ["Report", "running"]

_DONE = {"redrive": "processed", "restart": "restarted", "close": "closed"}
_POSSIBLE = {"redrive": "would be redriven", "restart": "would be restarted", "close": "would be closed"}


@contextmanager
def running(doing: str, interruption: Interruption, number: int) -> Iterator[Callable[[Results], None]]:
    """Shows progress, and lets Ctrl-C request the interruption. Yields a function that shows how far it is.

    Args:
        doing: What is being done.
        interruption: What Ctrl-C requests.
        number: How many there are to process.
    """
    with progress(doing) as report, finishing_on_interrupt(interruption.request):

        def show_progress(so_far: Results) -> None:
            failed = so_far.count("failed", "error")
            report(f"{len(so_far.results):,} of {number:,}" + (f", {failed:,} failed" if failed else ""))

        yield show_progress


@dataclass(frozen=True)
class Report:
    """Prints what happened to many loops, and exits.

    Attributes:
        options: How the loops were processed.
        output: The format of the output.
        operation: The operation.
        stage: The name of the stage.
        what: What was processed.
    """

    options: SeveralOptions
    output: Output
    operation: Operation
    stage: str
    what: str = "Human loops"

    def show(self, found: Results, matched: int, nothing: str) -> None:
        """Prints the results, and exits with a status other than 0 if not all went well.

        Args:
            found: The results.
            matched: How many there were to process.
            nothing: What to print if there was none.
        """
        if self.output is Output.JSON:
            self._print_json(found, matched)
        elif not matched:
            tell(nothing)
        else:
            self._print_lines(found, matched)
        self._exit(found)

    def _print_json(self, found: Results, matched: int) -> None:
        from workflow.cli.shapes import LoopResult, SeveralResult

        print_json(
            SeveralResult(
                dry_run=self.options.dry_run,
                matched=matched,
                results=[LoopResult.of(one) for one in found.results],
                left=found.left,
                stopped=found.stopped,
            )
        )

    def _print_lines(self, found: Results, matched: int) -> None:
        for result in ("done", "possible", "running", "skipped"):
            for one in found.results:
                if one.result == result:
                    tell(self._line(one))
        for one in found.results:
            if one.result in ("failed", "error"):
                why = "failed again: " if one.result == "failed" else ""
                tell(f"error: {_subject(one)}: {why}{one.detail}", err=True)
        counts = {
            _DONE[self.operation]: found.count("done"),
            _POSSIBLE[self.operation]: found.count("possible"),
            "being processed": found.count("running"),
            "skipped": found.count("skipped"),
            "failed again": found.count("failed"),
            "with an error": found.count("error"),
            "not begun": found.left,
        }
        parts = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        tell(f"{self.what}: {matched:,}; {parts}.")
        if found.count("running", "skipped", "failed", "error"):
            tell(f"To see what needs action: python deploy.py loops list --stage {self.stage}")
        if self.options.dry_run:
            tell("Nothing was changed.")

    def _line(self, one: Result) -> str:
        match one.result:
            case "skipped":
                return f"skipped: {f'{_subject(one)}: ' if one.message_id else ''}{one.detail}"
            case "running":
                return f"being processed: {_subject(one)}: " + ", ".join(
                    filter(None, [one.execution, one.detail])
                )
            case "possible":
                what = _POSSIBLE[self.operation]
            case _:
                what = _DONE[self.operation]
        detail = f"as {one.next_loop_name}" if one.next_loop_name else one.detail
        return f"{what}: {_subject(one)}" + (f": {' '.join(detail.split())}" if detail else "")

    def _exit(self, found: Results) -> None:
        if found.stopped == "interrupted":
            exit_interrupted(f"{found.left:,} were not begun; to continue, run the same command again")
        if found.stopped == "failing":
            failed = found.count("failed", "error")
            tell(
                f"error: stopped because {failed:,} failed and none succeeded: fix the cause, and run the same command"
                " again; or choose others with a filter, or pass --keep-going",
                err=True,
            )
        if found.stopped or found.count("failed", "error"):
            raise typer.Exit(1)


def _subject(one: Result) -> str:
    return one.name if one.message_id is None else f"{one.name} (message {one.message_id})"
