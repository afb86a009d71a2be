"""The executions of a stage's workflow that start from now on, and what happens in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from workflow.asl.graph import StateStatus
from workflow.operations.executions import ExecutionView, Visit, read_execution
from workflow.operations.logs import Logs, log_lines

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["MAX_FOLLOWED", "NewExecutions", "News"]

MAX_FOLLOWED = 5
"""Executions that are read in one look, with some calls each. Others are read when these have ended."""
MAX_LISTED = 100
"""Executions that one look finds at most."""
LOGS_SECONDS = 3.0
"""How long to wait before lines are read again. Each time takes some searches, of which AWS allows five a second."""
LOGS_LATER_SECONDS = 15.0
"""How long after its end the lines of an execution are read: CloudWatch Logs has them some seconds later."""


@dataclass(frozen=True)
class News:
    """What is new in an execution since the last look."""

    execution: ExecutionView
    loop: str
    """Name of the human loop; that of the execution if its input has none."""
    has_started: bool
    visits: tuple[Visit, ...]
    """Visits to states that have ended, and those that still run and already did in the last look."""
    has_ended: bool
    logs: Logs
    """What its functions logged."""

    def __bool__(self) -> bool:
        return bool(self.has_started or self.visits or self.has_ended or self.logs.lines or self.logs.notes)


@dataclass
class _Followed:
    """An execution, and what is known of it."""

    arn: str
    view: ExecutionView | None = None
    seen: list[StateStatus] = field(default_factory=list)
    """The status of each visit in the last look."""
    shown: set[Any] = field(default_factory=set)
    """Visits that still run, log lines and notes of which a look has reported."""
    logs_at: float = 0.0
    ended_at: float | None = None


class NewExecutions:
    """Looks for executions that start after it was made.

    Args:
        session: The session, with credentials and Region.
        resources: The stage's resources.
        logs_seconds: How long to wait before the lines of an execution are read again.
        logs_later_seconds: How long after its end they are read.
    """

    def __init__(
        self,
        session: boto3.Session,
        resources: StageResources,
        *,
        logs_seconds: float = LOGS_SECONDS,
        logs_later_seconds: float = LOGS_LATER_SECONDS,
    ) -> None:
        self._session, self._resources = session, resources
        self._states = session.client("stepfunctions")
        self._logs_seconds, self._logs_later = logs_seconds, logs_later_seconds
        self._followed: list[_Followed] = []
        listed = self._listed()
        self._known = {one["executionArn"] for one in listed}
        # By the clock of Step Functions, not by that of this machine.
        self._since: datetime | None = max((one["startDate"] for one in listed), default=None)

    def look(self) -> Iterator[News]:
        """Yields what is new in the executions, oldest execution first.

        Raises:
            botocore.exceptions.ClientError: An error of AWS.
        """
        for one in reversed(self._listed()):
            if one["executionArn"] not in self._known and (
                not self._since or one["startDate"] >= self._since
            ):
                self._followed.append(_Followed(one["executionArn"]))
            self._known.add(one["executionArn"])
        for followed in self._followed[:MAX_FOLLOWED]:
            if news := self._news(followed):
                yield news
            if followed.ended_at is not None and monotonic() >= followed.ended_at + self._logs_later:
                self._followed.remove(followed)

    def _listed(self) -> list[Any]:
        """The newest executions, newest first."""
        found = self._states.list_executions(
            stateMachineArn=self._resources.state_machine_arn, maxResults=MAX_LISTED
        )
        return list(found["executions"])

    def _news(self, followed: _Followed) -> News:
        before, view = followed.view, read_execution(self._states, followed.arn, followed.view)
        followed.view = view
        has_ended = view.is_final and followed.ended_at is None
        if has_ended:
            followed.ended_at = monotonic()
        return News(
            execution=view,
            loop=_loop_of(view),
            has_started=before is None,
            visits=tuple(_new_visits(followed, view)),
            has_ended=has_ended,
            logs=self._new_logs(followed, view, at_once=has_ended),
        )

    def _new_logs(self, followed: _Followed, view: ExecutionView, *, at_once: bool) -> Logs:
        if not at_once and monotonic() < followed.logs_at + self._logs_seconds:
            return Logs()
        followed.logs_at = monotonic()
        found = log_lines(self._session, self._resources, view)
        lines = {(line.time, line.function, line.raw, line.request_id): line for line in found.lines}
        new = Logs(
            [line for key, line in lines.items() if key not in followed.shown],
            [note for note in found.notes if note not in followed.shown],
        )
        followed.shown |= {*lines, *found.notes}
        return new


def _new_visits(followed: _Followed, view: ExecutionView) -> Iterator[Visit]:
    """Yields each visit once when it has ended. One that still runs in the next look is yielded before, too."""
    before, followed.seen = followed.seen, [visit.status for visit in view.visits]
    for position, visit in enumerate(view.visits):
        earlier = before[position] if position < len(before) else None
        if visit.status is not StateStatus.RUNNING:
            if earlier in (None, StateStatus.RUNNING):
                yield visit
        elif earlier is StateStatus.RUNNING and ("runs", position) not in followed.shown:
            followed.shown.add(("runs", position))
            yield visit


def _loop_of(view: ExecutionView) -> str:
    try:
        return str(json.loads(view.input or "")["detail"]["humanLoopName"])
    except (ValueError, LookupError, TypeError):
        return view.name
