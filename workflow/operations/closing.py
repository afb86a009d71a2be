"""Closes human loops that need action: nothing more will be done about them."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from workflow.operations.client import LoopsClient
from workflow.operations.listing import NEEDS_ACTION
from workflow.operations.stage_loops import LoopError, StageLoops

__all__ = ["ClosePlan", "ClosedLoop", "Closing"]


@dataclass(frozen=True)
class ClosedLoop:
    """A loop that an operator closed.

    Attributes:
        loop: The loop's row.
        answered: How many waiting workflows were notified of the failure.
    """

    loop: Loop
    answered: int


@dataclass(frozen=True)
class ClosePlan:
    """A loop that can be closed.

    Attributes:
        loop: The loop's row.
        closed_at: The time to record.
        next_loop_name: The next attempt, if the row does not say that it was started. Then that is recorded instead.
    """

    loop: Loop
    closed_at: str
    next_loop_name: str | None = None


class Closing:
    """Closes loops of a stage."""

    def __init__(self, loops: StageLoops, client: LoopsClient) -> None:
        self._loops = loops
        self._client = client

    def plan(self, name_or_key: str) -> ClosePlan:
        """Checks that a loop can be closed. Changes nothing.

        Raises:
            LoopError: The loop needs no action, or an execution is processing it.
        """
        loop = self._loops.in_ledger(name_or_key)
        name = loop.human_loop_name
        if (started := self._loops.unrecorded_restart(loop)) is not None:
            return ClosePlan(loop, now(), started.human_loop_name)
        self._loops.check_is_last(loop, "close")
        self._loops.check_is_not_busy(loop)
        if loop.outcome == "closed" and not loop.waiting:
            raise LoopError(
                f"human loop {name} is already closed, by {loop.closed_by} at {loop.closed_at}: {loop.note}"
            )
        # A closed loop with a waiting workflow could not notify it the last time. Closing it again retries that.
        abandoned = loop.outcome in (None, "processing") and bool(self._loops.open_claims(loop))
        if loop.outcome not in (*NEEDS_ACTION, "closed") and not abandoned:
            self._loops.check_is_in_a2i(loop, "close")
            raise LoopError(f"human loop {name} needs no action: {self._loops.outcome(loop)}")
        return ClosePlan(loop, now())

    def run(self, plan: ClosePlan, note: str) -> ClosedLoop:
        """Closes the loop of a plan. Safe to repeat.

        Raises:
            LoopError: The loop changed since the plan was made, or was restarted.
        """
        loop, name = plan.loop, plan.loop.human_loop_name
        if plan.next_loop_name is not None:
            self._record_restart(loop)
            raise LoopError(
                f"human loop {name} was restarted as {plan.next_loop_name}, which is now recorded; the loop needs no "
                f"action: `{self._loops.command('show', plan.next_loop_name)}`"
            )
        changes = {
            "outcome": "closed", "note": note, "closed_by": self._loops.who, "closed_at": plan.closed_at,
        }  # fmt: skip
        # Settling the claims too means that a second delivery of the event finds its status change processed.
        action = self._loops.action("close", plan.closed_at)
        if not self._loops.ledger.settle(loop, self._loops.open_claims(loop), action=action, **changes):
            row = self._loops.in_ledger(name)
            # A call whose answer was lost was repeated, and finds what it wrote itself.
            if any(getattr(row, field) != value for field, value in changes.items()):
                raise LoopError(f"human loop {name} changed in the meantime; check it, and close it again")
        answered = 0
        if loop.waiting:
            answered = self._client.call("AnswerWorkflow", {"humanLoopName": name})["delivered"]
        return ClosedLoop(self._loops.in_ledger(name), answered)

    def _record_restart(self, loop: Loop) -> None:
        """Records the restart of a loop whose row does not say that it was restarted."""
        started = self._loops.unrecorded_restart(loop)
        if started is not None and loop.waiting:
            # Whoever restarted it was interrupted before the waiting workflow waited for the next attempt.
            flow = started.flow_definition_arn or loop.flow_definition_arn or ""
            self._client.restart(loop.human_loop_name, flow)
            loop = self._loops.in_ledger(loop.human_loop_name)
            started = self._loops.unrecorded_restart(loop)
        if started is not None:
            reason = f"Restarted as {started.human_loop_name}."
            self._loops.ledger.settle(loop, self._loops.open_claims(loop), outcome="restarted", reason=reason)
