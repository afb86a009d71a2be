"""Prints human loops for people: a list, and the history of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lambdas.loops.visible import visible
from workflow.cli.terminal import print_whole, tell
from workflow.operations.listing import why
from workflow.operations.story import age

if TYPE_CHECKING:
    from lambdas.loops.loop import Loop
    from workflow.operations.story import StatusChange, Story

__all__ = ["listing_table", "plain", "show_listing", "show_story"]

_STYLES = {
    "Completed": "green",
    "Failed": "red",
    "Stopped": "yellow",
    "processing": "cyan",
    "stored": "green",
    "escalated": "bold red",
    "failed": "bold red",
    "SUCCEEDED": "green",
    "RUNNING": "cyan",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "ABORTED": "red",
}


def show_listing(loops: Sequence[Loop]) -> None:
    """Prints a list of human loops: a table on a terminal, elsewhere one line for each."""
    if not loops:
        tell("No human loops found.")
    else:
        print_whole(listing_table(loops) if sys.stdout.isatty() else _for_pipe(loops))


def listing_table(loops: Sequence[Loop]) -> Table:
    """Returns a table for a narrow screen: two lines for each loop, and names wrap instead of being cut."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", expand=True)
    table.add_column("Human loop", overflow="fold", ratio=5)
    table.add_column("Flow definition", overflow="fold", ratio=3)
    table.add_column("Status", no_wrap=True, min_width=10)
    table.add_column("Age", no_wrap=True, min_width=6)
    table.add_column("Attempt", no_wrap=True, min_width=7)
    for loop in loops:
        name = plain(loop.human_loop_name)
        if reason := why(loop):
            name.append("\n").append_text(Text(plain(reason).plain, style="dim"))
        status = Text().append_text(_styled(loop.status))
        if loop.outcome:
            status.append("\n").append_text(_styled(loop.outcome))
        table.add_row(name, plain(_flow_name(loop)), status, age(loop.created_at), str(loop.attempt))
    return table


def _for_pipe(loops: Sequence[Loop]) -> Table:
    """One line for each loop, for grep and cut."""
    table = Table(box=None, pad_edge=False)
    for column in ("Human loop", "Flow definition", "Status", "Outcome", "Age", "Attempt", "Why"):
        table.add_column(column, no_wrap=True)
    for loop in loops:
        cells = (loop.human_loop_name, _flow_name(loop), loop.status or "", loop.outcome or "")
        table.add_row(*map(plain, cells), age(loop.created_at), str(loop.attempt), plain(why(loop)))
    return table


def show_story(story: Story) -> None:
    """Prints how a human loop started, its status changes and outcome, and the commands that can be run."""
    loop = story.loop
    head = Text(visible(loop.human_loop_name), style="bold")
    status = loop.status or (story.view.status if story.view else "unknown")
    head.append("  ").append_text(_styled(status))
    if loop.outcome:
        head.append("  ").append_text(_styled(loop.outcome))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(story):
        facts.add_row(name, value)
    print_whole(head)
    print_whole(plain(story.outcome))
    print_whole("")
    print_whole(facts)
    if story.next:
        print_whole("")
        for step in story.next:
            print_whole(plain(f"{step.why}:"))
            print_whole(Text(visible(f"  {step.command}"), style="cyan"), wrap=False)


def _facts(story: Story) -> Iterator[tuple[str, RenderableType]]:
    loop = story.loop
    yield "Flow definition", plain(loop.flow_definition_arn or "unknown")
    yield "Started", plain(story.started)
    created = loop.created_at or (
        story.view.created.isoformat() if story.view and story.view.created else None
    )
    if created:
        yield "Created", plain(f"{created} ({age(created)} ago)")
    if loop.failure_code or loop.failure_reason:
        yield "Failure", plain(": ".join(filter(None, [loop.failure_code, loop.failure_reason])))
    if len(story.lineage) > 1:
        yield "Lineage", _lineage(story)
    if story.changes:
        yield "Status changes", _changes(story.changes)
    # Without a human loop, there is no output of A2I, and the ledger has the prediction's location instead.
    output = "Prediction" if loop.status == "NotNeeded" else "Output"
    for name, location in (
        ("Input", loop.input_location),
        (output, loop.output_location),
        ("Review", loop.review_location),
    ):
        if location:
            yield name, plain(location)
    if story.review:
        yield "", plain(story.review)
    if loop.waiting:
        yield "Waiting", plain("a workflow waits for this loop")
    if loop.answer:
        yield "Waiting", plain(f"notification of the waiting workflow: {loop.answer}, {loop.answered_at}")


def _lineage(story: Story) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(5):
        table.add_column(overflow="fold")
    for loop in story.lineage:
        here = loop.human_loop_name == story.loop.human_loop_name
        table.add_row(
            f"{loop.attempt}.",
            plain(loop.human_loop_name + (" (this one)" if here else "")),
            _styled(loop.status),
            plain(loop.failure_code or ""),
            _styled(loop.outcome),
        )
    return table


def _changes(changes: Sequence[StatusChange]) -> RenderableType:
    lines = []
    for change in changes:
        claim = Text().append_text(_styled(change.human_loop_status))
        claim.append_text(plain(f", claimed {change.at}, {change.state}: execution "))
        claim.append_text(_styled(change.execution.status))
        place = plain(change.execution.link or change.execution.arn)
        if change.execution.link:
            # Terminals find links by themselves, but not those that wrap.
            place.stylize(Style(link=place.plain))
        lines += [claim, place]
    return Group(*lines)


def plain(text: str) -> Text:
    """Text on one line. Names and reasons come from elsewhere, so nothing in them is markup or a control character."""
    return Text(visible(text))


def _flow_name(loop: Loop) -> str:
    return (loop.flow_definition_arn or "unknown").rpartition("/")[2]


def _styled(word: str | None) -> Text:
    return Text(visible(word or ""), style=_STYLES.get(word or "", ""))
