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

_CHUNK = 50


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
    chunks = [range(first, min(first + _CHUNK, given.first + given.schedules))
              for first in range(given.first, given.first + given.schedules, _CHUNK)]  # fmt: skip
    failed: dict[int, list[str]] = {}
    counted: collections.Counter[str] = collections.Counter()
    with ProcessPoolExecutor(given.processes) as pool:
        for violations, counts in pool.map(_run, chunks):
            failed |= violations
            counted += counts
            if sys.stderr.isatty():
                print(f"\r{counted['schedules']:,} schedules, {len(failed)} failed", end="", file=sys.stderr)
    seconds = time.monotonic() - started
    print(f"\n{counted.pop('schedules'):,} schedules in {seconds:,.0f} s with {given.processes} processes:")
    print(", ".join(f"{number:,} {what}" for what, number in counted.most_common()))
    for seed, wrong in list(failed.items())[:20]:
        print(f"seed {seed}: {wrong[0]}")
    if failed:
        print(f"{len(failed)} schedules failed. The first one:\n")
        print(explained(min(failed)))
        return 1
    print("Each loop that ended was handled once, or a person knows.")
    return 0


def _run(seeds: range) -> tuple[dict[int, list[str]], collections.Counter[str]]:
    failed: dict[int, list[str]] = {}
    counted = collections.Counter[str]()
    for seed in seeds:
        schedule = Schedule(seed).run()
        counted += schedule.counts()
        if schedule.violations:
            failed[seed] = schedule.violations
    return failed, counted


if __name__ == "__main__":
    sys.exit(main())
