"""Which loop a row of the ledger is about: a loop is its name and its creation time.

A2I lets a name be used again once its loop is deleted. The ledger's key is the name, so the row with that key is about
the first loop of the name that the ledger heard of: usually the one that Afterloop started. Any other loop of the name
has an item of its own, with the key `<name>@<creation time>`. No name of A2I contains `@`, and a shell needs no quotes
around it. Items never move, because running executions, task tokens and the links of a lineage refer to their keys.

The claim applies the same rules, as a condition of DynamoDB and in JSONata (`workflow/parts/records.py`). It must work
when functions do not.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.loops.restart_policy import LOOP_DELETED
from lambdas.reviews.times import in_utc, timestamp

if TYPE_CHECKING:
    from lambdas.loops.loop import Loop

__all__ = ["MAX_CLOCK_SKEW", "is_about", "is_same_time", "name_of", "normalized", "own_key", "own_keys"]

MAX_CLOCK_SKEW = timedelta(seconds=5)
"""How far the clock of A2I may differ from the clock of the function that starts a loop."""

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.]([0-9]+))?Z")
_SEPARATOR = "@"
MAX_TIME_CHARACTERS = 100
"""Characters of a creation time in another form than A2I's, in a key."""
_OPEN = ("Starting", "InProgress")


def name_of(key: str) -> str:
    """Returns the name in A2I of the loop whose row has that key."""
    return key.partition(_SEPARATOR)[0]


def normalized(created: str) -> str:
    """Returns a loop's creation time with milliseconds, however its event writes it.

    `workflow.asl.expressions.LOOP_TIME` is the same as a JSONata expression. A time in another form stays as it is.
    """
    match = _TIME.fullmatch(created)
    return f"{match[1]}.{((match[2] or '') + '000')[:3]}Z" if match else created


def own_key(human_loop_name: str, created: str) -> str:
    """Returns the key of the item of a loop whose name another loop's row has.

    The key has the creation time to the second, because events can be written to the second. Of a time in another form
    than A2I's, it has what needs no quotes in a shell.
    `workflow.asl.expressions.OWN_KEY` is the same as a JSONata expression.
    """
    match = _TIME.fullmatch(created)
    # Commands in messages contain the key.
    time = f"{match[1]}Z" if match else re.sub(r"[^A-Za-z0-9:.+-]", "-", created)[:MAX_TIME_CHARACTERS]
    return f"{human_loop_name}{_SEPARATOR}{time}"


def own_keys(human_loop_name: str, created: str) -> list[str]:
    """Returns the keys that the item of a loop may have.

    There are three, because its event may have been written to the second, rounded or cut.
    """
    moment = _moment(created)
    if moment is None:
        return [own_key(human_loop_name, created)]
    shifted = (timestamp(moment + timedelta(seconds=seconds)) for seconds in (0, -1, 1))
    return [own_key(human_loop_name, time) for time in shifted]


def is_same_time(one: str, other: str) -> bool:
    """Whether two creation times of loops of one name are those of the same loop.

    They may differ by less than a second: an event can write the time differently from A2I's API. Within a second, no
    loop can end and be deleted, and another one start. Times that cannot be read are the same if their texts are.
    """
    first, second = _moment(one), _moment(other)
    return one == other if first is None or second is None else abs(first - second) < timedelta(seconds=1)


def is_about(loop: Loop, created: str) -> bool:
    """Whether a row is about the loop of its name that was created at that time.

    A row learns the creation time from the loop's event, or from A2I. Until then, a row of a loop that Afterloop
    started says when the start began and when A2I had accepted it.
    """
    # Rows from before the creation time was kept have it in their claims.
    known = [claim.rpartition(" ")[0] for claim in loop.claims]
    if loop.loop_created_at is not None:
        known = [loop.loop_created_at]
    if any(is_same_time(time, created) for time in known):
        return True
    moment = _moment(created)
    if moment is None:
        return loop.status in _OPEN  # no evidence of another loop
    # The claim of the reconciler's event for a deleted loop is no evidence if it did not know the time.
    is_guess = (
        loop.failure_code == LOOP_DELETED and loop.loop_created_at is None and loop.started_at is not None
    )
    return (is_guess or (loop.status in _OPEN and not known)) and _is_start_of(loop, moment)


def _is_start_of(loop: Loop, created: datetime) -> bool:
    began = _moment(loop.created_at)
    accepted = _moment(loop.started_at or (loop.updated_at if loop.status == "InProgress" else None))
    return (began is None or began - MAX_CLOCK_SKEW <= created) and (
        accepted is None or created <= accepted + MAX_CLOCK_SKEW
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else in_utc(datetime.fromisoformat(text))
    except ValueError:
        return None
