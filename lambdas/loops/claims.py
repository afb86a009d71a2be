"""Claims of status changes: their names, and which of a row's claims belongs to a status change."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from lambdas.loops.ledger import Loop
from lambdas.reviews.times import in_utc

__all__ = ["claim_id", "claim_of"]

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.]([0-9]+))?Z")


def claim_of(row: Loop, created: datetime, status: str) -> str | None:
    """Returns the claim of a status change of the loop created at that time, or None if it was not claimed.

    Times are compared to the second, because an event can write the time differently from A2I's API.
    """
    for claim in row.claims:
        time, _, claimed_status = claim.rpartition(" ")
        if claimed_status == status and _is_same_second(time, created):
            return claim
    return None


def claim_id(created: str, status: str) -> str:
    """Returns the name of a status change's claim, from creationTime and humanLoopStatus of its event.

    The time is written with milliseconds, however the event writes it. `workflow.asl.expressions.CLAIM_ID` is the
    same as a JSONata expression.
    """
    match = _TIME.fullmatch(created)
    return f"{match[1]}.{((match[2] or '') + '000')[:3]}Z {status}" if match else f"{created} {status}"


def _is_same_second(text: str, moment: datetime) -> bool:
    try:
        time = in_utc(datetime.fromisoformat(text))
    except ValueError:
        return False
    return abs(time - moment) < timedelta(seconds=1)
