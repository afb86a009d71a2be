"""Runs the tutorial in a fresh copy of the project, without an AWS account."""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.documentation import Story, blocks, copy_of_the_project, story_environment
from tests.engine.sample_loops import sample_loops_not_shown

PAGE = "docs/tutorial.md"


@pytest.mark.skipif(shutil.which("git") is None, reason="the tutorial uses git")
def test_tutorial_can_be_followed(tmp_path: Path) -> None:
    folder = _clone(tmp_path)
    # The engine gets only a few variables of its parent. This one is among them, so all processes inherit the mark.
    mark = tmp_path / f"afterloop-test-{uuid.uuid4().hex}"
    mark.mkdir()
    with Story(folder, story_environment(COLUMNS="40", TMPDIR=str(mark))) as story:
        assert all(block.not_run is None for block in blocks(PAGE)), "every block of the tutorial is run"
        story.follow(PAGE)
        picture = (folder / "message-2.svg").read_text()
        assert 'class="state task passed" data-state="Say the verdict"' in picture, "the step succeeded"
        assert 'class="state task not-reached" data-state="Keep answers"' in picture, (
            "other states were not reached"
        )
        exports = folder / ".engine.env"
        assert stat.S_IMODE(exports.stat().st_mode) == 0o600
        found = re.search(
            r"^export AWS_ENDPOINT_URL=http://127\.0\.0\.1:(\d+)$", exports.read_text(), re.MULTILINE
        )
        assert found is not None
        assert len(_processes_with(mark.name)) >= 2 or not Path("/proc/self/environ").exists()
        assert story.interrupt(), "the engine ran until Ctrl-C"
        printed = (folder / ".venv/terminal").read_text()
    assert "Stopping the local engine" in printed
    assert sample_loops_not_shown(printed) == []
    assert re.search(
        r"^3 tasks wait for you: http://127\.0\.0\.1:\d+/tasks\?token=\S+$", printed, re.MULTILINE
    )
    assert "today's reviews and 400 generated reviews of the last 30 days: " in printed
    assert "overruled by people" in (folder / "report.html").read_text()
    changed = _git(folder, "status", "--porcelain").split()
    assert changed == ["??", "message-2.svg", "??", "message.json"], "the tutorial removes its changes"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(found[1]))) != 0, "the engine has stopped"
    if Path("/proc/self/environ").exists():
        assert _processes_with(mark.name) == []
    assert not exports.exists(), "the keys of a run go with it"


def _clone(folder: Path) -> Path:
    copy_of_the_project(folder)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "Initial commit"]):
        _git(folder, *command)
    return folder


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Reader", "-c", "user.email=reader@example.com", "-c", "core.excludesFile="]
    return subprocess.run(
        ["git", *who, *arguments],
        cwd=folder,
        env=story_environment(GIT_CONFIG_GLOBAL="/dev/null"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _processes_with(mark: str) -> list[str]:
    """Returns the commands of the processes with a text in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, UnicodeDecodeError):  # the process has ended, or belongs to another user
            continue
    return found
