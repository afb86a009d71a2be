"""Conditions of writes to the ledger that are left out, one at a time: the schedules have to notice each.

    python -m tests.faults.mutations

What is left out is found in the request itself, so that the code needs no hook for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.faults.kinds import RACES, schedule_of

__all__ = ["MUTATIONS", "Mutation", "first_noticed"]

MAX_SCHEDULES = 500
"""How many schedules may not notice that a condition is missing."""

Unconditional = Callable[[str, str, Mapping[str, Any]], bool]
"""Given the state, the operation and the request: whether the write is made without its condition."""


@dataclass(frozen=True)
class Mutation:
    """A condition that is left out.

    Attributes:
        unconditional: Which writes have it.
        first: The first schedule to try: the condition matters in those from there.
    """

    unconditional: Unconditional
    first: int = 0


def _in_state(name: str) -> Unconditional:
    return lambda where, operation, request: where.startswith(name)


def _with(text: str, operation: str = "UpdateItem", *, without: str = "no such text") -> Unconditional:
    def matches(where: str, made: str, request: Mapping[str, Any]) -> bool:
        condition = request["ConditionExpression"]
        return made == operation and text in condition and without not in condition

    return matches


MUTATIONS: dict[str, Mutation] = {
    "claim: another execution may hold it": Mutation(_in_state("Claim status change")),
    "claim again: another execution may hold it": Mutation(_in_state("Claim again")),
    "update: the loop may have ended": Mutation(_with("#status IN (", without=":notNeeded")),
    "keep a token: the end may be recorded": Mutation(_with(":notNeeded")),
    "open: the row may exist": Mutation(_with("", "PutItem")),
    "remove the tokens: another one may be there": Mutation(_with("", "DeleteItem")),
    # These two matter only between two calls of one command or function.
    "release: another execution may hold the claim": Mutation(_with(":holder"), RACES.first),
    "settle: the row may have changed": Mutation(_with("#updatedAt IN", without=":holder"), RACES.first),
}
"""What is left out → which writes that are."""


def first_noticed(mutation: str) -> int | None:
    """Returns how many schedules it takes to notice a mutation; None if none of `MAX_SCHEDULES` does."""
    left_out = MUTATIONS[mutation]
    for seed in range(left_out.first, left_out.first + MAX_SCHEDULES):
        schedule = schedule_of(seed)
        schedule.world.unconditional = left_out.unconditional
        # What is wrong without the mutation as well does not count.
        if schedule.run().violations and not schedule_of(seed).run().violations:
            return seed - left_out.first + 1
    return None


def main() -> int:
    """Tries all mutations. Returns 1 if one was not noticed."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        noticed = []
        for mutation, schedules in zip(MUTATIONS, pool.map(first_noticed, MUTATIONS), strict=True):
            print(
                f"{mutation}: {f'noticed by schedule {schedules:,}' if schedules else 'NOT NOTICED'}",
                flush=True,
            )
            noticed.append(schedules is not None)
    return int(not all(noticed))


if __name__ == "__main__":
    sys.exit(main())
