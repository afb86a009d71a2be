"""What needs attention in a stage now: alarms that went off, executions that failed, and loops that need a person."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.visible import quoted
from workflow.operations.listing import NEEDS_ACTION, why
from workflow.operations.several import explained
from workflow.operations.stage_loops import StageLoops
from workflow.operations.story import NextStep

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["Alarm", "Attention", "FailedExecution", "WaitingLoop", "read_attention"]

T = TypeVar("T")

_COMMAND = re.compile(r"\bTo (?P<what>[^.:]+): (?P<command>python deploy\.py [^.:]+)$")
"""The end of an alarm's description: workflow/stack/template/alarms.py."""

MAX_NAMED = 5
"""How many executions and loops are named, of those with each outcome."""

MAX_COUNTED = 1000
"""How far loops are counted."""


@dataclass(frozen=True)
class Alarm:
    """An alarm of the stage that is in the state ALARM."""

    name: str
    """Name of the alarm."""
    since: datetime
    """When it went off."""
    description: str
    """What it means, and where to look."""


@dataclass(frozen=True)
class FailedExecution:
    """An execution of the workflow that failed, timed out or was aborted."""

    arn: str
    """ARN of the execution."""
    status: str
    """`FAILED`, `TIMED_OUT` or `ABORTED`."""
    stopped: datetime
    """When it ended."""
    human_loop_name: str | None
    """The human loop; null if the input of the execution does not say it."""
    error: str | None
    """Name of the error."""
    cause: str | None
    """Cause of the error."""
    outcome: str | None
    """The outcome of the human loop now, which a redrive changes; null if the ledger has no such loop."""


@dataclass(frozen=True)
class WaitingLoop:
    """A human loop that needs a person."""

    human_loop_name: str
    """Name of the human loop."""
    outcome: str
    """`failed` or `escalated`."""
    why: str
    """The reason, on one line."""


@dataclass(frozen=True)
class Attention:
    """What needs attention in a stage now."""

    alarms: list[Alarm] = field(default_factory=list)
    """The alarms that went off, the newest first."""
    executions: list[FailedExecution] = field(default_factory=list)
    """The newest executions that failed in the last 24 hours, at most 5."""
    loops: list[WaitingLoop] = field(default_factory=list)
    """The oldest loops that need a person, at most 5 with each outcome."""
    waiting: dict[str, int] = field(default_factory=dict)
    """How many loops need a person, by their outcome; counted up to 1,000."""
    next: list[NextStep] = field(default_factory=list)
    """What to do next."""
    problems: list[str] = field(default_factory=list)
    """What could not be read, and why: such as a missing permission."""


def read_attention(
    resources: StageResources, session: boto3.Session, now: datetime | None = None
) -> Attention:
    """Returns what needs attention. What cannot be read is a problem in it, and not an error.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
        now: The current time.
    """
    stage = StageLoops(resources, session)
    problems: list[str] = []
    day_ago = (now or datetime.now(UTC)) - timedelta(days=1)
    alarms = _read("alarms", lambda: _alarms(resources.stage, session), problems)
    executions = _read("failed executions", lambda: list(_executions(stage, day_ago)), problems)
    waiting: dict[str, list[Loop]] = {}
    for outcome in NEEDS_ACTION:
        if found := _read(f"{outcome} loops", partial(_waiting, stage, outcome, problems), problems):
            waiting[outcome] = found
    return Attention(
        alarms=alarms,
        executions=executions,
        loops=[
            WaitingLoop(loop.human_loop_name, outcome, why(loop))
            for outcome, loops in waiting.items()
            for loop in loops[:MAX_NAMED]
        ],
        waiting={outcome: len(loops) for outcome, loops in waiting.items()},
        next=_next(resources.stage, alarms, executions, waiting),
        problems=problems,
    )


def _read(what: str, read: Callable[[], list[T]], problems: list[str]) -> list[T]:
    try:
        return read()
    except (ClientError, BotoCoreError) as error:
        problems.append(f"cannot read the {what}: {explained(error)}")
        return []


