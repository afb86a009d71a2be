"""What the function that handles a completed review costs when it is cold: `python -m benchmarks.bench_collect`.

Two programs take turns against the same engine: a bare boto3 S3 client that gets a Textract output (136 KB) and
puts a review, and the function that does the same and all that lies between. Each time is a new
process; measured is from before its first import to after its first call.

Exit status 1 if the function takes more than 1.6 times as long as the bare client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

from benchmarks.bench_parse import review
from benchmarks.textract_documents import PAIRS_A_PAGE, document, event

LIMIT = 1.6
ROUNDS = 15
OUTPUT = ("outputs", "forms/output.json")


def main() -> int:
    """Measures, prints, and tells whether the limit holds."""
    from sandbox.engine import Sandbox

    with Sandbox.start() as sandbox:
        environment = {**os.environ, **sandbox.environment(), **_function_environment()}
        s3 = sandbox.client("s3")
        for bucket in ("outputs", "reviews"):
            s3.create_bucket(Bucket=bucket)
        raw = document(PAIRS_A_PAGE)
        s3.put_object(Bucket=OUTPUT[0], Key=OUTPUT[1], Body=raw)

        def seconds(program: str) -> float:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAMS[program]],
                env=environment,
                capture_output=True,
                check=True,
                text=True,
            )
            return float(done.stdout.splitlines()[-1])

        for program in _PROGRAMS:
            seconds(program)  # compiles what is not compiled yet
        rounds = [(seconds("bare"), seconds("function")) for _ in range(ROUNDS)]
    bare, function = (median(times) for times in zip(*rounds, strict=True))
    ratio = median(ours / theirs for theirs, ours in rounds)
    print(f"bare boto3 client: {bare * 1e3:.0f} ms; collect_review: {function * 1e3:.0f} ms")
    print(f"ratio: {ratio:.2f} (median of {ROUNDS} pairs; at most {LIMIT})")
    return int(ratio > LIMIT)


_BARE = """
import time
start = time.perf_counter()
import boto3
s3 = boto3.client("s3")
s3.get_object(Bucket={bucket!r}, Key={key!r})["Body"].read()
s3.put_object(Bucket="reviews", Key="bare.json", Body=BODY, ContentType="application/json")
print(time.perf_counter() - start)
"""

_FUNCTION = """
import time
start = time.perf_counter()
from lambdas.collect_review import handler
handler({payload!r}, CONTEXT)
print(time.perf_counter() - start)
"""

_CONTEXT = """
class CONTEXT:
    function_name = "collect_review"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:collect_review"
    aws_request_id = "1"
"""

_PROGRAMS = {
    # The body is as large as a record of the page.
    "bare": f"BODY = b'x' * {len(review(document(PAIRS_A_PAGE)))}\n"
    + _BARE.format(bucket=OUTPUT[0], key=OUTPUT[1]),
    "function": _CONTEXT + _FUNCTION.format(payload={"event": event(*OUTPUT)}),
}


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
