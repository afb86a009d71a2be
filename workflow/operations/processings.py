"""Reads what the executions did that processed a loop: how far each came, and which messages it sent."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.loops.claims import claim_of
from lambdas.loops.loop import Loop
from lambdas.loops.reports import Reports
from lambdas.reviews.times import timestamp
from workflow.asl.graph import StateStatus
from workflow.asl.walk import Machine, states, ways
from workflow.operations.executions import (
    ExecutionGone,
    ExecutionUnreadable,
    ExecutionView,
    Visit,
    read_execution,
)
from workflow.operations.read_ahead import read_ahead
from workflow.operations.redriving import execution_name
from workflow.operations.story import GONE, UNKNOWN, Execution, Processing, ReachedStep, SentMessage

if TYPE_CHECKING:
    from workflow.operations.stage_loops import StageLoops

__all__ = ["Processings", "users_steps"]

_ARN = re.compile(r"arn:[!-~]{1,60}:execution:[!-~]{1,180}")
"""What Step Functions takes for the ARN of an execution. Anybody with access to the table can write anything there."""
_THREADS = 8
_KEPT_SECONDS = 60
"""How long the history of an execution that has ended is kept. Only a redrive in the console changes it."""
_MAX_KEPT = 200
_MAX_VIEWS = 10
"""Executions that are kept with their histories, so that of one that is looked at again only new events are read. A
history can have megabytes."""
_MAX_READ = 100
"""Executions of a loop that are read. `loops redrive` keeps no more in the row; replayed events can add some."""
_MAX_REDRIVES = 10
"""Redrives that could not claim, of one status change. Nobody repeats one so often without a look at the first."""


class Processings:
    """The executions that processed loops of a stage. Can be used by several threads.

    Args:
        loops: The stage.
        reports: The messages about executions that ended early.
    """

    def __init__(self, loops: StageLoops, reports: Reports) -> None:
        self._loops = loops
        self._reports = reports
        self._kept: dict[str, tuple[float, Processing]] = {}
        self._views: dict[str, ExecutionView] = {}

    def of(self, loop: Loop) -> list[Processing]:
        """Returns what each execution did that processed a loop, in the order in which they claimed its status changes.

        Also those before a redrive, and redrives that could not claim. Rows that earlier versions wrote have only the
        last execution of each claim.

        Raises:
            botocore.exceptions.ClientError: An error of Step Functions or DynamoDB.
        """
        claimed = _claimed(loop)
        known = list(claimed)[-_MAX_READ:]
        read = read_ahead(known, lambda arn: self._read(arn, loop), threads=_THREADS, limit=_THREADS)
        found = dict(zip(known, read, strict=True))
        executions = []
        for arn, (claim, at) in claimed.items():
            not_read = Processing(
                Execution(arn, UNKNOWN, link=self._loops.link(arn) if _ARN.fullmatch(arn) else None),
                gap=f"Only the newest {_MAX_READ} executions are looked up.",
            )
            executions.append(_placed(found.get(arn, not_read), loop, claim, at))
        return [*executions, *self._unclaimed(loop, executions)]

    def _unclaimed(self, loop: Loop, executions: Sequence[Processing]) -> Iterator[Processing]:
        """Redrives that failed before they could claim. The names of redrives follow from the execution before."""
        for claim, held in loop.claims.items():
            before = held["execution"]
            if held["state"] == "done" or any(
                one.execution.arn == before and one.execution.is_running for one in executions
            ):
                continue
            for _ in range(_MAX_REDRIVES):
                name = execution_name(loop.human_loop_name, claim, before)
                arn = self._loops.execution_arn(name)
                if any(one.execution.arn == arn for one in executions):
                    break
                found = self._read(arn, loop)
                if found.execution.status == GONE:
                    break
                yield found
                before = arn

    def _read(self, arn: str, loop: Loop) -> Processing:
        kept = self._kept.get(arn)
        if kept is not None and arn != loop.execution and kept[0] > time.monotonic() - _KEPT_SECONDS:
            return kept[1]
        found = self._processing(arn)
        if not found.execution.is_running and found.execution.status != GONE:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[arn] = (time.monotonic(), found)
        return found

    def _processing(self, arn: str) -> Processing:
        if not _ARN.fullmatch(arn):
            return Processing(
                Execution(arn, GONE), gap="The row has this text where the ARN of an execution belongs."
            )
        try:
            view = read_execution(self._loops.states, arn, self._views.get(arn))
        except ExecutionGone:
            gone = Execution(arn, GONE, link=self._loops.link(arn))
            return Processing(
                gone,
                messages=[*self._reported(arn)],
                gap="Step Functions no longer has this execution: it deletes executions 90 days after they end.",
            )
        except ExecutionUnreadable:
            return Processing(self._loops.execution(arn), gap="The history of this execution cannot be read.")
        except ClientError as error:
            if arn.startswith(self._loops.execution_arn("")):
                raise
            # Of another account or Region: the row was restored from there, or somebody wrote it.
            why = error.response["Error"].get("Code", "unknown")
            gap = f"This is not an execution of the stage's workflow, and cannot be read ({why})."
            return Processing(Execution(arn, UNKNOWN, link=self._loops.link(arn)), gap=gap)
        if len(self._views) >= _MAX_VIEWS:
            self._views.clear()
        self._views[arn] = view
        execution = Execution(
            arn,
            view.status,
            started=view.started,
            stopped=view.stopped,
            error=view.error,
            cause=view.cause,
            link=self._loops.link(arn),
            redrives=view.redrives,
        )
        reported = self._reported(arn) if view.is_final and view.status != "SUCCEEDED" else ()
        return Processing(
            execution, step=_reached(view), messages=[*_sent(view), *reported], gap=" ".join(view.gaps)
        )

    def _reported(self, arn: str) -> Iterator[SentMessage]:
        """The message about the end of an execution that could not send one itself."""
        if (at := self._reports.sent_at(arn)) is not None:
            yield SentMessage(
                at,
                arn,
                to="the people who get escalations",
                subject="The execution ended before it had finished",
            )


def _claimed(loop: Loop) -> dict[str, tuple[str | None, str]]:
    """The executions that claimed a status change of a loop: ARN → the claim and its time, oldest first."""
    found: dict[str, tuple[str | None, str]] = {
        arn: (one.claim, one.at or "") for arn, one in loop.executions.items()
    }
    # Rows of earlier versions.
    for claim, held in loop.claims.items():
        found.setdefault(held["execution"], (claim, held.get("at", "")))
    if loop.execution:
        found.setdefault(loop.execution, (None, ""))
    return dict(sorted(found.items(), key=lambda one: (one[1][1], one[0])))


def _placed(found: Processing, loop: Loop, claim: str | None, at: str) -> Processing:
    """What an execution did, with what the row says about it."""
    known = claim if claim in loop.claims else None
    if known is None and claim is not None:
        created, _, status = claim.rpartition(" ")
        known = claim_of(loop, created, status)
    held = loop.claims.get(known) if known else None
    state = held["state"] if held and held["execution"] == found.execution.arn else "replaced"
    return Processing(found.execution, claim, at, state, found.step, found.messages, found.gap)


# How far an execution has come


def _reached(view: ExecutionView) -> ReachedStep | None:
    """The step that is running, or the one in which the execution failed."""
    if view.status == "SUCCEEDED":
        return None
    if view.is_final:
        stopped = [
            one for one in view.visits if one.outer is None and one.kind != "Fail" and _has_ended_badly(one)
        ]
    else:
        stopped = [one for one in view.visits if one.outer is None and one.status is StateStatus.RUNNING]
    if not stopped:
        return None
    last, users = stopped[-1], users_steps(view.definition)
    if last.kind in _MOMENTARY and last.state not in users and not view.is_final:
        return None
    return _step(last, view.visits, users)


_MOMENTARY = ("Choice", "Pass", "Succeed")
"""Types of the workflow's own states that take no time. That one is running only says how the moment was met."""


