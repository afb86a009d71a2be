"""Shows a schedule that fails: the shortest form of it that fails in the same way, and all that happened in it."""

from __future__ import annotations

import re

from tests.faults.choices import shrunk
from tests.faults.kinds import schedule_of

__all__ = ["command", "explained"]


def explained(seed: int, *, tries: int = 250) -> str:
    """Returns what goes wrong in the schedule of a seed, and the shortest trace.

    Args:
        seed: The seed of a schedule that fails.
        tries: How many shorter schedules to try.
    """
    first = schedule_of(seed).run()
    kind = _kind(first.violations[0])

    def fails(choices: list[int]) -> list[int] | None:
        schedule = schedule_of(seed, choices).run()
        return schedule.choices.made if any(_kind(one) == kind for one in schedule.violations) else None

    best = shrunk(first.choices.made, fails, tries=tries)
    schedule = schedule_of(seed, best).run()
    lines = [
        f"seed {seed}, shortened from {len(first.choices.made)} to {len(best)} choices:",
        *(f"  {one}" for one in schedule.violations),
        "",
        schedule.told(),
        "",
        f"To see it again: {command(f'--seed {seed}')}",
    ]
    return "\n".join(lines)


def command(arguments: str) -> str:
    """Returns the command that shows a schedule."""
    return f'make faults ARGS="{arguments}"'


def _kind(violation: str) -> str:
    """Returns a violation without names, numbers and times."""
    return re.sub(r"\S*\d\S*|\[.*?\]", "…", violation)[:60]
