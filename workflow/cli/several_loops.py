"""Restart, close or redrive the human loops that match filters: select them, ask, and process them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow.cli.options import StageOptions
from workflow.cli.several_options import SeveralOptions
from workflow.cli.show_results import Report, running
from workflow.cli.terminal import Output, approved, console_for, exit_unchanged, progress, tell

if TYPE_CHECKING:
    from lambdas.loops.loop import Loop
    from workflow.operations.actions import Action
    from workflow.operations.loops import Loops
    from workflow.operations.several import Interruption, Operation, Results

__all__ = ["Several"]

_DOING = {"redrive": "Redriving", "restart": "Restarting", "close": "Closing"}


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

    def run(self, action: Callable[[Interruption], Action]) -> None:
        """Selects the loops, asks, processes them, prints what happened, and exits if not all went well.

        Args:
            action: Returns what is done to each loop.
        """
        from workflow.operations.several import Interruption, process

        names = self._names()
        interruption = Interruption()
        dry_run = self.options.dry_run
        act = self._check(interruption) if dry_run else action(interruption)
        doing = "Checking" if dry_run else _DOING[self.operation]
        with running(doing, interruption, len(names)) as show_progress:
            found = process(
                names,
                act,
                at_once=self.options.number_at_once,
                interruption=interruption,
                keep_going=self.options.keep_going,
                progress=show_progress,
            )
        self._report(found, f"No human loops match: {self._filters()}.")

    def dry_run(self, name: str, *, is_execution: bool = False) -> None:
        """Prints what would be done to one loop.

        Args:
            name: The loop's name or key, or the ARN of an execution.
            is_execution: Whether it is the ARN of an execution.

        Raises:
            LoopError: The operation is not possible.
        """
        from workflow.operations.several import Interruption, Results

        interruption = Interruption()
        check = (
            self.stage.actions.check_execution(interruption) if is_execution else self._check(interruption)
        )
        self._report(Results([check(name)]), "")

    def _check(self, interruption: Interruption) -> Action:
        return self.stage.actions.check(self.operation, interruption, flow_definition=self.flow_definition)

    def _report(self, found: Results, nothing: str) -> None:
        matched = len(found.results) + found.left
        Report(self.options, self.on.output, self.operation, self.on.stage).show(found, matched, nothing)

    def _names(self) -> list[str]:
        from workflow.operations.several import Selection

        if self.options.flow_definition:
            self.stage.flow_definitions.known(self.options.flow_definition)
        selection = Selection(
            outcome=self.options.outcome,
            since=self.options.since,
            flow_definition=self.options.flow_definition,
            failure_code=self.options.failure_code,
        )
        with progress("Reading the ledger"):
            selected = self.stage.select(self.operation, selection)
        for row in selected.unreadable:
            tell(f"warning: {row}", err=True)
        loops = selected.loops
        if self.on.output is Output.TEXT and loops:
            _print_overview(loops)
        if len(loops) > 1 and not self.options.yes and not self.options.dry_run:
            question = self._question(loops)
            hint = "run it with --dry-run to see the human loops"
            if not approved(console_for(self.on.output), question, hint=hint):
                exit_unchanged()
        return [loop.human_loop_name for loop in loops]

    def _filters(self) -> str:
        """The filters in words, so that a mistyped one is noticed."""
        from workflow.operations.several import DEFAULT_OUTCOMES

        options = self.options
        flow = options.flow_definition and self.stage.resources.flow_definition_arn(options.flow_definition)
        outcome = options.outcome or " or ".join(DEFAULT_OUTCOMES[self.operation])
        since = options.since.isoformat(timespec="seconds") if options.since else None
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


def _print_overview(loops: Sequence[Loop]) -> None:
    """Prints what is wrong with the loops, most frequent first: one cause, or several?"""
    tell(f"Human loops that match: {len(loops):,}")
    for what, number in Counter(map(_what_is_wrong, loops)).most_common(10):
        tell(f"  {number:>6,}  {what}")


def _what_is_wrong(loop: Loop) -> str:
    flow = (loop.flow_definition_arn or "unknown").rpartition("/")[2]
    if loop.outcome == "failed":
        # Of "STEP: ERROR: MESSAGE", the message differs from loop to loop.
        why = ": ".join((loop.reason or "").split(": ")[:2])[:80]
    else:
        why = loop.failure_code or loop.outcome or ""
    return f"{flow}  {loop.status or 'unknown'}  {' '.join(why.split())}".rstrip()
