"""A stage whose rules and alarms are off, because somebody destroys it.

The artifact bucket says so. If the destruction dies before the deletion of the stack begins, the stage would look as
before and process nothing: `plan` and `status` say so, and the next publish turns everything on again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from workflow.publish.account import Account
from workflow.publish.documents import read_document
from workflow.publish.holder import current_holder

__all__ = ["Suspension", "resume", "suspend", "suspended", "suspension_notes"]


class Suspension(BaseModel):
    """Which rules and alarms are off."""

    at: datetime
    by: str
    """ARN of the caller."""
    rules: list[str]
    alarms: list[str]


def suspend(account: Account, stage: str, rules: Sequence[str], alarms: Sequence[str]) -> None:
    """Turns rules and alarms off."""
    made = Suspension(
        at=datetime.now(UTC).replace(microsecond=0), by=account.caller, rules=list(rules), alarms=list(alarms)
    )
    # Written first: whatever interrupts this, the next command knows.
    account.artifacts.ensure()
    account.artifacts.write(_key(stage), made.model_dump_json().encode())
    account.switches.turn_off(rules, alarms)


def suspended(account: Account, stage: str) -> Suspension | None:
    """The suspension of a stage; None if it works.

    Raises:
        PublishError: an object in its place is not a suspension.
    """
    return read_document(account.artifacts, _key(stage), Suspension)


def suspension_notes(account: Account, stage: str) -> list[str]:
    """A sentence about the suspension of a stage; none if it works, or is being destroyed at this moment."""
    found = suspended(account, stage)
    if found is None:
        return []
    holder = current_holder(account, stage)
    if holder and holder.operation == "destroy":
        return []
    return [
        f"{found.by} began to destroy the stage at {found.at:%Y-%m-%d %H:%M} UTC, and did not finish: events start no "
        "executions. A publish turns the rules on again; `destroy` finishes the destruction."
    ]


def resume(account: Account, stage: str) -> bool:
    """Turns the rules and alarms of a suspended stage on again; returns whether it was suspended."""
    found = suspended(account, stage)
    if found is None:
        return False
    account.switches.turn_on(found.rules, found.alarms)
    account.artifacts.remove(_key(stage))
    return True


def _key(stage: str) -> str:
    return f"stages/{stage}/suspended.json"
