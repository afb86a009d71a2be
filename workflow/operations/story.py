"""The whole story of one loop, in plain words, from what the ledger, Step Functions and A2I know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lambdas.loops.ledger import Loop
from lambdas.loops.reconciling import DEAD, UNFINISHED_AFTER
from lambdas.reviews.event import TERMINAL_STATUSES

__all__ = [
    "GONE",
    "A2iView",
    "Execution",
    "NextStep",
    "StatusChange",
    "Story",
    "age",
    "tell",
]


GONE = "GONE"
"""The status of an execution that Step Functions has forgotten, which it does 90 days after its end."""


@dataclass(frozen=True)
class Execution:
    """An execution of the workflow. Its status is one of Step Functions', or GONE."""

    arn: str
    status: str
    started: datetime | None = None
    stopped: datetime | None = None
    error: str | None = None
    cause: str | None = None
    input: str | None = field(default=None, repr=False)
    link: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether it may still do something."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")


@dataclass(frozen=True)
class A2iView:
    """What A2I says of a loop."""

    status: str
    created: datetime
    flow_definition_arn: str


@dataclass(frozen=True)
class StatusChange:
    """A status change that the workflow has taken, and how its last execution is."""

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


@dataclass(frozen=True)
class Story:
    """What became of a loop.

    Attributes:
        loop: its row; with little in it if the ledger does not know it.
        started: how it came to be.
        outcome: what became of it, and why.
        lineage: all its attempts, oldest first, itself included.
        changes: its status changes, oldest first.
        view: what A2I says, where the ledger may not know it yet.
        review: the figures of its review; empty if there is none.
        next: what a person can do.
    """

    loop: Loop
    started: str
    outcome: str
    lineage: Sequence[Loop]
    changes: Sequence[StatusChange]
    view: A2iView | None
    review: str
    next: Sequence[NextStep]


def tell(
    loop: Loop,
    *,
    stage: str,
    view: A2iView | None = None,
    before: Sequence[Loop] = (),
    after: Sequence[Loop] = (),
    executions: Mapping[str, Execution] = {},
) -> Story:
    """Tell it.

    Args:
        loop: The loop's row.
        stage: For commands.
        view: What A2I says, if it was asked.
        before: The loops of its lineage before it, oldest first.
        after: Those after it.
        executions: The executions of its claims, by ARN.
    """
    changes = _changes(loop, executions)
    return Story(
        loop=loop,
        started=_started(loop, view),
        outcome=_outcome(loop, view, changes),
        lineage=[*before, loop, *after],
        changes=changes,
        view=view,
        review=_figures(loop.review) if loop.review else "",
        next=_next(loop, view, changes, after, stage),
    )


