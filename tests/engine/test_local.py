"""The main job as a user runs it: one command, an exit status, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sandbox.local import STORIES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_one_round_of_local_ends_well_and_leaves_no_process(tmp_path: Path) -> None:
    mark = f"afterloop-test-{uuid.uuid4().hex}"
    report = tmp_path / "report.html"
    ended = subprocess.run(
        [sys.executable, "deploy.py", "local", "--once", "--report", str(report)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200", "MARK": mark},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for story in STORIES:
        assert re.search(rf"^ {re.escape(story.name)} +succeeded ", ended.stdout, re.MULTILINE), story.name
    assert f"all {len(STORIES)} human loops ended as they should" in ended.stdout
    assert "overruled by people" in report.read_text()
    assert _processes_with(mark) == []


def _processes_with(mark: str) -> list[str]:
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, UnicodeDecodeError):  # it has ended, or is not ours
            continue
    return found
