"""Prints human loops for people: a list, and the history of one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lambdas.loops.visible import visible
from lambdas.reviews.times import timestamp
from workflow.cli.terminal import print_whole, tell
from workflow.operations.listing import overruled_fields, why
from workflow.operations.story import age

if TYPE_CHECKING:
    from lambdas.loops.loop import Loop, OperatorAction
    from workflow.operations.story import Processing, SentMessage, StatusChange, Story

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
        if reason := _why(loop):
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
        table.add_row(*map(plain, cells), age(loop.created_at), str(loop.attempt), plain(_why(loop)))
    return table


def _why(loop: Loop) -> str:
    overruled, fields = overruled_fields(loop)
    return why(loop) or (f"{overruled} of {fields} fields overruled" if overruled and fields else "")


def show_story(story: Story) -> None:
    """Prints how a human loop started, its status changes and outcome, and the commands that can be run."""
    loop = story.loop
    head = Text(visible(loop.human_loop_name), style="bold")
    status = loop.status or (story.view.status if story.view else "unknown")
    head.append("  ").append_text(_styled(status))
    if loop.outcome:
        head.append("  ").append_text(_styled(loop.outcome))
    print_whole(head)
    print_whole(plain(story.outcome))
    print_whole("")
    for line in _facts(story):
        _print_line(line)
    if story.next:
        print_whole("")
        for step in story.next:
            print_whole(plain(f"{step.why}:"))
            print_whole(Text(visible(f"  {step.command}"), style="cyan"), wrap=False)


_NAME_WIDTH = 17
_MAX_CAUSE = 300


class _Line(NamedTuple):
    """A line about a loop.

    Attributes:
        text: What it says.
        name: The fact; empty if the line goes on with the fact before.
        is_whole: Whether it has something that people copy: an ARN, a link, a location. A terminal never breaks it.
    """

    text: Text
    name: str = ""
    is_whole: bool = False


def _print_line(line: _Line) -> None:
    label = Text(f"{line.name:<{_NAME_WIDTH}}", style="dim")
    if line.is_whole:
        print_whole(label.append_text(line.text), wrap=False)
        return
    row = Table.grid()
    row.add_column(no_wrap=True, width=_NAME_WIDTH)
    row.add_column(overflow="fold")
    row.add_row(label, line.text)
    print_whole(row)


def _facts(story: Story) -> Iterator[_Line]:
    loop = story.loop
    yield _whole(loop.flow_definition_arn or "unknown", "Flow definition")
    yield _Line(plain(story.started), "Started")
    created = loop.created_at or (
        story.view.created.isoformat() if story.view and story.view.created else None
    )
    if created:
        yield _Line(plain(f"{created} ({age(created)} ago)"), "Created")
    if loop.failure_code or loop.failure_reason:
        yield _Line(plain(": ".join(filter(None, [loop.failure_code, loop.failure_reason]))), "Failure")
    if len(story.lineage) > 1:
        yield from _named("Lineage", (_attempt(one, story) for one in story.lineage))
    yield from _named("Status changes", map(_change, story.changes))
    yield from _named("Executions", (line for one in story.executions for line in _execution(one)))
    yield from _named("Messages", map(_message, story.messages))
    yield from _named("Operators", map(_action, loop.operator_actions))
    # Without a human loop, there is no output of A2I, and the ledger has the prediction's location instead.
    output = "Prediction" if loop.status == "NotNeeded" else "Output"
    for name, location in (
        ("Input", loop.input_location),
        (output, loop.output_location),
        ("Review", loop.review_location),
    ):
        if location:
            yield _whole(location, name)
    if story.review:
        yield _Line(plain(story.review))
    if loop.waiting:
        yield _Line(plain("a workflow waits for this loop"), "Waiting")
    if loop.answer:
        notified = f"notification of the waiting workflow: {loop.answer}, {loop.answered_at}"
        yield _Line(plain(notified), "Waiting")


def _attempt(loop: Loop, story: Story) -> _Line:
    this = " (this one)" if loop.human_loop_name == story.loop.human_loop_name else ""
    text = plain(f"{loop.attempt}. {loop.human_loop_name}{this}")
    for word in (_styled(loop.status), plain(loop.failure_code or ""), _styled(loop.outcome)):
        if word:
            text.append("  ").append_text(word)
    return _Line(text, is_whole=True)


def _change(change: StatusChange) -> _Line:
    text = Text().append_text(_styled(change.human_loop_status))
    return _Line(text.append_text(plain(f", claimed {change.at}, {change.state}")))


def _execution(one: Processing) -> Iterator[_Line]:
    execution = one.execution
    text = Text().append_text(_styled(execution.status))
    began = one.at or (timestamp(execution.started) if execution.started else "")
    if began:
        text.append_text(plain(f", {began} ({age(began)} ago)"))
    if execution.redrives:
        text.append(f", redriven {execution.redrives} times in the console")
    if one.state == "unclaimed":
        text.append(", did not claim the status change")
    if one.step is not None:
        text.append_text(plain(f": {one.step} {one.doing}"))
    yield _Line(text)
    if why := execution.why:
        yield _Line(Text(visible(why, _MAX_CAUSE)))
    # Terminals find links by themselves, but not those that wrap.
    place = _whole(execution.link or execution.arn)
    if execution.link:
        place.text.stylize(Style(link=place.text.plain))
    yield place
    if one.gap:
        yield _Line(plain(one.gap))


def _message(message: SentMessage) -> _Line:
    what = message.subject or message.step or "a message"
    return _Line(plain(f"{message.at}  {what}, to {message.to.rpartition(':')[2] or 'unknown'}"))


def _action(action: OperatorAction) -> _Line:
    return _Line(plain(f"{action.at}  loops {action.action}, run by {action.by}"))


def _named(name: str, lines: Iterable[_Line]) -> Iterator[_Line]:
    for number, line in enumerate(lines):
        yield line if number else line._replace(name=name)


def _whole(text: str, name: str = "") -> _Line:
    return _Line(Text(visible(text)), name, is_whole=True)


def plain(text: str) -> Text:
    """Text on one line. Names and reasons come from elsewhere, so nothing in them is markup or a control character."""
    return Text(visible(text))


def _flow_name(loop: Loop) -> str:
    return (loop.flow_definition_arn or "unknown").rpartition("/")[2]


def _styled(word: str | None) -> Text:
    return Text(visible(word or ""), style=_STYLES.get(word or "", ""))
