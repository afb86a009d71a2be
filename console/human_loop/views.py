"""What the page of a human loop shows."""

from __future__ import annotations

from typing import Literal

from console.executions.views import CauseView
from console.review_part import ReviewPart
from console.views import View
from workflow.operations.story import Action

__all__ = [
    "Event",
    "ExecutionPart",
    "HumanLoopView",
    "LineageRow",
    "MessagePart",
    "Operation",
    "StepPart",
]


class StepPart(View):
    """How far an execution has come.

    Attributes:
        name: The step.
        link: The step on the page of the execution.
        is_yours: Whether it is a post-review step.
        doing: What became of it, in words: "is running, attempt 2".
    """

    name: str
    link: str
    is_yours: bool
    doing: str


class ExecutionPart(View):
    """An execution that processed the loop, or tried to.

    Attributes:
        name: Its name.
        arn: Its ARN.
        link: The page about it; null if the row has a text that is no ARN.
        status: Step Functions' status; GONE if Step Functions no longer has it.
        status_change: The status that the loop changed to; null if that is not known.
        claim: working, done or released; replaced, if another execution has claimed since; unclaimed.
        started: When it started.
        stopped: When it ended.
        seconds: How long it took.
        step: The step that is running, or the one in which it failed.
        error: The error that it ended with.
        cause: Details of the error.
        redrives: How often it was redriven in the Step Functions console.
        gap: What is not known about it, and why.
        aws_link: The execution in the AWS console; null on a local engine.
    """

    name: str
    arn: str
    link: str | None
    status: str
    status_change: str | None
    claim: str
    started: str | None
    stopped: str | None
    seconds: float | None
    step: StepPart | None
    error: str | None
    cause: CauseView | None
    redrives: int
    gap: str
    aws_link: str | None


class MessagePart(View):
    """A message that was sent.

    Attributes:
        subject: Its subject, or what it is about.
        to: The topic, queue or address.
        step: The step that sent it; null if a function did.
        text: The text for people; empty if it is not known.
        message_id: The id that the service gave it.
    """

    subject: str
    to: str
    step: str | None
    text: str
    message_id: str | None


class Event(View):
    """Something that happened to the loop.

    Attributes:
        kind: What it is.
        at: When; empty if that is not known.
        text: What happened, for kinds without a part of their own.
        loop: The other loop that it is about.
        loop_link: The page about that loop.
        execution: The execution.
        message: The message.
    """

    kind: Literal["started", "execution", "message", "answered", "restarted", "closed", "operator"]
    at: str
    text: str = ""
    loop: str | None = None
    loop_link: str | None = None
    execution: ExecutionPart | None = None
    message: MessagePart | None = None


class LineageRow(View):
    """A loop of the lineage.

    Attributes:
        key: Its key in the ledger.
        link: The page about it.
        is_this: Whether it is the loop of the page.
        attempt: 1 for the first loop, 2 for its first restart.
        status: Its status.
        outcome: What the workflow did about it.
        failure_code: A2I's failure code.
        created_at: When it was created.
    """

    key: str
    link: str
    is_this: bool
    attempt: int
    status: str | None
    outcome: str | None
    failure_code: str | None
    created_at: str | None


class Operation(View):
    """A command that can be run now.

    Attributes:
        why: What it does.
        command: The command.
        action: The part of the form's address, for a console that may write; null if it changes nothing.
        button: The text of the button.
        link: The page that shows the same, for a command that only shows something.
    """

    why: str
    command: str
    action: Action | None
    button: str
    link: str | None


class HumanLoopView(View):
    """The page of a human loop.

    Attributes:
        key: Its key in the ledger.
        name: Its name in A2I.
        is_in_ledger: Whether the ledger has it.
        status: Its status.
        outcome: What the workflow did about it.
        headline: What happened to it, and why, in words.
        is_final: Whether nothing more happens to it by itself.
        flow_definition: The name of its flow definition.
        flow_definition_arn: Its ARN.
        created_at: When it was created.
        a2i_created_at: A2I's creation time of the loop, if the row has it.
        failure: A2I's failure code and reason.
        waiting: Whether a workflow waits for it.
        attempt: 1 for the first loop of a lineage.
        max_attempts: The maximum that an operator set.
        input: The location of its input.
        output: The location of A2I's output, or of the prediction if no review was needed.
        review_location: The location of the stored review.
        first_of_name: The page of the first loop with this name, if the name was used again.
        newer_of_name: The page of the loop that has this name in A2I now, if that is another one.
        events: What happened, oldest first.
        lineage: The attempts of the lineage, oldest first; empty if there is only this one.
        operations: What one can do now.
        note: The note that was entered to close the loop.
        note_problem: What is wrong with that note.
        unreadable: Rows of the lineage that cannot be read, and why.
        review: The review; null if the ledger does not have the loop.
        command: The command that shows the same.
    """

    key: str
    name: str
    is_in_ledger: bool
    status: str | None
    outcome: str | None
    headline: str
    is_final: bool
    flow_definition: str
    flow_definition_arn: str | None
    created_at: str | None
    a2i_created_at: str | None
    failure: str
    waiting: bool
    attempt: int
    max_attempts: int | None
    input: str | None
    output: str | None
    review_location: str | None
    first_of_name: str | None
    newer_of_name: str | None
    events: tuple[Event, ...]
    lineage: tuple[LineageRow, ...]
    operations: tuple[Operation, ...]
    note: str = ""
    note_problem: str = ""
    unreadable: tuple[str, ...] = ()
    review: ReviewPart | None = None
    command: str
