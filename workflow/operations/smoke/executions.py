"""Waits for the executions of the smoke test, and says in which state one failed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from workflow.asl.graph import StateStatus
from workflow.operations.executions import ExecutionView, read_execution, why
from workflow.stack import ALIAS

__all__ = ["Ended", "Executions"]

EXECUTION_TIMEOUT_SECONDS = 180
GRACE_SECONDS = 20
"""How long to wait, before cleaning up, for an execution that would write again what is deleted."""
MAX_CAUSE = 500
"""Characters of the cause of an error that are shown."""


@dataclass(frozen=True)
class Ended:
    """An execution that was waited for."""

    version: str | None
    """ARN of the version of the state machine that it ran on."""
    problem: str | None
    """Why it did not succeed; None if it did."""


class Executions:
    """The executions of a state machine.

    Args:
        states: Step Functions.
        machine: The ARN of the state machine.
    """

    def __init__(self, states: Any, machine: str) -> None:
        self._states = states
        self._machine = machine

    def versions(self) -> list[str]:
        """ARNs of the versions that new executions run on, the newest first: two during a shift."""
        alias = self._states.describe_state_machine_alias(stateMachineAliasArn=f"{self._machine}:{ALIAS}")
        routed = [one["stateMachineVersionArn"] for one in alias["routingConfiguration"] if one["weight"]]
        return sorted(routed, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)

    def ended(self, arn: str) -> Ended:
        """Waits until an execution ends, or takes too long."""
        deadline = time.monotonic() + EXECUTION_TIMEOUT_SECONDS
        while (execution := self._states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
        problem = None
        if execution["status"] != "SUCCEEDED":
            problem = f"{_problem(read_execution(self._states, arn))} ({arn})"
        return Ended(execution.get("stateMachineVersionArn"), problem)

    def settle(self, arn: str) -> None:
        """Waits a while for the end of an execution, and then stops it: it would write again what is deleted."""
        deadline = time.monotonic() + GRACE_SECONDS
        while self._states.describe_execution(executionArn=arn)["status"] == "RUNNING":
            if time.monotonic() > deadline:
                cause = "The smoke test ended before this execution did, and deletes what it wrote."
                self._states.stop_execution(executionArn=arn, error="SmokeTestEnded", cause=cause)
                return
            time.sleep(0.5)


def _problem(view: ExecutionView) -> str:
    if not view.is_final:
        running = [visit.state for visit in view.visits if visit.status is StateStatus.RUNNING]
        where = f"in {running[-1]}" if running else "running"
        return f"the execution is still {where} after {EXECUTION_TIMEOUT_SECONDS} s"
    # The state Fail at the end of the machine is where failures lead to, not what failed.
    failed = [
        visit
        for visit in view.visits
        if visit.status in (StateStatus.FAILED, StateStatus.CAUGHT, StateStatus.ABORTED)
        and visit.kind != "Fail"
    ]
    where, error, cause = "", view.error, view.cause
    if failed:
        where = f" in {failed[-1].state}"
        error, cause = failed[-1].error or error, failed[-1].cause or cause
    return f"the execution ended as {view.status}{where}: {why(error, cause, MAX_CAUSE) or 'no cause given'}"
