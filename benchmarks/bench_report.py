"""How fast the report is: `python -m benchmarks.bench_report`.

Generates a data set (or takes one with --data), then measures, each in a process of its own:

    baseline   reads the same files and parses them as JSON, no more
    report     reads them, counts, draws, writes the page: what `python deploy.py report --source` does

Prints seconds, peak memory (resident set), and the report as a multiple of the baseline: that figure can be
compared between machines. Exits with 1 when the report takes longer than 30 s or more than 1 GB for 100,000
reviews, in proportion for other numbers.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sandbox.invented_reviews import write_reviews

FIRST, DAYS = date(2026, 1, 1), 30
SECONDS_LIMIT, MEMORY_LIMIT, PER_REVIEWS = 30.0, 1e9, 100_000


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=PER_REVIEWS, help="how many reviews to generate")
    parser.add_argument("--data", type=Path, help="a data set of sandbox.invented_reviews, instead")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--measure", choices=("baseline", "report"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measured(options.measure, options.data)))
        return 0
    with tempfile.TemporaryDirectory(prefix="afterloop-bench-") as folder:
        data = options.data
        if data is None:
            data = Path(folder)
            size = write_reviews(data, options.count, first=FIRST, days=DAYS, seed=7)
            print(f"{options.count:,} reviews generated, {size / 1e6:,.0f} MB\n")
        return _compare(data, options.rounds)


def _compare(data: Path, rounds: int) -> int:
    baseline, report = (_fastest(what, data, rounds) for what in ("baseline", "report"))
    for name, figures in (("baseline", baseline), ("report", report)):
        print(
            f"{name:9} {figures['seconds']:6.2f} s  {figures['peak'] / 1e6:6,.0f} MB peak  "
            f"{figures['reviews'] / figures['seconds']:9,.0f} reviews/s"
        )
    print(f"\nreport / baseline: {report['seconds'] / baseline['seconds']:.2f}")
    allowed = SECONDS_LIMIT * max(1.0, report["reviews"] / PER_REVIEWS)
    within = report["seconds"] < allowed and report["peak"] < MEMORY_LIMIT
    print(f"limits ({allowed:.0f} s, {MEMORY_LIMIT / 1e6:,.0f} MB): {'kept' if within else 'NOT KEPT'}")
    return 0 if within else 1


def _fastest(what: str, data: Path, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench_report", "--measure", what, "--data", str(data)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    return min(runs, key=lambda run: run["seconds"])


def _measured(what: str, data: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    reviews = _baseline(data) if what == "baseline" else _report(data)
    seconds = time.perf_counter() - begin
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": seconds, "peak": peak, "reviews": reviews}


def _baseline(data: Path) -> int:
    reviews = 0
    for path in sorted((data / "reviews").glob("*/*/*.json")):
        json.loads(path.read_bytes())
        reviews += 1
    return reviews


def _report(data: Path) -> int:
    from workflow.operations.report.writing import write_report
    from workflow.operations.reviews_source import Period, open_reviews

    with tempfile.TemporaryDirectory() as folder:
        made = write_report(
            Path(folder) / "report.html",
            open_reviews(str(data)),
            Period(FIRST, FIRST + timedelta(days=DAYS)),
        )
    return made.figures.reviews


if __name__ == "__main__":
    sys.exit(main())
