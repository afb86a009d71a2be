"""How fast the report is: `python -m benchmarks.bench_report`.

Generates a data set (or takes one with --data), then measures, each in a process of its own:

    baseline   reads the files and parses them as JSON, no more
    report     reads them, counts, draws, writes the page: what `python deploy.py report --source FOLDER` does
    bucket     the same from a bucket, as for a stage; the bucket is served by a process that shares the cores
    boto3      reads a part of them from the bucket with boto3's get_object, no more

Prints seconds, peak memory (resident set), and multiples: these figures can be compared between machines. Exits
with 1 when a report takes longer than 30 s or more than 1 GB for 100,000 reviews, in proportion for other numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sandbox.invented_reviews import write_reviews

FIRST, DAYS = date(2026, 1, 1), 30
SECONDS_LIMIT, MEMORY_LIMIT, PER_REVIEWS = 30.0, 1e9, 100_000
PART = 5_000
"""Reviews that boto3 reads: all of them would take minutes."""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=PER_REVIEWS, help="how many reviews to generate")
    parser.add_argument("--data", type=Path, help="a data set of sandbox.invented_reviews, instead")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
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
    with _served(data):
        found = {name: _fastest(name, data, rounds) for name in MEASURES}
    for name, figures in found.items():
        print(
            f"{name:9} {figures['seconds']:6.2f} s  {figures['peak'] / 1e6:6,.0f} MB peak  "
            f"{figures['reviews'] / figures['seconds']:9,.0f} reviews/s"
        )
    each = {name: figures["seconds"] / figures["reviews"] for name, figures in found.items()}
    print(f"\nreport / baseline: {each['report'] / each['baseline']:.2f}")
    print(f"bucket / report:   {each['bucket'] / each['report']:.2f}")
    print(f"boto3 / bucket:    {each['boto3'] / each['bucket']:.2f}")
    reports = [found["report"], found["bucket"]]
    allowed = SECONDS_LIMIT * max(1.0, reports[0]["reviews"] / PER_REVIEWS)
    within = all(one["seconds"] < allowed and one["peak"] < MEMORY_LIMIT for one in reports)
    print(f"limits ({allowed:.0f} s, {MEMORY_LIMIT / 1e6:,.0f} MB): {'kept' if within else 'NOT KEPT'}")
    return 0 if within else 1


@contextmanager
def _served(data: Path) -> Iterator[None]:
    """Serves the data set as a bucket, and tells boto3 where."""
    command = [sys.executable, "-m", "benchmarks.bucket", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        os.environ.update(
            AWS_ENDPOINT_URL_S3=server.stdout.readline().strip(),
            AWS_ACCESS_KEY_ID="benchmark",
            AWS_SECRET_ACCESS_KEY="benchmark",
            AWS_DEFAULT_REGION="us-east-1",
        )
        try:
            yield
        finally:
            server.terminate()


def _fastest(what: str, data: Path, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench_report", "--measure", what, "--data", str(data)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    return min(runs, key=lambda run: run["seconds"])


def _measured(what: str, data: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    reviews = MEASURES[what](data)
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


def _report(location: str) -> int:
    from workflow.operations.report.writing import write_report
    from workflow.operations.reviews_source import Period, open_reviews

    with tempfile.TemporaryDirectory() as folder:
        made = write_report(
            Path(folder) / "report.html",
            open_reviews(location),
            Period(FIRST, FIRST + timedelta(days=DAYS)),
        )
    return made.figures.reviews


def _boto3(data: Path) -> int:
    import boto3
    from botocore.config import Config

    keys = [str(path.relative_to(data)) for path in sorted((data / "reviews").glob("*/*/*.json"))[:PART]]
    s3 = boto3.client("s3", config=Config(max_pool_connections=32))
    with ThreadPoolExecutor(32) as pool:
        contents = pool.map(lambda key: s3.get_object(Bucket="bucket", Key=key)["Body"].read(), keys)
        return sum(1 for content in contents if content)


MEASURES = {
    "baseline": _baseline,
    "report": lambda data: _report(str(data)),
    "bucket": lambda data: _report("s3://bucket/reviews/"),
    "boto3": _boto3,
}


if __name__ == "__main__":
    sys.exit(main())
