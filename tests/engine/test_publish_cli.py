"""Tests of the commands that publish a stage, against the embedded engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.command_line import Answers, interrupted, printed_json, run
from tests.publish_failures import saw
from workflow import ROOT


@dataclass(frozen=True)
class Deploy:
    """Runs `python deploy.py` with the stage of a test. Standard input is not a terminal."""

    settings: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a command, in this process."""
        return run(*arguments, "--stage", "cli", "--settings", str(self.settings), capsys=self.capsys)

    def json(self, command: str, *options: str, status: int = 0) -> Any:
        """The JSON document of a command, which must have the command's shape, and end with the status."""
        ended, out, err = self(command, *options, "--output", "json")
        assert ended == status, err
        return printed_json(command, out)


@pytest.fixture
def deploy(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Deploy:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in sandbox.environment(COLUMNS="40").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    settings = tmp_path / "stages.toml"
    settings.write_text('[stages.cli]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    return Deploy(settings, capsys)


KILLED = """
import os, signal, sys
import deploy
from workflow.publish.stacks import Stacks

execute = Stacks.execute_change_set

def killed(*arguments, **options):
    execute(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

Stacks.execute_change_set = killed
deploy.main(sys.argv[1:])
"""


def publish_and_be_killed(deploy: Deploy) -> None:
    """Publishes in a process that is killed as soon as CloudFormation works."""
    command = [sys.executable, "-c", KILLED, "publish", "--yes", "--stage", "cli"]
    ended = subprocess.run([*command, "--settings", str(deploy.settings)], cwd=ROOT, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def check_end_of_a_process(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Any]
) -> None:
    """Ctrl-C and SIGKILL, each with the command that follows. One publish is made."""
    with monkeypatch.context() as patches:
        Answers(patches)
        patches.setattr("typer.confirm", interrupted)
        status, _, err = deploy("publish")
    assert status == 130
    saw("Ctrl-C at the question", err)

    with monkeypatch.context() as patches:
        patches.setattr("workflow.cli.show.StackActivity.event", interrupted)
        status, _, err = deploy("publish", "--yes")
    assert status == 130
    eventually(lambda: deploy.json("status", "--no-drift")["state"] == "UPDATE_COMPLETE")
    saw("Ctrl-C, SIGTERM or a closed terminal while CloudFormation works", err, *deploy("publish", "--yes"))

    deploy.settings.write_text(deploy.settings.read_text().replace("= 7", "= 14"))
    publish_and_be_killed(deploy)
    eventually(lambda: deploy.json("status", "--no-drift")["state"] == "UPDATE_COMPLETE")
    saw("SIGKILL, or no power, at any step", *deploy("publish", "--yes"))


def test_publish_change_roll_back_and_destroy(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Any]
) -> None:
    """One test, since each command needs the result of the one before."""
    status, out, err = deploy("plan")
    assert (status, err) == (2, "")
    assert out.startswith("afterloop-cli (account 111122223333, us-east-1, a local engine) is new.")
    assert "\x1b" not in out, "no colour when piped"

    status, _, err = deploy()
    assert (status, err) == (
        1,
        "error: standard input is not a terminal: run `python deploy.py plan --stage cli` to see the changes, "
        "then pass --yes\n",
    )
    unpublished = "error: stage cli is not published: run `python deploy.py publish --stage cli`\n"
    assert deploy("outputs") == (1, "", unpublished)

    status, out, err = deploy("--yes")
    assert (status, err) == (0, "")
    assert "afterloop-cli (account 111122223333, us-east-1, a local engine) is published." in out
    assert "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-cli\n" in out

    status, out, _ = deploy("--yes")
    assert (status, "is up to date." in out) == (0, True)
    status, out, _ = deploy("plan")
    assert (status, "nothing to change\n\nWarning: nobody gets a message" in out) == (0, True)
    assert deploy.json("plan")["changes"] is False

    deploy.settings.write_text(deploy.settings.read_text() + "log_retention_days = 7\n")
    changed = deploy.json("plan", status=2)
    assert changed["settings"] == [{"name": "LogRetentionDays", "before": "30", "after": "7"}]
    check_end_of_a_process(deploy, monkeypatch, eventually)
    deploy.settings.write_text(deploy.settings.read_text().replace("= 14", "= 7"))
    outcome = deploy.json("publish", "--yes")
    assert outcome["changed"] is True
    assert outcome["plan"]["settings"][0]["after"] == "7"

    stage = deploy.json("status")
    assert [(one["number"], one["outcome"]) for one in stage["publishes"]] == [
        (number, "published") for number in (1, 2, 3, 4)
    ]
    assert (stage["state"], stage["drifts"], stage["live"]) == ("UPDATE_COMPLETE", [], {"1": 100})
    status, out, _ = deploy("rollback", "--yes")
    assert (status, "LogRetentionDays: 7 → 14" in out) == (0, True)
    assert deploy("plan")[0] == 2, "the settings still say 7"
    assert "goes back to 3" in deploy("status", "--no-drift")[1]
    assert deploy.json("outputs")["outputs"]["ReviewDatabase"] == "afterloop_cli"

    status, out, _ = deploy("destroy", "--yes", "--delete-data")
    assert (status, "afterloop-cli was deleted." in out) == (0, True)
    assert deploy.json("destroy", "--yes")["destroyed"] is False
    status, out, err = deploy("destroy", "--yes")
    assert (status, err) == (0, "")
    assert "does not exist: nothing to delete" in out


def test_swap_publishes_a_new_stage(deploy: Deploy) -> None:
    assert "is published." in deploy("publish", "--swap", "--yes")[1]
    assert deploy("publish", "--swap", "--yes")[1] == "Nothing to swap\n"
    swapped = deploy.json("publish", "--swap", "--yes")
    assert (swapped["changed"], swapped["swapped"], swapped["plan"]) == (False, [], None)
    assert "StateMachine" in swapped["outputs"]
    assert deploy("destroy", "--yes", "--delete-data")[0] == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be edited while `--watch` watches it."""
    for folder in ("lambdas", "requirements", "workflow"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "deploy.py", tmp_path)
    (tmp_path / ".build").symlink_to(ROOT / ".build")
    # The stage stays published. Each loop of other tests would start an execution of it.
    (tmp_path / "stages.toml").write_text(
        '[stages.watch]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\nflow_definitions = ["watched"]\n'
    )
    return tmp_path


STEP = 'stopped: list[State] = [Pass("Look again")]'


def test_watch_swaps_changes_and_shows_executions_until_ctrl_c(
    sandbox: Sandbox, project: Path, eventually: Callable[..., Any]
) -> None:
    log = project / "log"
    with log.open("w") as written:
        watcher = subprocess.Popen(
            [
                sys.executable,
                "-u",
                "deploy.py",
                "--watch",
                "--yes",
                "--stage",
                "watch",
                "--sample",
                "stopped",
            ],
            cwd=project,
            env=sandbox.environment(),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "Watching for changes" in log.read_text(), timeout=60)
        file = project / "lambdas/decide_restart.py"
        file.write_text(f"{file.read_text()}\n\ndef handler(event, context):\n    return 'seen'\n")
        eventually(lambda: "Swapped: code of DecideRestart" in log.read_text(), timeout=60)
        function = sandbox.client("lambda").invoke(
            FunctionName="afterloop-watch-DecideRestart", Payload=b"{}"
        )
        assert json.loads(function["Payload"].read()) == "seen"

        file.write_text("def handler(\n")
        eventually(lambda: "lambdas/decide_restart.py:1: " in log.read_text(), timeout=60)
        assert watcher.poll() is None, "a mistake does not end it"

        shutil.copy(ROOT / "lambdas/decide_restart.py", file)
        steps = (project / "workflow/post_review.py").read_text()
        steps = steps.replace("import State", "import Pass, State").replace("stopped: list[State] = []", STEP)
        (project / "workflow/post_review.py").write_text(steps)
        eventually(lambda: re.search(r"sample-\w+-stopped: ✓ Look again ", log.read_text()), timeout=60)
        eventually(lambda: log.read_text().count(": succeeded after ") >= 3, timeout=60)
    finally:
        watcher.send_signal(signal.SIGINT)
        status = watcher.wait(30)
    assert status == 0
    assert log.read_text().endswith("Stopped watching.\n")
    assert "Traceback" not in log.read_text()
    missing = "stage watch: flow_definitions: flow definition 'watched' does not exist in us-east-1"
    assert f"Warning: {missing}" in log.read_text()
