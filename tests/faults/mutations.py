"""Conditions of writes to the ledger that are left out, one at a time: the schedules have to notice each.

    python -m tests.faults.mutations

Two conditions are not in the list, because 600 schedules do not notice that they are missing: that of
`Ledger.release` (the execution holds the claim) and that of `Ledger.settle` (the row is unchanged). Both matter only
between two calls of one command.

What is left out is found in the request itself, so that the code needs no hook for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tests.faults.director import Schedule

__all__ = ["MUTATIONS", "first_noticed"]

MAX_SCHEDULES = 500
"""How many schedules may not notice that a condition is missing."""

Mutation = Callable[[str, str, Mapping[str, Any]], bool]


def _in_state(name: str) -> Mutation:
    return lambda where, operation, request: where.startswith(name)


def _with(text: str, operation: str = "UpdateItem", *, without: str = "no such text") -> Mutation:
    def matches(where: str, made: str, request: Mapping[str, Any]) -> bool:
        condition = request["ConditionExpression"]
        return made == operation and text in condition and without not in condition

    return matches


MUTATIONS: dict[str, Mutation] = {
    "claim: another execution may hold it": _in_state("Claim status change"),
    "claim again: another execution may hold it": _in_state("Claim again"),
    "update: the loop may have ended": _with("#status IN (", without=":notNeeded"),
    "keep a token: the end may be recorded": _with(":notNeeded"),
    "open: the row may exist": _with("", "PutItem"),
    "remove the tokens: another one may be there": _with("", "DeleteItem"),
}
"""What is left out → which writes that are."""


def first_noticed(mutation: str) -> int | None:
    """Returns how many schedules it takes to notice a mutation; None if none of `MAX_SCHEDULES` does."""
    for seed in range(MAX_SCHEDULES):
        schedule = Schedule(seed)
        schedule.world.unconditional = MUTATIONS[mutation]
        # What is wrong without the mutation as well does not count.
        if schedule.run().violations and not Schedule(seed).run().violations:
            return seed + 1
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
