"""The story of one loop in plain English, from what the ledger, Step Functions and A2I know about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.loops.loop import Loop
from lambdas.loops.open_loops import is_unfinished
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.visible import quoted
from lambdas.reviews.event import TERMINAL_STATUSES
from lambdas.reviews.times import in_utc, moment_of

__all__ = [
    "GONE",
    "UNKNOWN",
    "A2iLoop",
    "Action",
    "Execution",
    "NextStep",
    "Processing",
    "ReachedStep",
    "SentMessage",
    "StatusChange",
    "Story",
    "age",
    "loop_story",
]

Action = Literal["restart", "stop", "close", "redrive", "reconcile"]
"""What an operator can do to a loop, named as the commands."""


GONE = "GONE"
"""The status of an execution that Step Functions no longer has: it deletes executions 90 days after they end. Also of a
loop that A2I no longer has: anybody can delete a loop that has ended."""

UNKNOWN = "unknown"
"""The status of an execution that was not looked up, or that cannot be read."""


@dataclass(frozen=True)
class Execution:
    """An execution of the workflow. The status is one of Step Functions' own, GONE, or UNKNOWN."""

    arn: str
    status: str
    started: datetime | None = None
    stopped: datetime | None = None
    error: str | None = None
    cause: str | None = None
    input: str | None = field(default=None, repr=False)
    link: str | None = None
    redrives: int = 0
    """How often it was redriven: in the Step Functions console, it goes on where it failed."""

    @property
    def why(self) -> str:
        """Error and cause; empty if there are none. Afterloop's own causes begin with the error."""
        error, cause = self.error or "", self.cause or ""
        return cause if cause.startswith(f"{error}:") else ": ".join(filter(None, [error, cause]))

    @property
    def is_running(self) -> bool:
        """Whether the execution can still change something."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")


@dataclass(frozen=True)
class ReachedStep:
    """How far an execution has come: the step that is running, or the one that it failed in.

    Attributes:
        name: The name of the state. Of several that run at the same time, the last one.
        is_users: Whether it is a post-review step, and not one of the workflow's own.
        attempt: 1 for the first attempt, 2 for its first retry, and so on.
        error: The error that it failed with, also if it will be tried again.
        inside: The step of a Parallel or Map that is running in it.
    """

    name: str
    is_users: bool = False
    attempt: int = 1
    error: str | None = None
    inside: ReachedStep | None = None

    def __str__(self) -> str:
        return f'{"your step" if self.is_users else "step"} "{self.name}"'


@dataclass(frozen=True)
class SentMessage:
    """A message that an execution sent, or the function that reports executions that ended early.

    Attributes:
        at: When it was accepted.
        execution: The ARN of the execution; None if it is not known.
        step: The state that sent it; None for a message of the function.
        to: The topic, queue or event bus.
        subject: Its subject, or what it is about.
        text: The text for people; empty if it is not known.
        message_id: The id that the service gave it.
    """

    at: str
    execution: str | None = None
    step: str | None = None
    to: str = ""
    subject: str = ""
    text: str = field(default="", repr=False)
    message_id: str | None = None


@dataclass(frozen=True)
class Processing:
    """What one execution did about a loop.

    Attributes:
        execution: The execution.
        claim: The status change that it claimed, `creationTime status`. None if it claimed none.
        at: When it claimed it; empty if that is not known.
        state: The state of its claim: working, done or released. `replaced` if another execution has claimed the status
            change since, and `unclaimed` if it could not claim it.
        step: How far it has come; None if it succeeded, or if that is not known.
        messages: The messages that it sent, oldest first.
        gap: What is not known about it, and why; empty if nothing is missing.
    """

    execution: Execution
    claim: str | None = None
    at: str = ""
    state: str = "unclaimed"
    step: ReachedStep | None = None
    messages: Sequence[SentMessage] = ()
    gap: str = ""

    @property
    def doing(self) -> str:
        """What became of the step, in words; empty without a step."""
        if self.step is None:
            return ""
        last = self.step
        while last.inside is not None:
            last = last.inside
        attempt = f", attempt {last.attempt}" if last.attempt > 1 else ""
        inside = f', at "{last.name}"' if last is not self.step else ""
        if not self.execution.is_running:
            how = f"failed with {self.step.error}" if self.step.error else "was stopped"
            return f"{how}{attempt}"
        if last.error:
            return f"failed{inside}{attempt} ({last.error}), and will be tried again"
        return f"is running{inside}{attempt}"


@dataclass(frozen=True)
class A2iLoop:
    """A loop as A2I describes it. The status is one of A2I's own, or GONE."""

    status: str
    created: datetime | None
    flow_definition_arn: str | None


@dataclass(frozen=True)
class StatusChange:
    """A status change that the workflow claimed, and the last execution that claimed it."""

    creation_time: str
    human_loop_status: str
    state: str
    """working, done or released."""
    at: str
    execution: Execution


@dataclass(frozen=True)
class NextStep:
    """A command that you can run now."""

    why: str
    """What the command does."""
    command: str
    """The command."""
    action: Action | None = None
    """What it does, if it changes something."""
    loop: str | None = None
    """The loop that it shows, if it changes nothing."""


