"""Measures the loop of a developer: `python -m benchmarks.bench_loop`.

Each round saves `workflow/post_review.py` with a new step, waits until it is published, sends the event of a completed
human loop, and ends when the execution with the new step has succeeded. On one local engine, in turns, each with a copy
of the project and a stage of its own:

    publish     `python deploy.py publish --yes` after the save
    swap        `python deploy.py publish --swap --yes` after the save
    watch       `python deploy.py publish --watch`, which runs all the time

The seconds are medians. The exit status is 1 if the loop with `watch` takes 3 s or more.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.pairs import Ratio, in_turns, timed
from sandbox.engine import Sandbox
from workflow import ROOT
from workflow.operations.sample_executions import SampleExecutions
from workflow.operations.stage_resources import StageResources

MAX_SECONDS = 3.0
BUCKET = "reviewed"
TIMEOUT_SECONDS = 60

STEPS = """
from workflow.steps import Pass, State
completed: list[State] = [Pass("Step {number}")]
failed: list[State] = []
stopped: list[State] = []
"""


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of both")
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory(prefix="afterloop-bench-") as folder,
        Sandbox.start(log_level="WARNING") as sandbox,
    ):
        sandbox.client("s3").create_bucket(Bucket=BUCKET)
        projects = {
            name: Project(name, Path(folder) / name, sandbox) for name in ("publish", "swap", "watch")
        }
        with projects["watch"].watching() as swapped:
            publish, swap, watch = projects.values()
            times = in_turns(
                {
                    "publish": timed(lambda: publish.loop(lambda: publish.deploy("--yes"))),
                    "swap": timed(lambda: swap.loop(lambda: swap.deploy("--swap", "--yes"))),
                    "watch": timed(lambda: watch.loop(swapped)),
                },
                rounds,
            )
    for name, measured in times.items():
        limit = f"   less than {MAX_SECONDS:g} s" if name == "watch" else ""
        print(f"{name:8} {median(measured):6.2f} s{limit}")
    for name in ("publish", "swap"):
        print(f"watch / {name}: {Ratio.of(times['watch'], times[name])}")
    return int(median(times["watch"]) >= MAX_SECONDS)


class Project:
    """A copy of the project, with a stage that is published from it.

    Args:
        stage: The stage's name.
        folder: Where to copy the project to.
        sandbox: The engine.
    """

    def __init__(self, stage: str, folder: Path, sandbox: Sandbox) -> None:
        self._stage, self._folder, self._sandbox = stage, folder, sandbox
        self._saved = 0
        for name in ("lambdas", "requirements", "workflow"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "deploy.py", folder)
        sandbox.flow_definitions.create(stage, BUCKET)
        # The benchmark starts executions itself. Only loops of this flow definition would start some, too.
        (folder / "stages.toml").write_text(
            f'[stages.{stage}]\nregion = "us-east-1"\noutput_buckets = ["{BUCKET}"]\nflow_definitions = ["{stage}"]\n'
        )
        self.deploy("--yes")
        session = sandbox.session
        self._states = session.client("stepfunctions")
        self._samples = SampleExecutions(StageResources.find(stage, session), session, BUCKET)

    def deploy(self, *options: str) -> None:
        """Publishes to the end."""
        subprocess.run(
            self._publish(*options),
            cwd=self._folder,
            env=self._sandbox.environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @contextmanager
    def watching(self) -> Iterator[Callable[[], None]]:
        """Runs `publish --watch`. Yields what waits for the next swap."""
        log = self._folder / "log"
        with log.open("w") as written:
            watch = subprocess.Popen(
                self._publish("--watch", "--yes"),
                cwd=self._folder,
                env=self._sandbox.environment(),
                stdout=written,
            )
        try:
            _wait(lambda: "Watching for changes" in log.read_text())
            yield lambda: _wait(lambda: log.read_text().count("Swapped: definition") == self._saved)
        finally:
            watch.send_signal(signal.SIGINT)
            watch.wait(TIMEOUT_SECONDS)

    def loop(self, published: Callable[[], None]) -> None:
        """Saves a new step, has it published, and waits until an execution with it has succeeded."""
        self._saved += 1
        (self._folder / "workflow/post_review.py").write_text(STEPS.format(number=self._saved))
        published()
        with ExitStack() as cleaning:
            arn = self._samples.start("Completed", f"bench-{uuid.uuid4().hex[:8]}", cleaning).arn
            _wait(lambda: self._states.describe_execution(executionArn=arn)["status"] != "RUNNING")
            events = self._states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        entered = {event.get("stateEnteredEventDetails", {}).get("name") for event in events}
        assert events[-1]["type"] == "ExecutionSucceeded", events[-1]
        assert f"Step {self._saved}" in entered, entered

    def _publish(self, *options: str) -> list[str]:
        return [sys.executable, "-u", "deploy.py", "publish", *options, "--stage", self._stage]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
