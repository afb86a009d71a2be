"""Measures a cold start of the function for a completed review: `python -m benchmarks.bench_collect`.

The baseline is a bare boto3 S3 client that gets the same Textract output (136 KB) and puts an object of the same size
as the review record. Both run in turns against the same engine. Each run is a new process, measured from before its
first import to after its first call.

The exit status is 1 if the function takes more than 1.6 times as long as the baseline.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from statistics import median

from benchmarks.bench_parse import review
from benchmarks.pairs import Ratio, in_turns
from benchmarks.textract_documents import PAIRS_A_PAGE, document, event

MAX_RATIO = 1.6
ROUNDS = 15
OUTPUT = ("outputs", "forms/output.json")

BASELINE = """
import time
start = time.perf_counter()
import boto3
s3 = boto3.client("s3")
s3.get_object(Bucket={bucket!r}, Key={key!r})["Body"].read()
s3.put_object(Bucket="reviews", Key="bare.json", Body=b"x" * {size}, ContentType="application/json")
print(time.perf_counter() - start)
"""

FUNCTION = """
import time

class CONTEXT:
    function_name = "collect_review"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:collect_review"
    aws_request_id = "1"

start = time.perf_counter()
from lambdas.collect_review import handler
handler({payload!r}, CONTEXT)
print(time.perf_counter() - start)
"""


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    from sandbox.engine import Sandbox

    with Sandbox.start() as sandbox:
        environment = sandbox.environment(**_function_environment())
        s3 = sandbox.client("s3")
        for bucket in ("outputs", "reviews"):
            s3.create_bucket(Bucket=bucket)
        raw = document(PAIRS_A_PAGE)
        s3.put_object(Bucket=OUTPUT[0], Key=OUTPUT[1], Body=raw)
        baseline = BASELINE.format(bucket=OUTPUT[0], key=OUTPUT[1], size=len(review(raw)))
        function = FUNCTION.format(payload={"event": event(*OUTPUT)})
        times = in_turns(
            {
                "bare boto3 client": _process(baseline, environment),
                "collect_review": _process(function, environment),
            },
            ROUNDS,
        )
    for name, seconds in times.items():
        print(f"{name:17} {median(seconds) * 1e3:4.0f} ms (median)")
    ratio = Ratio.of(times["collect_review"], times["bare boto3 client"])
    print(f"collect_review / bare boto3 client: {ratio}; limit {MAX_RATIO}")
    return int(ratio.median > MAX_RATIO)


def _process(code: str, environment: dict[str, str]) -> Callable[[], float]:
    """Returns a function that runs code in a new process and returns the seconds that the code prints."""

    def seconds() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True
        )
        return float(done.stdout.splitlines()[-1])  # the function logs before it

    return seconds


def _function_environment() -> dict[str, str]:
    return {
        "STAGE": "bench",
        "LEDGER_TABLE": "ledger",
        "REVIEW_BUCKET": "reviews",
        "REVIEW_SETTINGS": json.dumps({"outputBuckets": ["outputs"]}),
        "RESTART_SETTINGS": "{}",
        "POWERTOOLS_SERVICE_NAME": "afterloop",
        "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
    }


if __name__ == "__main__":
    sys.exit(main())
