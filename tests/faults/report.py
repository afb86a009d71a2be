"""Shows a schedule that fails: the shortest form of it that fails in the same way, and all that happened in it."""

from __future__ import annotations

import re

from tests.faults.choices import shrunk
from tests.faults.director import Options, Schedule

__all__ = ["explained"]


def explained(seed: int, options: Options = Options(), *, tries: int = 250) -> str:  # noqa: B008
    """Returns what goes wrong in the schedule of a seed, and the shortest trace.

    Args:
        seed: The seed of a schedule that fails.
        options: The options that it fails with.
        tries: How many shorter schedules to try.
    """
    first = Schedule(seed, options=options).run()
    kind = _kind(first.violations[0])

    def fails(choices: list[int]) -> list[int] | None:
        schedule = Schedule(seed, choices, options).run()
        return schedule.choices.made if any(_kind(one) == kind for one in schedule.violations) else None

    best = shrunk(first.choices.made, fails, tries=tries)
    schedule = Schedule(seed, best, options).run()
    lines = [
        f"seed {seed}, shortened from {len(first.choices.made)} to {len(best)} choices:",
        *(f"  {one}" for one in schedule.violations),
        "",
        schedule.told(),
        "",
        f"To see it again: make faults ARGS='--seed {seed}'",
    ]
    return "\n".join(lines)


def _kind(violation: str) -> str:
    """Returns a violation without names, numbers and times."""
    return re.sub(r"\S*\d\S*|\[.*?\]", "…", violation)[:60]
