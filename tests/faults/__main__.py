"""Runs many schedules of faults over the cores of this machine: `make faults`.

python -m tests.faults                      10,000 schedules
python -m tests.faults --seed 17            one schedule: if it fails, its shortest form, with all that happened
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.faults.director import Schedule
from tests.faults.report import explained
from tests.faults.scripts import SCRIPTS, singles

_CHUNK = 50
_SHOWN = 20


def main() -> int:
    """Runs the schedules. Returns 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--schedules", type=int, default=10_000, help="how many schedules to run")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first schedule")
    parser.add_argument("--seed", type=int, help="run this schedule only, and show it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.seed is not None:
        schedule = Schedule(given.seed).run()
        print(explained(given.seed) if schedule.violations else schedule.told())
        return 1 if schedule.violations else 0
    started = time.monotonic()
    # The usual ways with one fault each, and then what chance brings.
    work: list[str | range] = [*SCRIPTS]
    end = given.first + given.schedules
    work += [range(first, min(first + _CHUNK, end)) for first in range(given.first, end, _CHUNK)]
    failed: dict[str, str] = {}
    counted: collections.Counter[str] = collections.Counter()
    with ProcessPoolExecutor(given.processes) as pool:
        for violations, counts in pool.map(_run, work):
            failed |= violations
            counted += counts
            if sys.stderr.isatty():
                print(f"\r{counted['schedules']:,} schedules, {len(failed)} failed", end="", file=sys.stderr)
    seconds = time.monotonic() - started
    print(f"\n{counted.pop('schedules'):,} schedules in {seconds:,.0f} s with {given.processes} processes:")
    print(", ".join(f"{number:,} {what}" for what, number in counted.most_common()))
    for name, violation in list(failed.items())[:_SHOWN]:
        print(f"{name}: {violation}")
    if failed:
        print(f"{len(failed)} schedules failed.")
        if seeds := [int(name.removeprefix("seed ")) for name in failed if name.startswith("seed ")]:
            print(explained(seeds[0]))
        return 1
    print("Each loop that ended was handled once, or a person knows.")
    return 0


def _run(work: str | range) -> tuple[dict[str, str], collections.Counter[str]]:
    """Runs the schedules of a script or of some seeds. Returns the first violation of each that failed, and counts."""
    failed: dict[str, str] = {}
    counted = collections.Counter[str]()
    if isinstance(work, str):
        ran = ((f"{work!r} with {fault} at call {number}", one) for number, fault, one in singles(work))
    else:
        ran = ((f"seed {seed}", Schedule(seed).run()) for seed in work)
    for name, schedule in ran:
        counted += schedule.counts()
        if schedule.violations:
            failed[name] = schedule.violations[0]
    return failed, counted


if __name__ == "__main__":
    sys.exit(main())
