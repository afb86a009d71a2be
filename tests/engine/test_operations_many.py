"""Tests of `python deploy.py loops` for many loops at once, on a published stage."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest
from rich.text import Text

from sandbox.faults import Delay, Error, Throttle
from sandbox.samples import SUPPORT_MESSAGE
from tests.command_line import printed_json
from tests.engine.published import PublishedStage
from tests.engine.test_operations import handled
from tests.engine.test_operations_cli import Run, run
from workflow import ROOT

__all__ = ["run"]


@pytest.fixture
def flow(published: PublishedStage) -> str:
    return published.flow_definition()


def red_loops(published: PublishedStage, flow: str, number: int) -> tuple[list[str], Callable[[], None]]:
    """Lets the workflow fail for some loops, because their outputs are missing.

    Returns:
        The names of the loops, and a function that puts the outputs in their places.
    """
    first, *others = names = [published.name() for _ in range(number)]
    published.start(first, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.events.lose()
    published.sandbox.loops.answer(first, SUPPORT_MESSAGE.answers[0])
    bucket, key = published.sandbox.loops.get(first).output_uri.removeprefix("s3://").split("/", 1)
    output = published.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    published.s3.delete_object(Bucket=bucket, Key=key)
    published.sandbox.events.redeliver(first)
    keys = {first: key} | {name: key.replace(first, name) for name in others}
    for name in others:
        location = {"outputS3Uri": f"s3://{bucket}/{keys[name]}"}
        event = published.event(name, "Completed", flowDefinitionArn=flow, humanLoopOutput=location)
        published.sandbox.events.deliver(event)
    for name in names:
        published.eventually(lambda name=name: published.row(name).outcome == "failed", timeout=60)

    def restore() -> None:
        for name in names:
            published.s3.put_object(Bucket=bucket, Key=keys[name], Body=output.replace(first, name))

    return names, restore


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self._reader, writer = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "deploy.py", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=writer,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
            # Makes it the controlling terminal, which turns Ctrl-C into a signal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(writer)

    def press_ctrl_c(self) -> None:
        os.write(self._reader, b"\x03")

    def end(self) -> tuple[int, str]:
        """Waits for the end. Returns the exit status and what the terminal showed."""
        shown = bytearray()
        with contextlib.suppress(OSError):  # EIO: the process has closed the terminal.
            while data := os.read(self._reader, 65_536):
                shown += data
        os.close(self._reader)
        return self.process.wait(), Text.from_ansi(shown.decode()).plain


def test_interrupted_redrive_of_many_loops_continues(published: PublishedStage, flow: str, run: Run) -> None:
    names, restore = red_loops(published, flow, 3)
    restore()
    command = (
        "redrive",
        "--flow-definition",
        flow,
        "--failure-code",
        "OutputMissing",
        "--at-once",
        "1",
        "--yes",
    )
    environment = published.sandbox.environment()

    slow = Delay(1)
    with published.sandbox.faults.inject(
        slow, service="stepfunctions", operation="StartExecution"
    ) as delayed:
        terminal = Terminal("loops", *command, "--stage", "local", environment=environment)
        published.eventually(lambda: delayed.count == 1, timeout=60, message="the first redrive has begun")
        terminal.press_ctrl_c()
        status, shown = terminal.end()
    assert status == 130
    assert "Finishing what was begun. To exit at once, press Ctrl-C again." in shown
    assert "Human loops: 3; 1 being processed, 2 not begun." in " ".join(shown.split())
    assert "error: interrupted: 2 were not begun; to continue, run the same command again" in shown
    assert delayed.count == 1

    busy = Throttle()
    with published.sandbox.faults.inject(busy, service="stepfunctions", operation="StartExecution", times=6):
        status, out, _ = run(*command, "--output", "json")
    document = printed_json("loops redrive", out, several=True)
    assert (status, document["left"]) == (0, 0)
    assert {one["result"] for one in document["results"]} <= {"done", "skipped"}
    for name in names:
        published.eventually(lambda name=name: published.row(name).outcome == "stored")
        _, second = published.ended(name, 2)
        assert "Record review" in second["states"]
    assert run(*command)[:2] == (
        0,
        f"No human loops match: outcome failed, flow definition {flow}, failure code OutputMissing.\n",
    )


def test_undelivered_events_are_processed(published: PublishedStage, run: Run) -> None:
    name = published.name()
    denied = Error("AccessDeniedException")
    with published.sandbox.faults.inject(
        denied, service="stepfunctions", operation="StartExecution", caller="rules"
    ):
        published.sandbox.events.deliver(published.event(name, "Stopped"))
        published.eventually(lambda: json.loads(dry_run(run))["matched"] == 1, timeout=60)
    assert published.executions(name) == []

    status, out, err = run("redrive", "--undelivered")

    assert (status, err) == (0, "")
    assert out.startswith(f"processed: {name} (message ")
    assert handled(published, name).outcome == "notified"
    assert run("redrive", "--undelivered")[1] == "There are no undelivered events.\n"


def dry_run(run: Run) -> str:
    return run("redrive", "--undelivered", "--dry-run", "--output", "json")[1]
