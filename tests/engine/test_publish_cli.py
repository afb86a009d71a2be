"""Tests of the command line as a process, against the embedded engine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.command_line import printed_json
from workflow import ROOT

Deploy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "stages.toml"
    path.write_text('[stages.cli]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    return path


@pytest.fixture(scope="module")
def deploy(sandbox: Sandbox, settings: Path) -> Deploy:
    """Runs `python deploy.py` with the stage of these tests. Standard input is not a terminal."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                str(ROOT / "deploy.py"),
                *arguments,
                "--stage",
                "cli",
                "--settings",
                str(settings),
            ],
            env=os.environ | sandbox.environment() | {"COLUMNS": "40"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def printed(run: subprocess.CompletedProcess[str]) -> Any:
    """The JSON document of a command, which must have the command's shape."""
    return printed_json(run.args[2], run.stdout)


def test_publish_change_roll_back_and_destroy(deploy: Deploy, settings: Path) -> None:
    """One test, since each command needs the result of the one before."""
    plan = deploy("plan")
    assert (plan.returncode, plan.stderr) == (2, "")
    assert plan.stdout.startswith("afterloop-cli (account 111122223333, us-east-1, a local engine) is new.")
    assert "\x1b" not in plan.stdout, "no colour when piped"

    refused = deploy()
    assert refused.returncode == 1
    assert (
        refused.stderr
        == "error: standard input is not a terminal: run `python deploy.py plan --stage cli` to see the changes, "
        "then pass --yes\n"
    )
    unpublished = deploy("outputs")
    assert unpublished.returncode == 1
    assert (
        unpublished.stderr
        == "error: stage cli is not published: run `python deploy.py publish --stage cli`\n"
    )

    published = deploy("--yes")
    assert (published.returncode, published.stderr) == (0, "")
    assert "afterloop-cli (account 111122223333, us-east-1, a local engine) is published." in published.stdout
    assert "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-cli\n" in published.stdout

    again = deploy("--yes")
    assert again.returncode == 0
    assert "is up to date." in again.stdout
    nothing = deploy("plan")
    assert nothing.returncode == 0
    assert nothing.stdout.endswith("nothing to change\n\n")
    assert printed(deploy("plan", "--output", "json"))["changes"] is False

    settings.write_text(settings.read_text() + "log_retention_days = 7\n")
    changed = deploy("plan", "--output", "json")
    assert changed.returncode == 2
    assert printed(changed)["settings"] == [{"name": "LogRetentionDays", "before": "30", "after": "7"}]
    outcome = deploy("publish", "--yes", "--output", "json")
    assert outcome.returncode == 0
    assert printed(outcome)["changed"] is True
    assert printed(outcome)["plan"]["settings"][0]["after"] == "7"

    status = printed(deploy("status", "--output", "json"))
    assert [one["number"] for one in status["publishes"]] == [1, 2]
    assert (status["state"], status["drifts"], status["live"]) == ("UPDATE_COMPLETE", [], {"1": 100})
    back = deploy("rollback", "--yes")
    assert back.returncode == 0
    assert "LogRetentionDays: 7 → 30" in back.stdout
    assert deploy("plan").returncode == 2, "the settings still say 7"
    assert "goes back to 1" in deploy("status", "--no-drift").stdout
    assert printed(deploy("outputs", "--output", "json"))["outputs"]["ReviewDatabase"] == "afterloop_cli"

    destroyed = deploy("destroy", "--yes", "--delete-data")
    assert destroyed.returncode == 0
    assert "afterloop-cli was deleted." in destroyed.stdout
    assert printed(deploy("destroy", "--yes", "--output", "json"))["destroyed"] is False
    again = deploy("destroy", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert "does not exist: nothing to delete" in again.stdout


def test_swap_publishes_a_new_stage(deploy: Deploy) -> None:
    assert "is published." in deploy("publish", "--swap", "--yes").stdout
    assert deploy("publish", "--swap", "--yes").stdout == "Nothing to swap\n"
    swapped = printed(deploy("publish", "--swap", "--yes", "--output", "json"))
    assert (swapped["changed"], swapped["swapped"], swapped["plan"]) == (False, [], None)
    assert "StateMachine" in swapped["outputs"]
    assert deploy("destroy", "--yes", "--delete-data").returncode == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, to be edited while `--watch` watches it."""
    for folder in ("lambdas", "requirements", "workflow"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "deploy.py", tmp_path)
    (tmp_path / ".build").symlink_to(ROOT / ".build")
    (tmp_path / "stages.toml").write_text(
        '[stages.watch]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n'
    )
    return tmp_path


def test_watch_swaps_changes_until_ctrl_c(
    sandbox: Sandbox, project: Path, eventually: Callable[..., Any]
) -> None:
    log = project / "log"
    with log.open("w") as written:
        watcher = subprocess.Popen(
            [sys.executable, "-u", "deploy.py", "--watch", "--yes", "--stage", "watch"],
            cwd=project,
            env=os.environ | sandbox.environment(),
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
        eventually(lambda: "lambdas/decide_restart.py, line 1: " in log.read_text(), timeout=60)
        assert watcher.poll() is None, "a mistake does not end it"
    finally:
        watcher.send_signal(signal.SIGINT)
        status = watcher.wait(30)
    assert status == 0
    assert log.read_text().endswith("Stopped watching.\n")
    assert "Traceback" not in log.read_text()