def _alarms(stage: str, session: boto3.Session) -> list[Alarm]:
    start = f"afterloop-{stage}-"
    pages = (
        session.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=start, StateValue="ALARM", AlarmTypes=["MetricAlarm"])
    )
    found = [
        Alarm(one["AlarmName"], one["StateUpdatedTimestamp"], one.get("AlarmDescription", ""))
        for page in pages
        for one in page["MetricAlarms"]
        # The name of another stage can begin with the name of this one: dev and dev-2.
        if "-" not in one["AlarmName"].removeprefix(start)
    ]
    return sorted(found, key=lambda alarm: alarm.since, reverse=True)


def _executions(stage: StageLoops, since: datetime) -> Iterator[FailedExecution]:
    """Yields the newest failed executions. Step Functions lists them by the time when they started."""
    listed: list[Any] = []
    statuses: Any = sorted(FAILED_STATUSES)
    for status in statuses:
        pages = stage.states.get_paginator("list_executions").paginate(
            stateMachineArn=stage.resources.state_machine_arn,
            statusFilter=status,
            PaginationConfig={"MaxItems": MAX_NAMED, "PageSize": MAX_NAMED},
        )
        newest = (one for page in pages for one in page["executions"])
        listed += takewhile(lambda one: one["startDate"] >= since, newest)
    for one in sorted(listed, key=lambda one: one["startDate"], reverse=True)[:MAX_NAMED]:
        execution = stage.execution(one["executionArn"])
        name = _human_loop(execution.input)
        yield FailedExecution(
            execution.arn,
            one["status"],
            execution.stopped or one["startDate"],
            name,
            execution.error,
            execution.cause,
            _outcome(stage, name),
        )


def _human_loop(text: str | None) -> str | None:
    """The loop of an execution's input, which anybody who may start executions can have written."""
    try:
        name = json.loads(text or "")["detail"]["humanLoopName"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None


def _outcome(stage: StageLoops, name: str | None) -> str | None:
    try:
        row = stage.ledger.find(name) if name else None
    except (UnreadableRow, ClientError):
        return None
    return row.outcome if row else None


def _waiting(stage: StageLoops, outcome: str, problems: list[str]) -> list[Loop]:
    rows = stage.ledger.select(outcome=outcome, unreadable=lambda row: problems.append(str(row)))
    return list(islice(rows, MAX_COUNTED))


def _of_alarms(alarms: list[Alarm]) -> Iterator[NextStep]:
    """Yields what the descriptions of the alarms say last: what for, and after the colon the command."""
    for alarm in alarms:
        if found := _COMMAND.search(alarm.description):
            what = found["what"]
            yield NextStep(what[:1].upper() + what[1:], found["command"])


def _next(
    stage: str, alarms: list[Alarm], executions: list[FailedExecution], waiting: dict[str, list[Loop]]
) -> list[NextStep]:
    """The commands that find and fix the causes, the most urgent first."""

    def command(text: str) -> str:
        return f"python deploy.py {text} --stage {stage}"

    steps = list(_of_alarms(alarms))
    names = [loop.human_loop_name for loops in waiting.values() for loop in loops]
    names += [one.human_loop_name for one in executions if one.human_loop_name and one.outcome is None]
    if names:
        steps.append(NextStep("See what happened to a loop", command(f"loops show {quoted(names[0])}")))
    if len(names) > 1:
        outcome = f" --outcome {next(iter(waiting))}" if len(waiting) == 1 else ""
        steps.append(NextStep("List the loops that need a person", command(f"loops list{outcome}")))
    if len(waiting.get("failed", ())) > 1:
        steps.append(
            NextStep(
                "After you fixed the cause, process them again", command("loops redrive --outcome failed")
            )
        )
    if steps or executions:
        steps.append(NextStep("See loops, executions and logs in a browser", command("console --open")))
    known: dict[str, NextStep] = {}
    for step in steps:
        known.setdefault(step.command, step)
    return list(known.values())
