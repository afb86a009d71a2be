"""Builds the page of a human loop from its story."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from console.executions.causes import cause_of
from console.human_loop.views import (
    Event,
    ExecutionPart,
    HumanLoopView,
    LineageRow,
    MessagePart,
    Operation,
    StepPart,
)
from console.review_part import ReviewPart
from lambdas.loops.loop import Loop
from lambdas.loops.visible import quoted
from lambdas.reviews.times import in_utc, timestamp
from workflow.operations.story import GONE, Action, NextStep, Processing, SentMessage, Story

__all__ = ["FINAL", "human_loop_view", "loop_link"]

FINAL = ("stored", "restarted", "notified", "closed")
"""The outcomes after which nothing more happens to a loop by itself, once its executions have ended."""

_BUTTONS: dict[Action, str] = {
    "restart": "Restart",
    "stop": "Stop",
    "close": "Close",
    "redrive": "Run the status change again",
    "reconcile": "Reconcile now",
}


def loop_link(name_or_key: str) -> str:
    """Returns the path of the page of a loop."""
    return f"/loops/{_quoted(name_or_key)}"


def human_loop_view(
    story: Story,
    *,
    stage: str,
    machine: str,
    review: ReviewPart | None,
    newer: Loop | None = None,
    note: str = "",
    note_problem: str = "",
) -> HumanLoopView:
    """Returns the page of a loop.

    Args:
        story: The loop's story.
        stage: The stage, for the command.
        machine: The ARN of the stage's state machine: its executions are addressed by name.
        review: Its review; None if the ledger does not have the loop.
        newer: The loop that has its name in A2I now, if that is another one.
        note: The note that was entered to close the loop.
        note_problem: What is wrong with it.
    """
    loop = story.loop
    view = story.view
    flow = loop.flow_definition_arn or (view.flow_definition_arn if view else None)
    created = loop.created_at or (timestamp(view.created) if view and view.created else None)
    return HumanLoopView(
        key=loop.human_loop_name,
        name=loop.name,
        is_in_ledger=review is not None,
        status=loop.status or (view.status if view else None),
        outcome=loop.outcome,
        headline=story.outcome,
        is_final=_is_final(story),
        flow_definition=(flow or "").rpartition("/")[2],
        flow_definition_arn=flow,
        created_at=created,
        a2i_created_at=loop.loop_created_at,
        failure=": ".join(filter(None, [loop.failure_code, loop.failure_reason])),
        waiting=bool(loop.waiting),
        attempt=loop.attempt,
        max_attempts=loop.max_attempts,
        input=loop.input_location,
        output=loop.output_location,
        review_location=loop.review_location,
        first_of_name=loop_link(loop.name) if loop.name != loop.human_loop_name else None,
        newer_of_name=loop_link(newer.human_loop_name) if newer else None,
        events=tuple(_events(story, created, machine)),
        lineage=tuple(_lineage(one, loop) for one in story.lineage) if len(story.lineage) > 1 else (),
        # The page itself shows the graph.
        operations=tuple(_operation(step) for step in story.next if step.action or step.loop),
        note=note,
        note_problem=note_problem,
        unreadable=tuple(map(str, story.unreadable)),
        review=review,
        command=f"python deploy.py loops show {quoted(loop.human_loop_name)} --stage {stage}",
    )


def _is_final(story: Story) -> bool:
    if any(one.execution.is_running for one in story.executions):
        return False
    return story.loop.outcome in FINAL or story.loop.status in ("NotNeeded", "Refused")


def _lineage(one: Loop, this: Loop) -> LineageRow:
    return LineageRow(
        key=one.human_loop_name,
        link=loop_link(one.human_loop_name),
        is_this=one.human_loop_name == this.human_loop_name,
        attempt=one.attempt,
        status=one.status,
        outcome=one.outcome,
        failure_code=one.failure_code,
        created_at=one.created_at,
    )


def _operation(step: NextStep) -> Operation:
    return Operation(
        why=step.why,
        command=step.command,
        action=step.action,
        button=_BUTTONS[step.action] if step.action else "",
        link=loop_link(step.loop) if step.loop else None,
    )


# What happened


def _events(story: Story, created: str | None, machine: str) -> Iterator[Event]:
    """What happened, oldest first. What has no time comes first: it is older than what rows have times of."""
    yield from sorted(_unsorted_events(story, created, machine), key=lambda event: event.at)


def _unsorted_events(story: Story, created: str | None, machine: str) -> Iterator[Event]:
    loop = story.loop
    is_ours = loop.input_location is not None
    text = f"Started {story.started}." if is_ours else "Created in A2I, not through Afterloop."
    yield Event(kind="started", at=created or "", text=text)
    for one in story.executions:
        part = _execution(one, machine)
        yield Event(kind="execution", at=one.at or part.started or "", execution=part)
    for message in story.messages:
        yield Event(kind="message", at=message.at, message=_message(message))
    if loop.answer:
        ended = (
            "the waiting workflow had already ended"
            if loop.answer == "ended"
            else "the waiting workflow was notified"
        )
        yield Event(kind="answered", at=loop.answered_at or "", text=f"{ended[0].upper()}{ended[1:]}.")
    if loop.next_loop_name:
        after = next((one for one in story.lineage if one.human_loop_name == loop.next_loop_name), None)
        yield Event(
            kind="restarted",
            at=(after.created_at if after else None) or "",
            text="Restarted as",
            loop=loop.next_loop_name,
            loop_link=loop_link(loop.next_loop_name),
        )
    for action in loop.operator_actions:
        if loop.outcome == "closed" and (action.action, action.at) == ("close", loop.closed_at):
            continue  # It is below, with its note.
        yield Event(kind="operator", at=action.at, text=f"{action.by} ran loops {action.action}.")
    if loop.outcome == "closed":
        yield Event(
            kind="closed",
            at=loop.closed_at or "",
            text=f"Closed by {loop.closed_by or 'somebody'}: {loop.note or ''}",
        )


def _execution(one: Processing, machine: str) -> ExecutionPart:
    execution, step = one.execution, one.step
    prefix = f"{machine.replace(':stateMachine:', ':execution:')}:"
    name = execution.arn.removeprefix(prefix)
    is_arn = execution.arn.startswith("arn:") and ":execution:" in execution.arn
    link = f"/executions/{_quoted(name)}" if is_arn else None
    stopped = execution.stopped or (datetime.now(UTC) if execution.is_running else None)
    began = execution.started
    return ExecutionPart(
        name=name.rpartition(":")[2] or name,
        arn=execution.arn,
        link=link,
        status=execution.status,
        status_change=one.claim.rpartition(" ")[2] if one.claim else None,
        claim=one.state,
        started=timestamp(began) if began else None,
        stopped=timestamp(execution.stopped) if execution.stopped else None,
        seconds=(in_utc(stopped) - in_utc(began)).total_seconds() if began and stopped else None,
        step=StepPart(
            name=step.name,
            link=f"{link or ''}?{urlencode({'state': step.name}, errors='replace')}#step",
            is_yours=step.is_users,
            doing=one.doing,
        )
        if step
        else None,
        error=execution.error,
        cause=cause_of(execution.cause) if execution.status != GONE else None,
        redrives=execution.redrives,
        gap=one.gap,
        aws_link=execution.link,
    )


def _message(message: SentMessage) -> MessagePart:
    return MessagePart(
        subject=message.subject,
        to=message.to.rpartition(":")[2] if message.to.startswith("arn:") else message.to,
        step=message.step,
        text=message.text,
        message_id=message.message_id,
    )


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
