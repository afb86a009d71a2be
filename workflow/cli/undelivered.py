"""`loops redrive --undelivered`: processes the events that EventBridge could not deliver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow.cli.options import StageOptions
from workflow.cli.several_options import SeveralOptions
from workflow.cli.show_results import Report, running
from workflow.cli.terminal import approved, console_for, exit_unchanged, tell

if TYPE_CHECKING:
    from workflow.operations.undelivered import UndeliveredEvents

__all__ = ["process_undelivered"]


def process_undelivered(
    events: UndeliveredEvents, options: SeveralOptions, on: StageOptions, *, wait: bool
) -> None:
    """Asks, delivers the events, prints what happened, and exits if not all went well.

    Args:
        events: The queue.
        options: How to process the events.
        on: The stage, and the format of the output.
        wait: Whether to wait for the executions.
    """
    from workflow.operations.several import Interruption

    queued = events.count()
    if queued.visible > 1 and not options.yes and not options.dry_run:
        question = f"Process about {queued.visible:,} undelivered events?"
        if not approved(console_for(on.output), question, hint="run it with --dry-run to see the events"):
            exit_unchanged()
    interruption = Interruption()
    doing = "Reading the queue" if options.dry_run else "Processing undelivered events"
    with running(doing, interruption, queued.visible) as show_progress:
        found = events.process(
            interruption,
            dry_run=options.dry_run,
            at_once=options.number_at_once,
            wait=wait,
            keep_going=options.keep_going,
            progress=show_progress,
        )
    if queued.held:
        tell(
            f"About {queued.held:,} messages are hidden because somebody has just read them. Those that are not"
            " processed can be read again after 5 minutes.",
            err=True,
        )
    Report(options, on.output, "redrive", on.stage, "Undelivered events").show(
        found, len(found.results), "There are no undelivered events."
    )
