"""Restart, close or redrive the human loops that match filters: what all three commands ask, show and print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lambdas.loops.ledger import Outcome
from workflow.cli.ages import moment_of
from workflow.cli.options import FlowDefinition, StageOptions, Yes
from workflow.cli.terminal import (
    Output,
    approved,
    console_for,
    exit_interrupted,
    exit_unchanged,
    finishing_on_interrupt,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from lambdas.loops.ledger import Loop
    from workflow.operations.actions import Action
    from workflow.operations.loops import Loops
    from workflow.operations.several import Interruption, Operation, Result, Results

__all__ = ["Several", "SeveralOptions"]

_DEFAULT_AT_ONCE = 10
_DOING = {"redrive": "Redriving", "restart": "Restarting", "close": "Closing"}
_DONE = {"redrive": "processed", "restart": "restarted", "close": "closed"}
_POSSIBLE = {"redrive": "would be redriven", "restart": "would be restarted", "close": "would be closed"}


@dataclass(frozen=True)
class SeveralOptions:
    """The filters, and how to process the loops that match."""

    outcome: Annotated[
        Outcome | None,
        typer.Option(
            metavar="OUTCOME", case_sensitive=False, help="Only loops with this outcome in the ledger."
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only loops that failed or were escalated since then: 30m, 2h, 3d, or a day or time such as"
            " 2026-01-31T22:00.",
        ),
    ] = None
    flow_definition: FlowDefinition = None
    failure_code: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Only loops with this failure code of A2I, or with this error of the workflow, such as"
            " OutputNotAllowed.",
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=50,  # workflow.operations.stage_loops.MAX_AT_ONCE
            help=f"How many loops to process at the same time. The default is {_DEFAULT_AT_ONCE}.",
        ),
    ] = None
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Do not stop if the first loops all fail.")
    ] = False
    yes: Yes = False

    def check(self, name: str | None, operation: Operation) -> None:
        """Raises `BadParameter` unless there is either a name or a filter, and the filters make sense."""
        if name is not None:
            self.check_unused("a name", None)
            return
        if not self._given("outcome", "since", "flow_definition", "failure_code"):
            raise typer.BadParameter(
                "specify the name of a human loop, or filters: --outcome, --since, --flow-definition, --failure-code",
                param_hint="NAME",
            )
        if self.since is not None and moment_of(self.since) > datetime.now(UTC):
            raise typer.BadParameter(f"{self.since} is in the future", param_hint="--since")
        from workflow.operations.several import OUTCOMES

        if self.outcome is not None and self.outcome not in OUTCOMES[operation]:
            possible = [one for one in OUTCOMES[operation] if one in get_args(Outcome)]
            raise typer.BadParameter(
                f"loops {operation} is not possible for the outcome {self.outcome}, only for {', '.join(possible)}",
                param_hint="--outcome",
            )

    def check_unused(self, what: str, name: str | None) -> None:
        """Raises `BadParameter` if there are filters, or a name, beside what needs none."""
        given = self._given("outcome", "since", "flow_definition", "failure_code", "at_once", "keep_going")
        if name is not None:
            given.append("NAME")
        if given:
            more = (
                "; to start it with another flow definition, use --new-flow-definition"
                if given == ["--flow-definition"] and what == "a name"
                else ""
            )
            raise typer.BadParameter(f"cannot be combined with {what}{more}", param_hint=given[0])

    def _given(self, *names: str) -> list[str]:
        defaults = {field.name: field.default for field in fields(self)}
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != defaults[name]]


@dataclass(frozen=True)
class Several:
    """One run of an operation on many loops.

    Attributes:
        operation: The operation.
        options: The filters, and how to process the loops that match.
        stage: The loops of the stage.
        on: The stage, and the format of the output.
        flow_definition: For a restart: another flow definition to start the loops with.
    """

    operation: Operation
    options: SeveralOptions
    stage: Loops
    on: StageOptions
    flow_definition: str | None = None

    def run(self, name: str | None, action: Callable[[Interruption], Action]) -> None:
        """Selects the loops, asks, processes them, prints what happened, and exits if not all went well.

        Args:
            name: The only loop, for a dry run; None to select by the filters.
            action: Returns what is done to each loop.
        """
        from workflow.operations.several import Interruption, process

        names = self._names(name)
        interruption = Interruption()
        dry_run = self.options.dry_run
        act = (
            self.stage.actions.check(self.operation, interruption, flow_definition=self.flow_definition)
            if dry_run
            else action(interruption)
        )
        doing = "Checking" if dry_run else _DOING[self.operation]
        with progress(doing) as report, finishing_on_interrupt(interruption.request):

            def show_progress(so_far: Results) -> None:
                failed = so_far.count("failed", "error")
                report(
                    f"{len(so_far.results):,} of {len(names):,}" + (f", {failed:,} failed" if failed else "")
                )

            found = process(
                names,
                act,
                at_once=self.options.at_once or _DEFAULT_AT_ONCE,
                interruption=interruption,
                keep_going=self.options.keep_going,
                progress=show_progress,
            )
        self._print(found, len(names))

    # Before

    def _names(self, name: str | None) -> list[str]:
        if name is not None:
            return [name]
        from workflow.operations.several import Selection

        selection = Selection(
            outcome=self.options.outcome,
            since=moment_of(self.options.since) if self.options.since else None,
            flow_definition=self.options.flow_definition,
            failure_code=self.options.failure_code,
        )
        with progress("Reading the ledger"):
            selected = self.stage.select(self.operation, selection)
        for row in selected.unreadable:
            typer.echo(f"warning: {row}", err=True)
        loops = selected.loops
        if self.on.output is Output.TEXT and loops:
            _print_overview(loops)
        if len(loops) > 1 and not self.options.yes and not self.options.dry_run:
            question = self._question(loops)
            if not approved(
                console_for(self.on.output), question, hint="run it with --dry-run to see the human loops"
            ):
                exit_unchanged()
        return [loop.human_loop_name for loop in loops]

    def _filters(self) -> str:
        """The filters in words, so that a mistyped one is noticed."""
        from workflow.operations.several import DEFAULT_OUTCOMES

        options = self.options
        flow = options.flow_definition and self.stage.resources.flow_definition_arn(options.flow_definition)
        outcome = options.outcome or " or ".join(DEFAULT_OUTCOMES[self.operation])
        since = moment_of(options.since).isoformat(timespec="seconds") if options.since else None
        values = {
            "outcome": outcome, "since": since, "flow definition": flow, "failure code": options.failure_code,
        }  # fmt: skip
        return ", ".join(f"{what} {value}" for what, value in values.items() if value)

    def _question(self, loops: Sequence[Loop]) -> str:
        number = f"{len(loops):,} human loops"
        match self.operation:
            case "redrive":
                return f"Process {number} again?"
            case "close":
                return f"Close {number} with this note?"
            case "restart":
                tasks = self.stage.tasks(loops, self.flow_definition)
                work = "an unknown number of" if tasks is None else f"{tasks:,}"
                return f"Restart {number}? Workers get {work} tasks."

    # Afterwards

    def _print(self, found: Results, matched: int) -> None:
        if self.on.output is Output.JSON:
            from workflow.cli.shapes import LoopResult, SeveralResult

            print_json(
                SeveralResult(
                    dry_run=self.options.dry_run,
                    matched=matched,
                    results=[
                        LoopResult(
                            human_loop_name=one.name,
                            result=one.result,
                            detail=one.detail,
                            execution=one.execution,
                            next_loop_name=one.next_loop_name,
                        )
                        for one in found.results
                    ],
                    left=found.left,
                    stopped=found.stopped,
                )
            )
        elif not matched:
            typer.echo(f"No human loops match: {self._filters()}.")
        else:
            self._print_lines(found, matched)
        self._exit(found)

    def _print_lines(self, found: Results, matched: int) -> None:
        for result in ("done", "possible", "running", "skipped"):
            for one in found.results:
                if one.result == result:
                    typer.echo(self._line(one))
        for one in found.results:
            if one.result in ("failed", "error"):
                why = "failed again: " if one.result == "failed" else ""
                typer.echo(f"error: {one.name}: {why}{one.detail}", err=True)
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
        typer.echo(f"Human loops: {matched:,}; {parts}.")
        if self.options.dry_run:
            typer.echo("Nothing was changed.")

    def _line(self, one: Result) -> str:
        match one.result:
            case "skipped":
                return f"skipped: {one.detail}"
            case "running":
                return f"being processed: {one.name}: " + ", ".join(filter(None, [one.execution, one.detail]))
            case "possible":
                what = _POSSIBLE[self.operation]
            case _:
                what = _DONE[self.operation]
        detail = f"as {one.next_loop_name}" if one.next_loop_name else one.detail
        return f"{what}: {one.name}" + (f": {' '.join(detail.split())}" if detail else "")

    def _exit(self, found: Results) -> None:
        if found.stopped == "interrupted":
            exit_interrupted(
                f"{found.left:,} human loops were not begun; to continue, run the same command again"
            )
        if found.stopped == "failing":
            typer.echo(
                f"error: stopped because the first {len(found.results):,} all failed: fix the cause, and run the same"
                " command again; or choose others with a filter, or pass --keep-going",
                err=True,
            )
        if found.stopped or found.count("failed", "error"):
            raise typer.Exit(1)


def _print_overview(loops: Sequence[Loop]) -> None:
    """Prints what is wrong with the loops, most frequent first: one cause, or several?"""
    typer.echo(f"Human loops that match: {len(loops):,}")
    for what, number in Counter(map(_what_is_wrong, loops)).most_common(10):
        typer.echo(f"  {number:>6,}  {what}")


def _what_is_wrong(loop: Loop) -> str:
    flow = (loop.flow_definition_arn or "unknown").rpartition("/")[2]
    if loop.outcome == "failed":
        # Of "STEP: ERROR: MESSAGE", the message differs from loop to loop.
        why = ": ".join((loop.reason or "").split(": ")[:2])[:80]
    else:
        why = loop.failure_code or loop.outcome or ""
    return f"{flow}  {loop.status or 'unknown'}  {' '.join(why.split())}".rstrip()
