"""Claims of status changes: their names, and which of a row's claims belongs to a status change."""

from __future__ import annotations

from datetime import datetime

from lambdas.loops.identity import is_same_time, normalized
from lambdas.loops.loop import Loop
from lambdas.reviews.times import timestamp

__all__ = ["claim_id", "claim_of"]


def claim_of(row: Loop, created: datetime | str, status: str) -> str | None:
    """Returns the claim of a status change of the loop created at that time, or None if it was not claimed.

    Times are compared to the second, because an event can write the time differently from A2I's API.
    """
    text = created if isinstance(created, str) else timestamp(created)
    for claim in row.claims:
        time, _, claimed_status = claim.rpartition(" ")
        if claimed_status == status and is_same_time(time, text):
            return claim
    return None


def claim_id(created: str, status: str) -> str:
    """Returns the name of a status change's claim, from creationTime and humanLoopStatus of its event.

    The time is written with milliseconds, however the event writes it. `workflow.asl.expressions.CLAIM_ID` is the
    same as a JSONata expression.
    """
    return f"{normalized(created)} {status}"
