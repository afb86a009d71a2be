"""Ends a thousand human loops at once on the local engine: `python -m benchmarks.bench_burst`.

Each loop must be handled once: one execution that succeeds, one claim, one stored review. Executions of events that
arrive twice end in *Already handled*. Counted, and none allowed, are executions that are

    red      did not succeed
    lost     loops without a stored review
    double   loops that were handled more than once

More functions start at once than the engine's limit of invocations allows (16), so most are throttled and retried, as
on AWS. The baseline is the same burst on a stage whose function for a completed review returns at once, without
reading, comparing or storing anything: what is left is the time of the engine itself. Both run in turns on the same
engine, each after a burst of 20 loops that is not counted. A round of 1,000 loops takes one to two minutes on two
cores. Most of that is the waits between retries, which are those of the workflow.

The exit status is 1 if any execution is red, or any loop is lost or handled twice.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pairs import Ratio
from lambdas.loops.ledger import Ledger
from sandbox.engine import Sandbox
from sandbox.local import local_stage
from sandbox.samples import SUPPORT_MESSAGE
from workflow import ROOT
from workflow.publish.account import Account
from workflow.publish.package import make_package
from workflow.publish.publishing import publish
from workflow.stack.assembly import assemble
from workflow.stack.targets import local

MAX_SECONDS = 1200
WARM_UP = 20
PEOPLE = 16
"""How many loops are answered at a time."""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=int, default=1000, help="how many loops end at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often each burst runs, 2 or more")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {"burst": [], "baseline": []}
    faults = 0
    with Sandbox.start(log_level="WARNING") as sandbox, tempfile.TemporaryDirectory() as folder:
        burst = Burst(sandbox, "burst", ROOT)
        burst.run(WARM_UP)
        baseline = Burst(sandbox, "baseline", _returning_at_once(Path(folder), burst.review()))
        baseline.run(WARM_UP)
        for number in range(options.rounds):
            for subject in (burst, baseline):
                took, found = subject.run(options.loops)
                seconds[subject.name].append(took)
                print(f"round {number + 1}, {subject.name:9} {took:6.1f} s   {found}", flush=True)
                faults += found.count
    print(f"\nburst:    {median(seconds['burst']):6.1f} s (median) for {options.loops:,} loops")
    print(f"baseline: {median(seconds['baseline']):6.1f} s (median), with functions that return at once")
    print(f"burst / baseline: {Ratio.of(seconds['burst'], seconds['baseline'])}")
    return int(faults > 0)


class Found:
    """What a burst left behind.

    Attributes:
        red: Executions that did not succeed.
        lost: Loops without a stored review.
        double: Loops that were handled more than once.
        repeated: Executions that ended in *Already handled*.
        errors: Why executions did not succeed: how often each error.
    """

    def __init__(self) -> None:
        self.red = self.lost = self.double = self.repeated = 0
        self.errors: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many things went wrong."""
        return self.red + self.lost + self.double

    def __str__(self) -> str:
        """Returns the figures in words."""
        errors = "".join(f"; {count} {error}" for error, count in self.errors.most_common())
        return f"{self.red} red, {self.lost} lost, {self.double} double ({self.repeated} repeated){errors}"


class Burst:
    """A published stage with a flow definition of its own, on which loops end."""

    def __init__(self, sandbox: Sandbox, name: str, root: Path) -> None:
        self.name = name
        self._sandbox = sandbox
        self._states = sandbox.client("stepfunctions")
        stage = local_stage().model_copy(update={"name": name, "flow_definitions": (name,)})
        self._flow = sandbox.flow_definitions.create(name, stage.output_buckets[0])
        account = Account(sandbox.session)
        package = make_package(
            stage, assemble(), local(), account=account.id, artifact_bucket=account.artifact_bucket, root=root
        )
        published = publish(account, stage, package, confirm=lambda plan: True)
        assert published is not None
        self._machine = published.outputs["StateMachine"]
        self._bucket = published.outputs["ReviewBucket"]
        self._ledger = Ledger(sandbox.client("dynamodb"), published.outputs["LedgerTable"])
        self._seen: set[str] = set()
        self._kept = 0

    def run(self, count: int) -> tuple[float, Found]:
        """Ends loops at once, and waits until all executions have ended.

        Returns:
            The seconds from the first answer to the end of the last execution, and what was found then.
        """
        a2i = self._sandbox.client("sagemaker-a2i-runtime")
        content = json.dumps(SUPPORT_MESSAGE.prediction)
        names = [f"{self.name}-{uuid.uuid4().hex[:12]}" for _ in range(count)]
        with ThreadPoolExecutor(PEOPLE) as people:
            for _ in people.map(
                lambda name: a2i.start_human_loop(
                    HumanLoopName=name, FlowDefinitionArn=self._flow, HumanLoopInput={"InputContent": content}
                ),
                names,
            ):
                pass
            start = time.time()
            answers = people.map(
                lambda name: self._sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0]), names
            )
            for _ in answers:
                pass
        executions = self._ended(count, start)
        return max(one["stopDate"].timestamp() for one in executions) - start, self._check(names, executions)

    def review(self) -> Any:
        """Returns what the function returned for the last review."""
        described = self._states.describe_execution(executionArn=next(iter(self._seen)))
        return json.loads(described["output"])["review"]

    def _ended(self, count: int, start: float) -> list[dict[str, Any]]:
        """Waits until the executions of a burst have ended, and returns them."""
        while time.time() < start + MAX_SECONDS:
            pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=self._machine)
            found = [
                one for page in pages for one in page["executions"] if one["executionArn"] not in self._seen
            ]
            if len(found) >= count and not any(one["status"] == "RUNNING" for one in found):
                self._seen |= {one["executionArn"] for one in found}
                return found
            time.sleep(1)
        raise TimeoutError(f"after {MAX_SECONDS} s, not all of {count} executions have ended")

    def _check(self, names: list[str], executions: list[dict[str, Any]]) -> Found:
        found = Found()
        handled: Counter[str] = Counter()
        for one in executions:
            described = self._states.describe_execution(executionArn=one["executionArn"])
            if one["status"] != "SUCCEEDED":
                found.red += 1
                found.errors[described.get("error", one["status"])] += 1
            name = json.loads(described["input"])["detail"]["humanLoopName"]
            if "review" in json.loads(described.get("output", "{}")):
                handled[name] += 1
            else:
                found.repeated += one["status"] == "SUCCEEDED"
        for name in names:
            row = self._ledger.find(name)
            found.lost += row is None or row.outcome != "stored" or not row.review_location
            found.double += handled[name] > 1 or (row is not None and len(row.claims) > 1)
        pages = self._sandbox.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        kept = sum(one["Key"].startswith("reviews/") for page in pages for one in page.get("Contents", []))
        if self.name == "burst":
            found.double += max(0, kept - self._kept - len(names))
            found.lost = max(found.lost, len(names) - (kept - self._kept))
        self._kept = kept
        return found


def _returning_at_once(folder: Path, review: Any) -> Path:
    """Returns a copy of the sources in which the function for a completed review returns this one at once."""
    for part in ("lambdas", "requirements"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".build").symlink_to(ROOT / ".build")
    (folder / "lambdas/collect_review.py").write_text(
        f"import json\nREVIEW = json.loads({json.dumps(review)!r})\n\ndef handler(event, context):\n    return REVIEW\n"
    )
    return folder


if __name__ == "__main__":
    sys.exit(main())