@dataclass(frozen=True)
class Story:
    """What happened to a loop.

    Attributes:
        loop: The loop's row. Almost empty if the ledger does not have the loop.
        started: How the loop was started.
        outcome: What happened to it, and why.
        lineage: All its attempts, oldest first, including the loop itself.
        changes: Its status changes, oldest first.
        executions: Every execution that processed it, oldest first, also those before a redrive.
        messages: The messages that were sent about it, oldest first.
        running: The step that is running now, in words; empty if none is.
        view: The loop as A2I describes it; None if the ledger knows as much.
        review: The figures of its review; empty if there is no review.
        next: What the operator can do now.
        unreadable: Rows of the lineage that cannot be read. The lineage ends before them.
    """

    loop: Loop
    started: str
    outcome: str
    lineage: Sequence[Loop]
    changes: Sequence[StatusChange]
    executions: Sequence[Processing]
    messages: Sequence[SentMessage]
    running: str
    view: A2iLoop | None
    review: str
    next: Sequence[NextStep]
    unreadable: Sequence[UnreadableRow]


def loop_story(
    loop: Loop,
    *,
    stage: str,
    view: A2iLoop | None = None,
    before: Sequence[Loop] = (),
    after: Sequence[Loop] = (),
    executions: Sequence[Processing] = (),
    unreadable: Sequence[UnreadableRow] = (),
) -> Story:
    """Returns the story of a loop.

    Args:
        loop: The loop's row.
        stage: The stage, for the commands in the story.
        view: The loop as A2I describes it, if A2I was asked.
        before: The earlier loops of its lineage, oldest first.
        after: The later loops of its lineage, oldest first.
        executions: What the executions did that hold or held its claims, oldest first.
        unreadable: The rows of its lineage that cannot be read.
    """
    changes = _changes(loop, {one.execution.arn: one.execution for one in executions})
    running = _running(executions)
    outcome = _outcome(loop, view, changes)
    return Story(
        loop=loop,
        started=_started(loop),
        outcome=f"{outcome.removesuffix('.')}; {running}." if running else outcome,
        lineage=[*before, loop, *after],
        changes=changes,
        executions=executions,
        messages=_messages(loop, executions),
        running=running,
        view=view,
        review=_figures(loop.review) if loop.review else "",
        next=_next(loop, view, changes, after, stage),
        unreadable=unreadable,
    )


def age(since: str | datetime | None, *, until: datetime | None = None) -> str:
    """Returns how long ago a moment was, such as `40 s`, `12 min`, `5 h` or `3 d`; empty if it is unknown."""
    since = moment_of(since) if isinstance(since, str) else since
    if since is None:
        return ""
    since = in_utc(since)
    seconds = max(0, int(((until or datetime.now(UTC)) - since).total_seconds()))
    # Hours and days start at two of them: "90 min" and "30 h" say more than "1 h" and "1 d".
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit == "min"):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _changes(loop: Loop, executions: Mapping[str, Execution]) -> list[StatusChange]:
    changes = []
    for claim, held in loop.claims.items():
        created, _, status = claim.rpartition(" ")
        arn = held["execution"]
        changes.append(
            StatusChange(
                creation_time=created,
                human_loop_status=status,
                state=held["state"],
                at=held.get("at", ""),
                execution=executions.get(arn) or Execution(arn, UNKNOWN),
            )
        )
    return sorted(changes, key=lambda change: change.at)


def _running(executions: Sequence[Processing]) -> str:
    # Without a step, it has only started, or its history is not known.
    running = [one for one in executions if one.execution.is_running and one.step is not None]
    return f"{running[-1].step} {running[-1].doing}" if running else ""


def _messages(loop: Loop, executions: Sequence[Processing]) -> list[SentMessage]:
    messages = sorted((message for one in executions for message in one.messages), key=lambda one: one.at)
    if loop.escalated_at and not messages:
        # Step Functions no longer has the executions, or their histories cannot be read.
        messages = [
            SentMessage(
                loop.escalated_at, to="the people who get escalations", subject="Escalated to a person"
            )
        ]
    return messages


def _started(loop: Loop) -> str:
    # Afterloop stores the input of every loop that it starts, before it starts it.
    if loop.input_location is None:
        return "not through Afterloop"
    text = f"through Afterloop, as a {loop.task_type} task"
    if loop.previous_loop_name:
        text += f", as a restart of {loop.previous_loop_name}"
    if loop.attempt > 1 or loop.max_attempts:
        limit = f" of at most {loop.max_attempts}" if loop.max_attempts else ""
        text += f": attempt {loop.attempt}{limit}"
    return text