def _has_ended_badly(visit: Visit) -> bool:
    return visit.error is not None or visit.status in (StateStatus.FAILED, StateStatus.ABORTED)


def _step(visit: Visit, visits: Sequence[Visit], users: frozenset[str]) -> ReachedStep:
    inside = [one for one in visits if one.outer is visit and one.status is StateStatus.RUNNING]
    return ReachedStep(
        visit.state,
        is_users=visit.state in users,
        attempt=max(1, len(visit.attempts)),
        error=visit.error or _error_of_last_attempt(visit),
        inside=_step(inside[-1], visits, users) if inside else None,
    )


def _error_of_last_attempt(visit: Visit) -> str | None:
    # Between two attempts, the last one has failed.
    last = visit.attempts[-1] if visit.attempts else None
    return (last.error or "it failed") if last is not None and last.status is StateStatus.FAILED else None


_RECORDS = ("Record review", "Record escalation", "Record stop")
_ENDINGS = ("Workflow waiting?", "Answer workflow anyway")


def users_steps(definition: Machine) -> frozenset[str]:
    """Returns the names of the post-review steps in a definition of the workflow.

    They are between the record of the outcome and the workflow's own ending (`workflow.machine`), in any version.
    """
    by_name = definition.get("States", {})
    found: set[str] = set()
    reached = [by_name[name].get("Next") for name in _RECORDS if name in by_name]
    while reached:
        name = reached.pop()
        if name in found or name in _ENDINGS or name not in by_name:
            continue
        found.add(name)
        reached += [way.to for way in ways(by_name[name])]
    inside = {name for one in found for name, _ in states({"States": {one: by_name[one]}})}
    return frozenset(found | inside)


# Messages


_WHERE = {
    "sns:publish": ("TopicArn", "TargetArn", "PhoneNumber"),
    "sqs:sendMessage": ("QueueUrl",),
    "ses:sendEmail": ("Destination",),
    "sesv2:sendEmail": ("Destination",),
}
"""The calls that send a message, and the parameters that say where to."""


def _sent(view: ExecutionView) -> Iterator[SentMessage]:
    for visit in view.visits:
        for attempt in visit.attempts:
            call = (attempt.resource or "").removeprefix("aws-sdk:").partition(".")[0]
            if call not in _WHERE or attempt.status is not StateStatus.PASSED:
                continue
            given, result = _parsed(attempt.parameters), _parsed(attempt.result)
            at = attempt.ended or attempt.started
            yield SentMessage(
                timestamp(at) if at else "",
                view.arn,
                visit.state,
                to=_where(call, given),
                subject=_text(given.get("Subject")),
                text=_for_people(given),
                message_id=_text(result.get("MessageId")) or None,
            )


def _where(call: str, given: Mapping[str, Any]) -> str:
    value = next((given[name] for name in _WHERE[call] if given.get(name)), "")
    if isinstance(value, dict):
        value = ", ".join(str(one) for many in value.values() if isinstance(many, list) for one in many)
    return _text(value)


def _for_people(given: Mapping[str, Any]) -> str:
    message = given.get("Message", given.get("MessageBody"))
    if given.get("MessageStructure") == "json":
        message = _parsed(message).get("default", message)
    return message if isinstance(message, str) else "" if message is None else json.dumps(message)


def _parsed(text: Any) -> Mapping[str, Any]:
    if isinstance(text, Mapping):
        return text
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
