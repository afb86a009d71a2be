"""How fast publishing is: `python -m benchmarks.bench_publish`.

On an engine of its own, in processes of their own, the fastest of some rounds:

    baseline        imports boto3, asks CloudFormation for one stack, ends
    plan            `python deploy.py plan`, nothing changed, bundles cached

and in this process:

    assembly        definition, permissions and template of the workflow as it is
    200 steps       the same with 200 post-review steps more
    bundles         of all functions for the local engine: with an empty cache, and with a full one

Prints seconds, and `plan` as a multiple of the baseline: that figure can be compared between machines.
Exits with 1 when a plan takes 2 s or more, 200 steps 1 s more, bundles 2 s cold or 0.5 s cached.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.stack.assembly import assemble
from workflow.stack.bundles import build_bundles, local

ROUNDS = 5
LIMITS = {"plan": 2.0, "200 steps, more": 1.0, "bundles, cold": 2.0, "bundles, cached": 0.5}

BASELINE = """
import boto3
boto3.client("cloudformation").describe_stacks(StackName="afterloop-bench")
"""

STEPS = """
from workflow.steps import Pass
completed = [Pass(f"Step {number}") for number in range(200)]
failed = []
stopped = []
"""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="afterloop-bench-") as folder:
        seconds = {**_processes(Path(folder)), **_in_this_process(Path(folder))}
    for name, value in seconds.items():
        print(f"{name:16} {value:7.3f} s" + (f"   at most {LIMITS[name]:g} s" if name in LIMITS else ""))
    print(f"\nplan / baseline: {seconds['plan'] / seconds['baseline']:.2f}")
    return int(any(seconds[name] >= limit for name, limit in LIMITS.items()))


def _processes(folder: Path) -> dict[str, float]:
    settings = folder / "stages.toml"
    settings.write_text('[stages.bench]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    deploy = [sys.executable, str(ROOT / "deploy.py")]
    options = ["--stage", "bench", "--settings", str(settings)]
    with Sandbox.start(log_level="WARNING") as sandbox:
        environment = os.environ | sandbox.environment()
        _run([*deploy, "publish", "--yes", *options], environment)
        return {
            "baseline": _fastest(lambda: _run([sys.executable, "-c", BASELINE], environment)),
            "plan": _fastest(lambda: _run([*deploy, "plan", *options], environment)),
        }


def _in_this_process(folder: Path) -> dict[str, float]:
    steps = folder / "post_review.py"
    steps.write_text(STEPS)
    functions = assemble().functions
    plain = _fastest(assemble)
    caches = iter(folder / f"cache-{number}" for number in range(ROUNDS))
    cold = _fastest(lambda: build_bundles(functions, local(), cache=next(caches)))
    return {
        "assembly": plain,
        "200 steps, more": _fastest(lambda: assemble(post_review=steps)) - plain,
        "bundles, cold": cold,
        "bundles, cached": _fastest(lambda: build_bundles(functions, local(), cache=folder / "cache-0")),
    }


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def _fastest(call: Callable[[], object]) -> float:
    def seconds() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return min(seconds() for _ in range(ROUNDS))


if __name__ == "__main__":
    sys.exit(main())
