"""Runs status changes again that the workflow failed to process.

The new execution gets the same event, and runs the current version of the workflow. Its name follows from the loop,
the claim and the execution before it. Step Functions starts only one execution of a name (StartExecution, "name"), so
two operators, or a command that was interrupted and runs again, start one execution.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.loops.claims import claim_id, claim_of
from lambdas.loops.event_text import detail_of, parsed, written
from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.loops.missed_events import missed_event
from workflow.operations.stage_loops import LoopError, StageLoops
from workflow.operations.story import GONE, Execution

__all__ = ["MAX_EXECUTIONS", "Redrive", "RedrivePlan", "Redrives", "identity_of"]

MAX_EXECUTIONS = 100
"""Executions that a row keeps. A script can redrive a loop every few minutes, and the result of the claim, which has
the whole row, has at most 256 KB."""
_MAX_FORGOTTEN = 300


@dataclass(frozen=True)
class Redrive:
    """A new execution for a status change that an earlier execution failed to process.

    Attributes:
        human_loop_name: The loop; empty if the event has no name.
        claim: The status change.
        execution: The ARN of the new execution.
        before: The ARN of the failed execution.
    """

    human_loop_name: str
    claim: str
    execution: str
    before: str


@dataclass(frozen=True)
class RedrivePlan:
    """A redrive that is possible.

    Attributes:
        human_loop_name: The loop; empty if the event has no name.
        claim: The status change.
        held_by: The execution that has to release the claim first, if any.
        before: The ARN of the last execution that failed to process the status change.
        execution_name: The name of the next execution.
        event: The event.
        forgotten: Executions that the row keeps no longer: the oldest of too many.
        loop: The loop's row; None if the ledger has none, because the event could not be claimed.
        at: When it is redriven, for the ledger.
    """

    human_loop_name: str
    claim: str
    held_by: str | None
    before: str
    execution_name: str
    event: Any
    forgotten: Sequence[str] = ()
    loop: Loop | None = None
    at: str = field(default_factory=now)


class Redrives:
    """Redrives status changes of a stage."""

    def __init__(self, loops: StageLoops) -> None:
        self._loops = loops

    def plan(self, name_or_key: str) -> RedrivePlan:
        """Checks that the newest unprocessed status change of a loop can run again. Changes nothing.

        Raises:
            LoopError: There is no such status change, or an execution is processing one.
        """
        loop = self._loops.in_ledger(name_or_key)
        name = loop.human_loop_name
        if not loop.claims:
            raise LoopError(
                f"human loop {name}: no status change was received; if the loop has ended, run "
                f"`{self._loops.command('reconcile')}`"
            )
        claims = self._loops.open_claims(loop)
        if not claims:
            raise LoopError(
                f"human loop {name}: its status change is already processed: {self._loops.outcome(loop)}"
            )
        self._loops.check_is_not_busy(loop)
        claim = max(claims, key=lambda one: str(loop.claims[one].get("at", "")))
        before = self._loops.execution(loop.claims[claim]["execution"])
        event = self._event(loop, claim, before)
        return self._planned(name, claim, event, before.arn, loop)

    def plan_execution(self, arn: str) -> RedrivePlan:
        """Checks that the event of a failed execution can run again. Changes nothing.

        Raises:
            LoopError: The stage has no such execution, it did not fail, or another execution holds the claim.
        """
        start = self._loops.execution_arn("")
        if not arn.startswith(start):
            raise LoopError(
                f"{arn} is not an execution of stage {self._loops.stage}; their ARNs start with {start}"
            )
        before = self._loops.execution(arn)
        if before.status not in FAILED_STATUSES or before.input is None:
            state = "no longer in Step Functions" if before.status == GONE else before.status
            raise LoopError(f"execution {arn} is {state}; only a failed execution can run again")
        event = parsed(before.input)
        if event is None:
            raise LoopError(
                f"execution {arn}: its input cannot be read: it is null or nested too deeply, or has a number of "
                "thousands of digits"
            )
        # The execution may have failed because its event is malformed, so nothing about the event is certain.
        name, created, status = identity_of(detail_of(event))
        loop = self._loops.ledger.find_loop(name, created) if name else None
        # The claim has the creation time as the row spells it, and the row can have another key than the name.
        claim = (claim_of(loop, created, status) if loop else None) or claim_id(created, status)
        name = loop.human_loop_name if loop else name
        held = loop.claims.get(claim) if loop else None
        if held is not None:
            if held["state"] == "done":
                raise LoopError(
                    f"execution {arn}: its status change ({claim}) is already processed, by {held['execution']}"
                )
            if held["execution"] != arn and (other := self._loops.execution(held["execution"])).is_running:
                raise LoopError(
                    f"execution {arn}: another execution is processing its status change: {other.link or other.arn}"
                )
        return self._planned(name, claim, event, arn, loop)

    def run(self, plan: RedrivePlan) -> Redrive:
        """Starts the execution of a plan, unless somebody else has started it. Safe to repeat.

        Raises:
            LoopError: Another execution claimed the status change since the plan was made.
        """
        name = plan.human_loop_name
        if plan.loop is not None:
            self._loops.ledger.record_action(plan.loop, self._loops.action("redrive", plan.at))
        if plan.held_by is not None:
            self._release(name, plan.claim, plan.held_by)
        if plan.forgotten:
            self._loops.ledger.forget_executions(name, plan.forgotten)
        try:
            self._loops.states.start_execution(
                stateMachineArn=self._loops.workflow,
                name=plan.execution_name,
                input=written(plan.event),
            )
        except ClientError as error:
            # For a name that is running with the same input, Step Functions returns the running execution instead.
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
        return Redrive(name, plan.claim, self._loops.execution_arn(plan.execution_name), plan.before)

    def _release(self, name: str, claim: str, held_by: str) -> None:
        # The row is listed as failed until the new execution has claimed the status change. If this command ends before
        # that, the reconciler sends a message: `escalatedAt` is still that of an earlier claim.
        reason = "The execution that claimed it ended without releasing the claim."
        if self._loops.ledger.release(name, claim, held_by, outcome="failed", reason=reason):
            return
        row = self._loops.ledger.find(name)
        held = row.claims.get(claim) if row else None
        # Another operator, or this call before it was repeated, may have released it: both start the same execution.
        if held is None or (held["state"], held["execution"]) != ("released", held_by):
            raise LoopError(
                f"human loop {name} was claimed by another execution in the meantime; check it again"
            )

    def _planned(self, name: str, claim: str, event: Any, before: str, loop: Loop | None) -> RedrivePlan:
        """Returns the plan with the first name that no execution has."""
        held = loop.claims.get(claim) if loop else None
        held_by = held["execution"] if held and held.get("state") == "working" else None
        forgotten = list(loop.executions)[:-MAX_EXECUTIONS][:_MAX_FORGOTTEN] if loop else []
        while True:
            execution = execution_name(name, claim, before)
            found = self._loops.execution(self._loops.execution_arn(execution))
            if found.status == GONE:
                return RedrivePlan(name, claim, held_by, before, execution, event, forgotten, loop)
            # An earlier redrive. If it failed before it could claim the status change, the ledger does not know it.
            what = f"human loop {name}" if name else f"execution {before}"
            if found.is_running:
                raise LoopError(f"{what}: an execution is processing it: {found.link or found.arn}")
            if found.status not in FAILED_STATUSES and self._is_done(name, claim):
                raise LoopError(f"{what}: its status change is already processed, by {found.arn}")
            # It succeeded, and the ledger does not have its result: the table was restored to an earlier time.
            before = found.arn

    def _is_done(self, name: str, claim: str) -> bool:
        loop = self._loops.ledger.find(name) if name else None
        # Without a row, nothing can have been lost.
        return loop is None or (claim in loop.claims and loop.claims[claim]["state"] == "done")

    def _event(self, loop: Loop, claim: str, execution: Execution) -> Mapping[str, Any]:
        """Returns the event of a claim: the execution's input, or else an equal event from A2I's description."""
        if execution.input is not None:
            event = parsed(execution.input)
            name, _, status = identity_of(detail_of(event))
            if (name, status) == (loop.name, claim.rpartition(" ")[2]):
                return dict(event)
        found = self._loops.described(loop.name)
        if found is None or claim_of(loop, found["CreationTime"], found["HumanLoopStatus"]) != claim:
            raise LoopError(
                f"human loop {loop.human_loop_name}: the event of its status change ({claim}) is no longer available, "
                "neither from Step Functions nor from A2I"
            )
        event = missed_event(found)
        # The claim may spell the time differently from A2I's API. The new execution has to find this claim.
        event["detail"]["creationTime"] = claim.rpartition(" ")[0]
        return event


def execution_name(human_loop_name: str, claim: str, before: str) -> str:
    """Returns the name of the execution that redrives a status change: the same for the same arguments.

    Args:
        human_loop_name: The loop; empty if the event has no name.
        claim: The status change.
        before: The ARN of the last execution that failed to process it.
    """
    readable = "".join(char if char.isascii() and char.isalnum() else "-" for char in human_loop_name)
    digest = hashlib.sha256(json.dumps([human_loop_name, claim, before]).encode()).hexdigest()
    return f"redrive-{readable[:54] or 'event'}-{digest[:16]}"  # at most 80 characters


def identity_of(detail: Mapping[str, Any]) -> tuple[str, str, str]:
    """Returns the loop's name, its creation time and its status in an event's detail. What is missing is empty."""
    name, created, status = (
        value if isinstance(value := detail.get(field), str) else ""
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    )
    return name, created, status
