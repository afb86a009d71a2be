"""Runs many schedules of faults over the cores of this machine: `make faults`.

python -m tests.faults                             10,000 schedules, and some thousand of particular kinds
python -m tests.faults --seed 17                   one schedule: if it fails, its shortest form, with all that happened
python -m tests.faults --single completed:drop:3   one of the usual ways, with a fault at one call
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.faults.director import Schedule
from tests.faults.kinds import KINDS, schedule_of
from tests.faults.report import command, explained
from tests.faults.scripts import SCRIPTS, single, singles

_CHUNK = 25
_SHOWN = 20
_EVERY_SECONDS = 30


def main() -> int:
    """Runs the schedules. Returns 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--schedules", type=int, default=10_000, help="how many schedules of anything to run")
    parser.add_argument("--first", type=int, help="run schedules from this seed on, and nothing else")
    parser.add_argument("--seed", type=int, help="run this schedule only, and show it")
    parser.add_argument("--single", help="run one of the usual ways, WAY:FAULT:CALL, and show it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.single is not None:
        return _show(single(given.single))
    if given.seed is not None:
        schedule = schedule_of(given.seed)
        return _show(schedule, explained(given.seed) if schedule.run().violations else None)
    if given.first is None:
        # The usual ways with one fault each, and then what chance brings.
        work: list[str | range] = [*SCRIPTS]
        for kind in KINDS:
            work += _chunks(kind.first, int(given.schedules * kind.share))
    else:
        work = [*_chunks(given.first, given.schedules)]
    return _run_all(work, given.processes)


def _show(schedule: Schedule, text: str | None = None) -> int:
    print(text or "\n".join([*schedule.violations, schedule.told()]))
    return 1 if schedule.violations else 0


def _chunks(first: int, number: int) -> Iterator[range]:
    for start in range(first, first + number, _CHUNK):
        yield range(start, min(start + _CHUNK, first + number))


def _run_all(work: list[str | range], processes: int) -> int:
    started = shown = time.monotonic()
    failed: dict[str, str] = {}
    counted: collections.Counter[str] = collections.Counter()
    with ProcessPoolExecutor(processes) as pool:
        # In order, so that the result does not depend on the number of processes.
        for done, (violations, counts) in enumerate(pool.map(_run, work), start=1):
            failed |= violations
            counted += counts
            if time.monotonic() - shown >= _EVERY_SECONDS or done == len(work):
                shown = time.monotonic()
                share = f"{done / len(work):4.0%} after {shown - started:,.0f} s"
                print(f"{share}: {counted['schedules']:,} schedules, {len(failed)} failed", flush=True)
    seconds = time.monotonic() - started
    print(f"{counted.pop('schedules'):,} schedules in {seconds:,.0f} s with {processes} processes:")
    print(", ".join(f"{number:,} {what}" for what, number in counted.most_common()))
    for arguments, violation in list(failed.items())[:_SHOWN]:
        print(f"{command(arguments)}: {violation}")
    if failed:
        print(f"{len(failed)} schedules failed.")
        if seeds := [int(name.removeprefix("--seed ")) for name in failed if name.startswith("--seed ")]:
            print(explained(seeds[0]))
        return 1
    print("Each loop that ended was handled once, or a person knows.")
    return 0


def _run(work: str | range) -> tuple[dict[str, str], collections.Counter[str]]:
    """Runs the schedules of a script or of some seeds. Returns the first violation of each that failed, and counts."""
    failed: dict[str, str] = {}
    counted = collections.Counter[str]()
    if isinstance(work, str):
        ran = ((f"--single '{name}'", one) for name, one in singles(work))
    else:
        ran = ((f"--seed {seed}", schedule_of(seed).run()) for seed in work)
    for arguments, schedule in ran:
        counted += schedule.counts()
        if schedule.violations:
            failed[arguments] = schedule.violations[0]
    return failed, counted


if __name__ == "__main__":
    sys.exit(main())
