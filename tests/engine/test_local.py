"""The main job as a user runs it: one command, an exit status, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.local import STORIES, local_stage
from workflow.errors import SettingsError
from workflow.stack.stages import load_stage

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_one_round_of_local_ends_well_and_leaves_no_process(tmp_path: Path) -> None:
    mark = f"afterloop-test-{uuid.uuid4().hex}"
    report = tmp_path / "report.html"
    ended = subprocess.run(
        [sys.executable, "deploy.py", "local", "--once", "--report", str(report)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "40", "MARK": mark},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for story in STORIES:
        assert re.search(rf"^ {re.escape(story.name)} +succeeded ", ended.stdout, re.MULTILINE), story.name
    for whole in (r"Published: arn:\S+:afterloop-local", r" +s3://\S+/message-3301-\w+\.json"):
        assert re.search(f"^{whole}$", ended.stdout, re.MULTILINE), (
            "it is piped: nothing is broken into lines"
        )
    assert "today's reviews and of 400 invented ones of the 30 days before: " in ended.stdout
    assert f"all {len(STORIES)} human loops ended as they should" in ended.stdout
    assert "overruled by people" in report.read_text()
    assert _processes_with(mark) == []


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_cannot_be_is_told(port: int) -> None:
    with pytest.raises(SandboxError, match=f"cannot use port {port}: choose one from 1 to 65535"):
        Sandbox.start(port=port)


def test_thelocal_stage_is_there_without_its_table(tmp_path: Path) -> None:
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
        except (OSError, UnicodeDecodeError):  # it has ended, or is not ours
            continue
    return found
