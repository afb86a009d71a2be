"""`publish --watch`: swaps whenever a file of the project changes, and shows the executions that start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from workflow import ROOT
from workflow.cli import warm
from workflow.cli.options import Sample, StageOptions
from workflow.cli.terminal import Output, console_for, end_line, tell
from workflow.errors import AfterloopError

if TYPE_CHECKING:
    from workflow.operations.new_executions import NewExecutions
    from workflow.operations.stage_resources import StageResources
    from workflow.publish.account import Account
    from workflow.publish.watching import Snapshot
    from workflow.stack.stages import Stage

__all__ = ["LIBRARIES", "ReadyCommand", "forget_compiled", "show_executions", "swap_changes"]

LIBRARIES = (
    *("boto3", "boto3.dynamodb.conditions", "jsonata", "packaging.requirements", "pydantic.main"),
    *("rich.console", "statelint.linter", "tomllib", "troposphere.serverless", "typer.main"),
)
"""What takes long of the libraries that a swap imports. `stepfunctions` is not one: the project prepares its import."""

LOOK_SECONDS = 2.0
"""How long to wait before executions are looked for again."""
LOOK_SECONDS_HERE = 0.2
"""The same on a local engine, which serves only this machine."""


def swap_changes(
    since: Snapshot,
    on: StageOptions,
    account: Account,
    stage: Stage,
    *,
    accepted: Sequence[str] = (),
    sample: Sample | None = None,
) -> None:
    """Swaps whenever files change, until Ctrl-C. A mistake in a file is shown, and ends nothing.

    Args:
        since: The files that the stage was published from.
        on: The options that it was published with.
        account: Where it is.
        stage: Its settings.
        accepted: The names of risks that are accepted.
        sample: The event to run the workflow with, now and after each swap.

    Raises:
        AfterloopError: The stage is no longer published.
    """
    from workflow.publish.watching import changes

    resources = on.resources(account.session)
    with ExitStack() as ending:
        swap = ReadyCommand(_arguments(on, accepted))
        ending.callback(swap.close)
        ending.enter_context(_shown_executions(account, resources))
        run_sample = ending.enter_context(_samples(account, resources, stage.output_buckets[0], sample))
        tell("Watching for changes. Press Ctrl-C to stop.")
        try:
            run_sample()
            for files in changes(ROOT, on.settings, since):
                tell(f"Changed: {', '.join(file.name for file in files)}")
                forget_compiled(files)
                if swap.run() == 0:
                    run_sample()
        except KeyboardInterrupt:
            end_line(sys.stdout)
    tell("Stopped watching.")


def forget_compiled(files: Iterable[Path]) -> None:
    """Deletes the bytecode of files: Python would use it after an edit in the same second that keeps their length."""
    for file in files:
        if file.suffix == ".py":
            Path(cache_from_source(str(file))).unlink(missing_ok=True)


def _arguments(on: StageOptions, accepted: Sequence[str]) -> list[str]:
    arguments = ["publish", "--swap", "--yes"]
    for option in ("stage", "settings", "profile", "region"):
        if value := getattr(on, option):
            arguments += [f"--{option}", str(value)]
    for name in accepted:
        arguments += ["--accept", name]
    return arguments


class ReadyCommand:
    """A command of this project that runs again and again, each time in a process that waits for it (see `warm`).

    This process has already imported the workflow's modules, and would not see their changes.

    Args:
        arguments: The arguments of `deploy.py`.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        python = [sys.executable, "-P", warm.__file__]
        self._command = [*python, ",".join(LIBRARIES), str(ROOT), *arguments]
        self._next = self._started()

    def run(self) -> int:
        """Runs the command, and returns its exit status."""
        process = self._next
        try:
            process.communicate(b"run\n")
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reaches it, too. It reports what it leaves.
            raise
        self._next = self._started()
        return process.returncode

    def close(self) -> None:
        """Ends the process that waits."""
        self._next.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603  the command line of this project


# Executions


@contextmanager
def _shown_executions(account: Account, resources: StageResources) -> Iterator[None]:
    """Shows the executions that start during the block. A thread does it, so that files are looked at all the time."""
    from workflow.operations.new_executions import LOGS_LATER_SECONDS, LOGS_SECONDS, NewExecutions

    logs, later = (LOGS_SECONDS, LOGS_LATER_SECONDS) if account.is_aws else (LOOK_SECONDS_HERE, 1.0)
    executions = NewExecutions(account.session, resources, logs_seconds=logs, logs_later_seconds=later)
    stopped = Event()
    pause = LOOK_SECONDS if account.is_aws else LOOK_SECONDS_HERE
    thread = Thread(target=show_executions, args=(executions, resources.stage, stopped, pause), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def show_executions(executions: NewExecutions, stage: str, stopped: Event, pause: float) -> None:
    """Prints what is new in executions until it is stopped. What passes by itself, such as throttling, ends nothing.

    Args:
        executions: Where they are looked for.
        stage: The stage's name.
        stopped: Set to stop it.
        pause: How long to wait before each look, in seconds.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from lambdas.aws.transient import is_transient
    from workflow.cli.show_news import show_news

    console, problem = console_for(Output.TEXT), ""
    while not stopped.wait(pause):
        try:
            for news in executions.look():
                show_news(console, news, stage)
        except (AfterloopError, ClientError, BotoCoreError) as error:
            passes = not isinstance(error, AfterloopError) and is_transient(error)
            if str(error) != problem:
                tell(
                    f"warning: {error}; executions are {'looked for again' if passes else 'not shown'}",
                    err=True,
                )
            if not passes:
                return
            problem = str(error)


@contextmanager
def _samples(
    account: Account, resources: StageResources, bucket: str, sample: Sample | None
) -> Iterator[Callable[[], None]]:
    """Yields what runs the workflow with a sample event. Without a sample, it does nothing."""
    if sample is None:
        yield lambda: None
        return
    from botocore.exceptions import BotoCoreError, ClientError

    from workflow.operations.sample_executions import SampleExecutions, SampleSeries

    def start() -> None:
        try:
            series.start()
        except (AfterloopError, ClientError, BotoCoreError) as error:
            tell(f"error: the sample was not started: {error}", err=True)

    status: Any = sample.value.capitalize()
    with SampleSeries(SampleExecutions(resources, account.session, bucket), status) as series:
        yield start
