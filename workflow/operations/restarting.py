"""Restarts human loops that failed or were stopped, whatever the stage's restart rules say."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.loops.start_request import StartedLoop
from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.operations.client import LoopsClient
from workflow.operations.stage_loops import LoopError, StageLoops

__all__ = ["MAX_ATTEMPTS", "RestartPlan", "Restarts"]

MAX_ATTEMPTS = 20
"""The most attempts that restart rules can allow a lineage (`lambdas.loops.restart_policy`). An operator can restart
a loop beyond them, one attempt at a time."""


@dataclass(frozen=True)
class RestartPlan:
    """A restart that is possible.

    Attributes:
        loop: The loop's row.
        flow_definition_arn: The flow definition of the next attempt.
        next_loop_name: The next attempt, if it was already started and the row does not say so: a person restarted
            the loop while an execution decided to escalate it.
        at: When it is restarted, for the ledger.
    """

    loop: Loop
    flow_definition_arn: str
    next_loop_name: str | None = None
    at: str = field(default_factory=now)


class Restarts:
    """Restarts loops of a stage."""

    def __init__(self, loops: StageLoops, client: LoopsClient) -> None:
        self._loops = loops
        self._client = client

    def plan(self, name_or_key: str, flow_definition: str | None = None) -> RestartPlan:
        """Checks that a loop can be restarted. Changes nothing.

        Raises:
            LoopError: The loop has not ended, needs no restart, or was already restarted.
        """
        loop = self._loops.in_ledger(name_or_key)
        name = loop.human_loop_name
        if (started := self._loops.unrecorded_restart(loop)) is not None:
            given = flow_definition and self._loops.resources.flow_definition_arn(flow_definition)
            flow = given or started.flow_definition_arn or loop.flow_definition_arn or ""
            return RestartPlan(loop, flow, started.human_loop_name)
        self._loops.check_is_last(loop, "restart")
        if loop.status not in ("Failed", "Stopped"):
            raise LoopError(self._why_not(loop))
        flow = self._loops.resources.flow_definition_arn(flow_definition or loop.flow_definition_arn or "")
        if flow_definition is None and loop.flow_definition_arn is None:
            raise LoopError(
                f"human loop {name}: its flow definition is unknown; specify --new-flow-definition"
            )
        busy = self._loops.busy(loop)
        if busy and flow != loop.flow_definition_arn:
            raise LoopError(
                f"human loop {name}: a running execution may restart it with its current flow definition; stop that "
                f"execution first: {busy.link or busy.arn}"
            )
        return RestartPlan(loop, flow)

    def run(self, plan: RestartPlan, more_attempts: int) -> StartedLoop:
        """Restarts the loop of a plan. Safe to repeat.

        Raises:
            LoopError: It was restarted at the same time with another flow definition.
            InputUnknown, NameTaken, StartRefused: See `LoopsClient.restart`.
        """
        loop, name, flow = plan.loop, plan.loop.human_loop_name, plan.flow_definition_arn
        ledger = self._loops.ledger
        ledger.record_action(loop, self._loops.action("restart", plan.at))
        if plan.next_loop_name is None:
            # Before the start: if the new attempt fails at once, the workflow knows how many attempts are left.
            allowed = max(loop.max_attempts or 0, loop.attempt + more_attempts)
            ledger.update(name, max_attempts=min(allowed, MAX_ATTEMPTS))
        started = self._client.restart(name, flow)
        # The name of the next attempt is fixed, so a restart by someone else answers with their loop.
        restarted = ledger.find(started.human_loop_name)
        if restarted is not None and restarted.flow_definition_arn != flow:
            raise LoopError(
                f"human loop {name} was restarted at the same time, as {restarted.human_loop_name} with "
                f"{restarted.flow_definition_arn}; see `{self._loops.command('show', restarted.human_loop_name)}`"
            )
        row = ledger.find(name)
        # A running execution is about to record the same restart, with its own reason. Leave that to it. It may have
        # claimed the status change since the plan was made. It may also have stored a review: A2I's event about a loop
        # that was deleted can be late.
        if row is not None and row.outcome != "stored" and not self._loops.busy(row):
            ledger.settle(
                row,
                self._loops.open_claims(row),
                outcome="restarted",
                reason=f"Restarted by {self._loops.who}.",
            )
        return started

    def _why_not(self, loop: Loop) -> str:
        name = loop.human_loop_name
        reconcile = self._loops.command("reconcile")
        if loop.status == "Starting":
            return f"human loop {name} is still starting; if this takes minutes, run `{reconcile}`"
        if loop.status != "InProgress":
            return f"human loop {name} needs no restart: {self._loops.outcome(loop)}"
        view = self._loops.check_is_in_a2i(loop, "restart")
        if view is not None and view.status in TERMINAL_STATUSES:
            return (
                f"human loop {name} ended as {view.status}, but its status change was not received; to process it, "
                f"run `{reconcile}`"
            )
        return f"human loop {name} is in progress; to stop it, run `{self._loops.command('stop', name)}`"