def age(since: str | datetime | None, *, until: datetime | None = None) -> str:
    """How long ago: `40 s`, `12 min`, `5 h`, `3 d`; empty if it is not known."""
    if isinstance(since, str):
        try:
            since = datetime.fromisoformat(since)
        except ValueError:
            return ""
    if since is None:
        return ""
    since = since.replace(tzinfo=UTC) if since.tzinfo is None else since
    seconds = max(0, int(((until or datetime.now(UTC)) - since).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit == "min"):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _changes(loop: Loop, executions: Mapping[str, Execution]) -> list[StatusChange]:
    found = []
    for claim, held in loop.claims.items():
        created, _, status = claim.rpartition(" ")
        arn = str(held.get("execution", ""))
        found.append(
            StatusChange(
                creation_time=created,
                human_loop_status=status,
                state=str(held.get("state", "")),
                at=str(held.get("at", "")),
                execution=executions.get(arn) or Execution(arn, "unknown"),
            )
        )
    return sorted(found, key=lambda change: change.at)


def _started(loop: Loop, view: A2iView | None) -> str:
    if loop.input_location is None:
        return "not through Afterloop" + (", as far as the ledger knows" if view else "")
    what = f"through Afterloop, as a {loop.task_type} task"
    if loop.previous_loop_name:
        what += f", to try {loop.previous_loop_name} again"
    if loop.attempt > 1 or loop.max_attempts:
        most = f" of at most {loop.max_attempts}" if loop.max_attempts else ""
        what += f": attempt {loop.attempt}{most}"
    return what


def _outcome(loop: Loop, view: A2iView | None, changes: Sequence[StatusChange]) -> str:
    if (abandoned := _abandoned(changes)) is not None and loop.outcome not in ("failed", "closed"):
        return (
            f"It waits for a person: the execution that worked on it ended as {abandoned.execution.status} and did "
            f"not give it back. {abandoned.execution.cause or ''}".rstrip()
        )
    match loop.outcome:
        case "stored":
            return "Its review is stored."
        case "restarted":
            return _sentence(f"It was started again as {loop.next_loop_name}", loop.reason)
        case "escalated":
            return _sentence("It waits for a person", loop.reason)
        case "notified":
            return "It was stopped, and whoever wants to know was told." + (
                " The answers given until then are stored." if loop.review_location else ""
            )
        case "failed":
            return _sentence(
                "It waits for a person: the workflow could not finish its work on it", loop.reason
            )
        case "closed":
            return _sentence(f"Closed by {loop.closed_by} at {loop.closed_at}", loop.note)
    match loop.status:
        case "Starting":
            return "Its start has not come to its end (yet)."
        case "NotNeeded":
            return loop.reason or "No person had to look."
        case "Refused":
            return _sentence("It was not started, and who called for it was told", loop.reason)
        case status if status in TERMINAL_STATUSES:
            return f"It has ended as {loop.status}, and the workflow is at work on it."
    if view is not None and view.status in TERMINAL_STATUSES:
        return f"A2I says that it has ended as {view.status}, and the workflow has not heard of it (yet)."
    if loop.status == "InProgress" or view is not None:
        return (
            "People are at work on it."
            if view is None or view.status == "InProgress"
            else f"It is {view.status}."
        )
    return f"Its status is {loop.status}."


def _sentence(what: str, why: str | None) -> str:
    return f"{what}: {why}" if why else f"{what}."


def _figures(review: Mapping[str, Any]) -> str:
    def number(name: str, one: str, many: str) -> str:
        value = int(review.get(name) or 0)
        return f"{value} {one if value == 1 else many}"

    parts = [
        number("answers", "answer", "answers"),
        number("fields", "field", "fields"),
        *(f"{int(review[name])} {name}" for name in ("changed", "added", "removed") if review.get(name)),
    ]
    if review.get("unresolved"):
        parts.append(f"{int(review['unresolved'])} without a majority")
    if isinstance(agreement := review.get("agreement"), int | float):
        parts.append(f"agreement {agreement:.0%}")
    if isinstance(overruled := review.get("overruled"), bool):
        parts[-1] += f": the model was {'' if overruled else 'not '}overruled"
    return ", ".join(parts)


def _next(
    loop: Loop,
    view: A2iView | None,
    changes: Sequence[StatusChange],
    after: Sequence[Loop],
    stage: str,
) -> list[NextStep]:
    def step(why: str, operation: str, *arguments: str) -> NextStep:
        return NextStep(why, " ".join(["python deploy.py loops", operation, *arguments]))

    name, at = loop.human_loop_name, f"--stage {stage}"
    close = step("Close it, with a note", "close", name, at, '--note "..."')
    if after:
        return [step("See its last attempt", "show", after[-1].human_loop_name, at)]
    again = (
        [step("Start it again, with one more attempt", "restart", name, at)] if loop.input_location else []
    )
    if loop.outcome == "escalated":
        return [*again, close]
    if loop.outcome == "notified":
        return again
    if loop.outcome == "failed" or (loop.outcome is None and _abandoned(changes)):
        return [step("When the cause is mended, run its status change again", "redrive", name, at), close]
    if view is not None and view.status in TERMINAL_STATUSES:
        return [step("Look for its status change now", "reconcile", at)]
    if loop.status == "Starting" and _older(loop.updated_at or loop.created_at):
        return [step("Go on with its start", "reconcile", at)]
    if loop.status == "InProgress" or (view is not None and view.status == "InProgress"):
        return [step("Stop it", "stop", name, at)]
    return []


def _abandoned(changes: Sequence[StatusChange]) -> StatusChange | None:
    """A status change that is held by an execution that has ended."""
    over = {*DEAD, GONE}
    return next((one for one in changes if one.state == "working" and one.execution.status in over), None)


def _older(moment: str | None) -> bool:
    return moment is not None and datetime.fromisoformat(moment) < datetime.now(UTC) - UNFINISHED_AFTER
