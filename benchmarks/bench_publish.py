"""Measures how fast publishing is: `python -m benchmarks.bench_publish`.

In separate processes, against a local engine:

    baseline        imports boto3, calls DescribeStacks once
    plan            `python deploy.py plan` with nothing to change; bundles and findings of checks are cached

In this process:

    assembly        the definition, permissions and template of the workflow, with all checks
    200 steps       the same with 200 more post-review steps
    cold, cached    the bundles of all functions for the local engine, with an empty and with a full cache

Baseline and plan run in turns, as do assembly and 200 steps: the ratios can be compared between machines. The seconds
are medians. Memory is the peak of the process. The exit status is 1 if `plan` takes 2 s or more, more than 2.5 times as
long as the baseline, or 100 MB or more, if 200 more steps take 1 s more, or bundles take 2 s cold or 0.5 s cached.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.pairs import Ratio, in_turns, timed
from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.stack.assembly import assemble
from workflow.stack.bundles import build_bundles, local

LIMITS = {"plan": 2.0, "200 steps, more": 1.0, "bundles, cold": 2.0, "bundles, cached": 0.5}
MAX_RATIO = 2.5
MAX_MB = 100

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of baseline and plan")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="afterloop-bench-") as folder:
        times, megabytes = _processes(Path(folder), rounds)
        times |= {**_assemblies(Path(folder)), **_bundles(Path(folder))}
    seconds = {name: median(measured) for name, measured in times.items()}
    seconds["200 steps, more"] = seconds.pop("200 steps") - seconds["assembly"]
    for name, value in seconds.items():
        print(f"{name:16} {value:7.3f} s" + (f"   at most {LIMITS[name]:g} s" if name in LIMITS else ""))
    ratio = Ratio.of(times["plan"], times["baseline"])
    print(f"\nplan / baseline:      {ratio}   at most {MAX_RATIO:g}")
    print(f"200 steps / assembly: {Ratio.of(times['200 steps'], times['assembly'])}")
    print(f"memory of plan:       {megabytes:.0f} MB   less than {MAX_MB} MB")
    too_slow = ratio.median > MAX_RATIO or any(seconds[name] >= limit for name, limit in LIMITS.items())
    return int(too_slow or megabytes >= MAX_MB)


def _processes(folder: Path, rounds: int) -> tuple[dict[str, list[float]], float]:
    """The seconds of the processes, and the peak of the memory of `plan` in MB."""
    settings = folder / "stages.toml"
    settings.write_text('[stages.bench]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    deploy = [sys.executable, str(ROOT / "deploy.py")]
    options = ["--stage", "bench", "--settings", str(settings)]
    with Sandbox.start(log_level="WARNING") as sandbox:
        run = partial(_run, sandbox.environment())
        run([*deploy, "publish", "--yes", *options])
        peaks: list[float] = []
        times = in_turns(
            {
                "baseline": timed(lambda: run([sys.executable, "-c", BASELINE])),
                "plan": timed(lambda: peaks.append(run([*deploy, "plan", *options]))),
            },
            rounds,
        )
        return times, max(peaks)


def _assemblies(folder: Path) -> dict[str, list[float]]:
    steps = folder / "post_review.py"
    steps.write_text(STEPS)
    # A new cache for each, so that everything is checked.
    caches = (folder / f"checks-{number}" for number in itertools.count())
    subjects: dict[str, Callable[[], object]] = {
        "assembly": lambda: assemble(cache=next(caches)),
        "200 steps": lambda: assemble(post_review=steps, cache=next(caches)),
    }
    return in_turns({name: timed(action) for name, action in subjects.items()}, rounds=5)


def _bundles(folder: Path) -> dict[str, list[float]]:
    build = partial(build_bundles, assemble().functions, local())
    caches = (folder / f"cache-{number}" for number in itertools.count())
    full = folder / "full"
    return in_turns(
        {
            "bundles, cold": timed(lambda: build(cache=next(caches))),
            "bundles, cached": timed(lambda: build(cache=full)),
        },
        rounds=5,
    )


def _run(environment: Mapping[str, str], command: list[str]) -> float:
    """Runs a command; returns the peak of its memory in MB.

    Raises:
        CalledProcessError: It failed.
    """
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # Linux counts in KiB, macOS in bytes.
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


if __name__ == "__main__":
    sys.exit(main())
