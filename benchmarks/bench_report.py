"""Measures how long a report takes, and how much memory: `python -m benchmarks.bench_report`.

It generates reviews (or takes them from --data), then runs these in turns, each in a new process:

    json     reads the files and parses them with json.loads, nothing else
    report   reads the files, counts, and writes the page, as `python deploy.py report --source FOLDER` does
    bucket   the same from a bucket, as for a stage; the server of the bucket shares the processor cores
    boto3    gets 5,000 of the objects with boto3, nothing else; all of them would take minutes

It prints seconds, peak memory (resident set) and the ratios of the times per review. The exit status is 1 if `report`
takes more than 4 times as long as `json`, `bucket` more than 5 times as long as `report`, or either more than 1 GB.
With much fewer than 100,000 reviews, the first ratio is higher: imports and charts take the same time for any number.
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
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pairs import Ratio, in_turns
from sandbox.invented_reviews import write_reviews

FIRST, DAYS = date(2026, 1, 1), 30
MAX_RATIOS = {("report", "json"): 4.0, ("bucket", "report"): 5.0}
MAX_BYTES = 1e9
BOTO3_REVIEWS = 5_000


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="how many reviews to generate")
    parser.add_argument("--data", type=Path, help="a folder of sandbox.invented_reviews to use instead")
    parser.add_argument("--rounds", type=int, default=3, help="how often to run each, 2 or more")
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
    peak: dict[str, float] = {}
    reviews: dict[str, int] = {}

    def process(name: str) -> float:
        command = [sys.executable, "-m", "benchmarks.bench_report", "--measure", name, "--data", str(data)]
        run = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        peak[name], reviews[name] = run["peak"], run["reviews"]
        return float(run["seconds"] / run["reviews"])

    with _served(data):
        times = in_turns({name: partial(process, name) for name in MEASURES}, rounds)
    seconds = {name: median(times[name]) * reviews[name] for name in MEASURES}
    for name in MEASURES:
        print(
            f"{name:7} {seconds[name]:6.2f} s  {peak[name] / 1e6:6,.0f} MB peak  "
            f"{reviews[name] / seconds[name]:9,.0f} reviews/s"
        )
    print()
    print(f"boto3 / bucket, time per review: {Ratio.of(times['boto3'], times['bucket'])}")
    within = all(peak[name] < MAX_BYTES for name in ("report", "bucket"))
    for (name, baseline), limit in MAX_RATIOS.items():
        ratio = Ratio.of(times[name], times[baseline])
        print(f"{name} / {baseline}, time per review: {ratio}; limit {limit}")
        within = within and ratio.median <= limit
    print(f"limits (ratios, and {MAX_BYTES / 1e6:,.0f} MB): {'met' if within else 'EXCEEDED'}")
    return 0 if within else 1


@contextmanager
def _served(data: Path) -> Iterator[None]:
    """Serves the folder as a bucket, and sets the environment of boto3 for it."""
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


def _measured(name: str, data: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    reviews = MEASURES[name](data)
    seconds = time.perf_counter() - begin
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": seconds, "peak": peak, "reviews": reviews}


def _json(data: Path) -> int:
    reviews = 0
    for path in sorted((data / "reviews").glob("*/*/*.json")):
        json.loads(path.read_bytes())
        reviews += 1
    return reviews


def _report(location: str) -> int:
    from workflow.operations.report.writing import make_report, write_report
    from workflow.operations.reviews_source import Period, open_reviews

    with tempfile.TemporaryDirectory() as folder:
        made = make_report(open_reviews(location), Period(FIRST, FIRST + timedelta(days=DAYS)))
        write_report(made, Path(folder) / "report.html")
    return made.figures.reviews


def _boto3(data: Path) -> int:
    import boto3
    from botocore.config import Config

    keys = [
        str(path.relative_to(data)) for path in sorted((data / "reviews").glob("*/*/*.json"))[:BOTO3_REVIEWS]
    ]
    s3 = boto3.client("s3", config=Config(max_pool_connections=32))
    with ThreadPoolExecutor(32) as pool:
        contents = pool.map(lambda key: s3.get_object(Bucket="bucket", Key=key)["Body"].read(), keys)
        return sum(1 for content in contents if content)


MEASURES = {
    "json": _json,
    "report": lambda data: _report(str(data)),
    "bucket": lambda data: _report("s3://bucket/reviews/"),
    "boto3": _boto3,
}


if __name__ == "__main__":
    sys.exit(main())
