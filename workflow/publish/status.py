"""How a stage is: its stack, the version that is live, what runs and what failed, and drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow.publish.account import Account
from workflow.publish.history import Record, history
from workflow.publish.live import number
from workflow.publish.swapping import swapped
from workflow.stack import ALIAS
from workflow.stack.stages import Stage

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """A stage as it is now."""

    stage: str
    stack: str
    state: str
    """CloudFormation's, such as UPDATE_COMPLETE."""
    updated: datetime | None
    live: dict[int, int]
    """Numbers of the versions that get new executions, with percentages."""
    running: int
    """Executions that run now; counted up to 1,000."""
    failed: int
    """Executions that started in the last 24 hours and failed; counted up to 1,000."""
    swapped: Sequence[str]
    """What was hot-swapped since the last publish."""
    drifts: Sequence[dict[str, Any]] | None
    """Resources that are not as the template says; None when not looked for."""
    publishes: Sequence[Record]
    """The last ones, the oldest first."""


def status(account: Account, stage: Stage, *, drift: bool = True) -> Status | None:
    """Looks at a stage; None when it is not published.

    Args:
        account: where the stage is.
        stage: which one.
        drift: whether to let CloudFormation look for drift, which takes up to some minutes on AWS.

    Raises:
        PublishError: CloudFormation could not detect drift.
    """
    stack = account.stack(stage.stack_name)
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return None
    machine = stack.outputs.get("StateMachine")
    live = account.live(machine, ALIAS) if machine else None
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    return Status(
        stage=stage.name,
        stack=stack.name,
        state=stack.status,
        updated=stack.updated,
        live={number(version): weight for version, weight in live.weights.items()} if live else {},
        running=len(account.executions(machine, "RUNNING")) if machine else 0,
        failed=len(account.executions(machine, "FAILED", since=a_day_ago)) if machine else 0,
        swapped=swapped(account, stage, stack),
        drifts=account.drifts(stack.name) if drift else None,
        publishes=history(account, stage.name)[-10:],
    )
