"""Runs the tutorial in a fresh copy of the project, without an AWS account."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.documentation import Story, blocks, copy_of_the_project, story_environment

PAGE = "docs/tutorial.md"


@pytest.mark.skipif(shutil.which("git") is None, reason="the tutorial uses git")
def test_tutorial_can_be_followed(tmp_path: Path) -> None:
    folder = _clone(tmp_path)
    port = str(_free_port())
    with Story(folder, story_environment(), {"4566": port}) as story:
        assert all(block.not_run is None for block in blocks(PAGE)), "every block of the tutorial is run"
        story.follow(PAGE)
        picture = (folder / "message-2.svg").read_text()
        assert 'class="state task passed" data-state="Say the verdict"' in picture, "the step succeeded"
        assert 'class="state task not-reached" data-state="Keep answers"' in picture, (
            "other states were not reached"
        )
        assert story.interrupt(), "the engine ran until Ctrl-C"
        assert "Stopping the local engine" in (folder / ".venv/terminal").read_text()
    changed = _git(folder, "status", "--porcelain").split()
    assert changed == ["??", "message-2.svg", "??", "message.json"], "the tutorial removes its changes"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0, "the engine has stopped"


def test_tutorial_exports_the_lines_that_it_shows() -> None:
    """The reader types the `export` lines that `make local` prints."""
    shown, typed = (
        [line for line in block.content.splitlines() if line.startswith("export ")]
        for block in blocks(PAGE)
        if "export AWS_" in block.content
    )
    assert shown == typed


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


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
