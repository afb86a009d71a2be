"""Shifts: CloudFormation moves new executions to a new version step by step, and takes them back if an alarm goes off.

A shift goes on without the command that began it. Here it is followed, and explained if it was taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.errors import DeploymentError
from workflow.publish.machines import number, routed
from workflow.stack import ALIAS, LIVE_ALIAS

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.machines import StateMachines
    from workflow.publish.progress import Progress
    from workflow.publish.stacks import Event, Stack

__all__ = ["ShiftWatch", "shift_in_progress"]

UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


def shift_in_progress(account: Account, stack: Stack) -> dict[str, int] | None:
    """The versions that share new executions while CloudFormation moves them; None if it moves none.

    Returns:
        ARN → percentage.
    """
    machine = stack.outputs.get("StateMachine")
    if not machine or stack.status != "UPDATE_IN_PROGRESS":
        return None
    weights = account.machines.weights(machine, ALIAS) or {}
    return weights if len(weights) > 1 else None


@dataclass
class ShiftWatch:
    """Follows the events of an update, and the alias while it moves.

    Attributes:
        machines: The state machines of the account.
        machine: The ARN of the state machine; None if there is none yet.
        parameters: The parameters of the update.
        progress: Receives what happens.
        clock: Returns the time in UTC.
    """

    machines: StateMachines
    machine: str | None
    parameters: Mapping[str, str]
    progress: Progress
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _began: datetime | None = None
    _weights: dict[str, int] = field(default_factory=dict)
    _reason: str = ""

    def event(self, event: Event) -> None:
        """Receives an event of the stack."""
        self.progress.event(event)
        if event.resource == LIVE_ALIAS and self.machine and self.is_gradual:
            if event.status == "UPDATE_IN_PROGRESS" and not self._reason:
                self._began = self._began or event.at
            elif event.status == "UPDATE_FAILED":
                # Now: the rollback of the stack may delete the new version.
                self._reason = self._taken_back(event.reason)
                self._began = None
            else:
                self._began = None

    def look(self) -> None:
        """Reports where new executions go, if that has changed; called again and again during an update."""
        if self._began and self.machine:
            weights = self.machines.weights(self.machine, ALIAS) or {}
            if len(weights) > 1 and weights != self._weights:
                self._weights = weights
                self.progress.step(self._step(weights))

    def explained(self, error: DeploymentError) -> DeploymentError:
        """The error to show: if the shift was taken back, it says why, and what is live."""
        if not self._reason or error.resource != LIVE_ALIAS:
            return error
        now = self.machines.weights(str(self.machine), ALIAS) or {}
        return DeploymentError(
            f"{self._reason}; new executions go to {routed(now)}, and the stack was rolled back",
            resource=error.resource,
            cause=error.cause,
            status=error.status,
        )

    @property
    def is_gradual(self) -> bool:
        """Whether a new version does not get all new executions at once."""
        return self.parameters.get("ShiftType") in ("CANARY", "LINEAR")

    def _step(self, weights: Mapping[str, int]) -> str:
        new = max(weights, key=number)
        share, step = weights[new], int(self.parameters["ShiftPercent"])
        until = self.clock() + timedelta(minutes=int(self.parameters["ShiftMinutes"]))
        is_last = self.parameters["ShiftType"] == "CANARY" or share + step >= 100
        then = "all of them" if is_last else f"{share + step} %"
        return (
            f"Version {number(new)} gets {share} % of new executions until {until:%H:%M} UTC, then {then}; "
            "CloudFormation continues if you stop watching"
        )

    def _taken_back(self, reason: str) -> str:
        if "drift detected" in reason or "cancelled" in reason:
            return "somebody else ended the shift, as a rollback does"
        alarms = re.search(r"'ALARM' state: \[(.*?)\]", reason)
        if not alarms:
            return f"the shift failed: {' '.join(reason.split())}"
        names = alarms[1].split(", ")
        went_off = f"alarm{'s' * (len(names) > 1)} {', '.join(names)} went off"
        return "; ".join([f"the shift was taken back because the {went_off}", *self._failures()])

    def _failures(self) -> list[str]:
        """How many executions failed on each version since the shift began, and the first that failed on the new."""
        if not (self._weights and self._began):
            return []
        new, old = sorted(self._weights, key=number, reverse=True)
        try:
            ends = {version: self._ends(version) for version in (new, old)}
        except ClientError:  # The sentence does without: the shift's own failure counts.
            return []
        said = [
            f"{failed} of {ended} executions that ended on version {number(version)} failed"
            for version, (failed, ended, _) in ends.items()
        ]
        return [", ".join(said), *([f"the first one is {ends[new][2]}"] if ends[new][2] else [])]

    def _ends(self, version: str) -> tuple[int, int, str | None]:
        """The executions since the shift began that failed, all that ended, and the first that failed."""
        statuses: tuple[Any, ...] = ("SUCCEEDED", *UNSUCCESSFUL)
        ended = {status: self.machines.executions(version, status, since=self._began) for status in statuses}
        failed = [arn for status in UNSUCCESSFUL for arn in ended[status][-1:]]
        count = sum(len(ended[status]) for status in UNSUCCESSFUL)
        return count, count + len(ended["SUCCEEDED"]), next(iter(failed), None)
