"""`deploy.py local` as a user runs it: output, exit status, and no processes left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.local import STORIES, local_stage
from workflow import ROOT
from workflow.errors import SettingsError
from workflow.stack.stages import load_stage


@dataclass(frozen=True)
class Round:
    """One run of `local`, in its own process.

    Attributes:
        mark: A text in the environment of the process, and of all processes that it started.
        ended: The output and the exit status.
        report: The page that it wrote.
    """

    mark: str
    ended: subprocess.CompletedProcess[str]
    report: Path


@pytest.fixture(scope="module")
def one_round(tmp_path_factory: pytest.TempPathFactory) -> Round:
    folder = tmp_path_factory.mktemp("local")
    mark, report = f"afterloop-test-{uuid.uuid4().hex}", folder / "report.html"
    ended = subprocess.run(
        [sys.executable, "deploy.py", "local", "--once", "--report", str(report)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "40", "MARK": mark},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Round(mark, ended, report)


def test_local_shows_every_loop_and_writes_report(one_round: Round) -> None:
    ended = one_round.ended
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for story in STORIES:
        assert re.search(rf"^ {re.escape(story.name)} +succeeded ", ended.stdout, re.MULTILINE), story.name
    for whole in (r"Published: arn:\S+:afterloop-local", r" +s3://\S+/message-3301-\w+\.json"):
        assert re.search(f"^{whole}$", ended.stdout, re.MULTILINE), "lines must not wrap in a pipe"
    assert "today's reviews and 400 generated reviews of the last 30 days: " in ended.stdout
    assert f"all {len(STORIES)} human loops ended as expected" in ended.stdout
    assert "overruled by people" in one_round.report.read_text()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to find processes")
def test_local_leaves_no_process(one_round: Round) -> None:
    assert one_round.ended.returncode == 0
    assert _processes_with(one_round.mark) == []


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_start_refuses_invalid_port(port: int) -> None:
    with pytest.raises(SandboxError, match=f"invalid port: {port}; use a port from 1 to 65535"):
        Sandbox.start(port=port)


def test_local_stage_has_default_without_its_table(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    assert local_stage(path) == load_stage(ROOT / "stages.toml", "local")
    path.write_text('[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    assert local_stage(path) == load_stage(ROOT / "stages.toml", "local")
    path.write_text('[stages.local]\nregion = "eu-west-1"\noutput_buckets = ["reviewed"]\n')
    assert local_stage(path).region == "eu-west-1"
    path.write_text("[stages.local]\nregoin = 1\n")
    with pytest.raises(SettingsError, match="did you mean 'region'"):
        local_stage(path)


def _processes_with(mark: str) -> list[str]:
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, UnicodeDecodeError):  # the process has ended, or belongs to another user
            continue
    return found