def _outcome(loop: Loop, view: A2iLoop | None, changes: Sequence[StatusChange]) -> str:
    # An abandoned claim comes before the outcome in the row: that one may be of an earlier status change.
    if (abandoned := _abandoned(loop, changes)) is not None and loop.outcome not in ("failed", "closed"):
        return (
            f"Needs action: the execution that claimed it ended as {abandoned.execution.status} without "
            f"releasing the claim. {abandoned.execution.cause or ''}".rstrip()
        )
    match loop.outcome:
        case "stored":
            return "The review is stored."
        case "restarted":
            return _sentence(f"Restarted as {loop.next_loop_name}", loop.reason)
        case "escalated":
            return _sentence("Needs action", loop.reason)
        case "notified":
            return "Stopped. A notification was sent." + (
                " The answers given before that are stored." if loop.review_location else ""
            )
        case "failed":
            return _sentence("Needs action: the workflow could not finish processing it", loop.reason)
        case "processing":
            return f"Ended as {loop.status}. The workflow is processing it."
        case "closed":
            return _sentence(f"Closed by {loop.closed_by} at {loop.closed_at}", loop.note)
    match loop.status:
        case "Starting":
            return "Still starting."
        case "NotNeeded":
            return loop.reason or "No human review was needed."
        case "Refused":
            return _sentence("Not started. The caller received the error", loop.reason)
        case status if status in TERMINAL_STATUSES:
            return f"Ended as {loop.status}. The workflow is processing it."
    if view is not None and view.status in TERMINAL_STATUSES:
        return f"Ended as {view.status} in A2I. The workflow has not received the status change yet."
    if view is not None and view.status == GONE:
        if not is_unfinished(loop):
            return "Started a moment ago. A2I does not have it yet."
        return (
            "A2I no longer has the loop: it ended and was deleted, and its status change was not received. The next "
            "reconciliation escalates it."
        )
    if view is not None and view.status != "InProgress":
        return f"{view.status} in A2I."
    if view is not None or loop.status == "InProgress":
        return "Waiting for workers to review it."
    return f"The status is {loop.status}."


def _sentence(text: str, detail: str | None) -> str:
    return f"{text}: {detail}" if detail else f"{text}."


def _figures(review: Mapping[str, Any]) -> str:
    def count(name: str) -> int:
        # The map can hold anything; an odd figure costs itself, and not the story.
        return value if isinstance(value := review.get(name), int) else 0

    def number(name: str) -> str:
        return f"{count(name)} {name.removesuffix('s') if count(name) == 1 else name}"

    parts = [
        number("answers"),
        number("fields"),
        *(f"{count(name)} {name}" for name in ("changed", "added", "removed") if count(name)),
    ]
    if count("unresolved"):
        parts.append(f"{count('unresolved')} without a majority")
    if isinstance(agreement := review.get("agreement"), int | float):
        parts.append(f"agreement {agreement:.0%}")
    if isinstance(overruled := review.get("overruled"), bool):
        parts[-1] += f": the model was {'' if overruled else 'not '}overruled"
    return ", ".join(parts)


def _next(
    loop: Loop,
    view: A2iLoop | None,
    changes: Sequence[StatusChange],
    after: Sequence[Loop],
    stage: str,
) -> list[NextStep]:
    def step(why: str, operation: Action, *arguments: str) -> NextStep:
        return NextStep(why, " ".join(["python deploy.py loops", operation, *arguments]), operation)

    name, at = quoted(loop.human_loop_name), f"--stage {stage}"
    close = step("Close the loop, with a note", "close", name, at, '--note "..."')
    if after:
        last = after[-1].human_loop_name
        return [
            NextStep("Show the last attempt", f"python deploy.py loops show {quoted(last)} {at}", loop=last)
        ]
    # A restart needs the stored input.
    restart = (
        [step("Restart the loop, with one more attempt", "restart", name, at)] if loop.input_location else []
    )
    if loop.outcome == "escalated":
        return [*restart, close]
    if loop.outcome == "notified":
        return restart
    if loop.outcome == "failed" or (loop.outcome in (None, "processing") and _abandoned(loop, changes)):
        graph, logs = (
            f"python deploy.py loops {what}" for what in (f"graph {name} {at} --open", f"logs {name} {at}")
        )
        return [
            step("After you fix the cause, run the status change again", "redrive", name, at),
            close,
            NextStep("Draw the execution, with the step that failed", graph),
            NextStep("Show what its functions logged", logs),
        ]
    if view is not None and view.status in TERMINAL_STATUSES:
        return [step("Process the missed status change now", "reconcile", at)]
    if loop.status == "Starting" and is_unfinished(loop):
        return [step("Resume the start", "reconcile", at)]
    if view is not None and view.status == GONE and is_unfinished(loop):
        return [step("Escalate the deleted loop now, so that you can restart or close it", "reconcile", at)]
    if (view.status if view is not None else loop.status) == "InProgress":
        return [step("Stop the loop", "stop", name, at)]
    return []


def _abandoned(loop: Loop, changes: Sequence[StatusChange]) -> StatusChange | None:
    """Returns a status change that is still claimed by an execution that has ended."""
    ended = {*FAILED_STATUSES, GONE}
    if is_unfinished(loop):
        # It releases its claim before it succeeds. So the row is from before that: the ledger was restored.
        ended.add("SUCCEEDED")
    return next((one for one in changes if one.state == "working" and one.execution.status in ended), None)
