"""Measures how fast publishing is: `python -m benchmarks.bench_publish`.

In separate processes, against a local engine:

    baseline        imports boto3, calls DescribeStacks once
    plan            `python deploy.py plan` with nothing to change and bundles cached

In this process:

    assembly        the definition, permissions and template of the workflow
    200 steps       the same with 200 more post-review steps
    cold, cached    the bundles of all functions for the local engine, with an empty and with a full cache

Baseline and plan run in turns, as do assembly and 200 steps: the ratios can be compared between machines. The seconds
are medians. The exit status is 1 if `plan` takes 2 s or more, 200 more steps take 1 s more, or bundles take 2 s cold
or 0.5 s cached.
"""

from __future__ import annotations

import argparse
import itertools
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
        times = {**_processes(Path(folder), rounds), **_assemblies(Path(folder)), **_bundles(Path(folder))}
    seconds = {name: median(measured) for name, measured in times.items()}
    seconds["200 steps, more"] = seconds.pop("200 steps") - seconds["assembly"]
    for name, value in seconds.items():
        print(f"{name:16} {value:7.3f} s" + (f"   at most {LIMITS[name]:g} s" if name in LIMITS else ""))
    print(f"\nplan / baseline:      {Ratio.of(times['plan'], times['baseline'])}")
    print(f"200 steps / assembly: {Ratio.of(times['200 steps'], times['assembly'])}")
    return int(any(seconds[name] >= limit for name, limit in LIMITS.items()))


def _processes(folder: Path, rounds: int) -> dict[str, list[float]]:
    settings = folder / "stages.toml"
    settings.write_text('[stages.bench]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    deploy = [sys.executable, str(ROOT / "deploy.py")]
    options = ["--stage", "bench", "--settings", str(settings)]
    with Sandbox.start(log_level="WARNING") as sandbox:
        run = partial(_run, sandbox.environment())
        run([*deploy, "publish", "--yes", *options])
        return in_turns(
            {
                "baseline": timed(lambda: run([sys.executable, "-c", BASELINE])),
                "plan": timed(lambda: run([*deploy, "plan", *options])),
            },
            rounds,
        )


def _assemblies(folder: Path) -> dict[str, list[float]]:
    steps = folder / "post_review.py"
    steps.write_text(STEPS)
    subjects: dict[str, Callable[[], object]] = {
        "assembly": assemble,
        "200 steps": lambda: assemble(post_review=steps),
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


def _run(environment: Mapping[str, str], command: list[str]) -> None:
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main())
