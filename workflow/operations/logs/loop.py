"""The log lines about a human loop: those of its executions, and what the stage's other functions did with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from lambdas.loops.loop import Loop
from lambdas.reviews.times import moment_of
from workflow.asl.walk import states
from workflow.operations.executions import (
    ExecutionGone,
    ExecutionUnreadable,
    ExecutionView,
    read_execution,
)
from workflow.operations.logs.execution import is_of, log_lines, logs_client, merged, plain_line
from workflow.operations.logs.lines import Logs
from workflow.operations.logs.search import Group, GroupUnreadable, NoSuchGroup, Period
from workflow.operations.stage_loops import LoopError, StageLoops

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["LoopLogs"]

_STARTING = timedelta(hours=1)
"""How long after its row was created a start of a loop may be tried again by its caller."""
_RECONCILED = timedelta(hours=2)
"""How long after its last execution the reconciler may have something to do with a loop. It runs once an hour."""
_CLOCKS = timedelta(minutes=1)
_KEPT_SECONDS = 30
"""How long the history of an execution that has ended is kept. Only a redrive in the console changes it."""


@dataclass
class LoopLogs:
    """The log lines of a human loop.

    Args:
        session: The session, with credentials and Region.
        resources: The stage's resources.
        loops: The stage's loops.
    """

    session: boto3.Session
    resources: StageResources
    loops: StageLoops
    _ended: dict[str, tuple[float, ExecutionView]] = field(default_factory=dict)

    def read(self, name_or_key: str, *, step: str | None = None, since: datetime | None = None) -> Logs:
        """Returns the lines of all executions of a loop; without a step, also what other functions logged about it.

        Args:
            name_or_key: The loop's name, or the key that it was started with.
            step: Only the lines of functions that this step, or one inside it, called.
            since: Only those of calls that ran after this time.

        Raises:
            LoopError: The ledger does not have the loop, or its executions have no such step.
        """
        loop = self.loops.in_ledger(name_or_key)
        views, notes = self._executions(loop)
        if step is not None:
            notes += self._about_step(step, views)
        found = [log_lines(self.session, self.resources, view, state=step, since=since) for view in views]
        if step is None:
            found += self._about_loop(loop, views, since)
        if not views:
            notes.append("No execution of the workflow has processed the loop yet.")
        together = merged([*found, Logs(notes=notes)])
        if not together.lines and since is None and (note := self._may_be_deleted(views)):
            together.notes.append(note)
        return together

    def _executions(self, loop: Loop) -> tuple[list[ExecutionView], list[str]]:
        """Returns the loop's executions, oldest first, and why some cannot be read."""
        claimed = [held["execution"] for held in loop.claims.values() if held.get("execution")]
        arns = dict.fromkeys([*loop.executions, *claimed, *filter(None, [loop.execution])])
        views, notes = [], []
        for arn in arns:
            try:
                view = self._execution(arn)
            except (ExecutionGone, ExecutionUnreadable) as error:
                notes.append(f"{error}.")
                continue
            views.append(view)
        return sorted(views, key=lambda view: view.started), notes

    def _execution(self, arn: str) -> ExecutionView:
        at, view = self._ended.get(arn, (-inf, None))
        if view is None or at < monotonic() - _KEPT_SECONDS:
            view = read_execution(self.loops.states, arn)
            if view.is_final:
                self._ended[arn] = monotonic(), view
        return view

    def _about_step(self, step: str, views: list[ExecutionView]) -> list[str]:
        """Returns why a step has no lines.

        Raises:
            LoopError: There is no such step.
        """
        known = {name: state for view in views for name, state in states(view.definition)}
        if known and step not in known:
            close = get_close_matches(step, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"the steps are {', '.join(map(repr, known))}"
            raise LoopError(f"the workflow has no step {step!r}; {hint}")
        if known and not any(visit.state == step for view in views for visit in view.visits):
            return [f"No execution of the loop has reached the step {step!r}."]
        calls = [
            attempt
            for view in views
            for visit in view.visits
            if is_of(visit, step)
            for attempt in visit.attempts
            if attempt.function
        ]
        return [] if calls or not known else [f"The step {step!r} calls no function, so it has no log lines."]

    def _about_loop(self, loop: Loop, views: list[ExecutionView], since: datetime | None) -> Iterator[Logs]:
        """Yields what functions logged about the loop that no step of its executions calls."""
        now = datetime.now(UTC)
        created = moment_of(loop.created_at) or (views[0].started if views else now)
        running = not views or not all(view.is_final for view in views)
        last = now if running else max(view.stopped or now for view in views)
        for function, key, end in (
            ("StartLoop", "humanLoopName", created + _STARTING),
            *([("RestartLoop", "next", created + _STARTING)] if loop.previous_loop_name else []),
            ("Reconcile", "humanLoopName", last + _RECONCILED),
        ):
            period = Period(max(created - _CLOCKS, since or created - _CLOCKS), min(end, now + _CLOCKS))
            if period.start > period.end:
                continue
            name = f"afterloop-{self.resources.stage}-{function}"
            group = Group(logs_client(self.session), f"/aws/lambda/{name}")
            names = {loop.human_loop_name, loop.name}
            texts = [f'"{key}":{space}{json.dumps(one)}' for one in names for space in ("", " ")]
            try:
                found = group.find(texts, period)
            except NoSuchGroup:
                continue  # The function has not run yet.
            except GroupUnreadable as error:
                yield Logs(notes=[str(error)])
                continue
            yield Logs(
                [plain_line(name, event) for event in found if _is_one_of(names, event.read.fields.get(key))]
            )

    def _may_be_deleted(self, views: list[ExecutionView]) -> str | None:
        days = self.resources.parameters.get("LogRetentionDays", "")
        if not days.isdecimal() or not views:
            return None
        if max(view.stopped or view.started for view in views) > datetime.now(UTC) - timedelta(
            days=int(days)
        ):
            return None
        return f"The stage keeps log lines for {days} days (log_retention_days in its settings)."


def _is_one_of(names: set[str], value: object) -> bool:
    return isinstance(value, str) and value in names
