"""The tutorial, followed literally in a fresh copy of the project, by one who has no AWS account."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.documentation import Story, blocks, copy_of_the_project, story_environment

PAGE = "docs/tutorial.md"


@pytest.mark.skipif(shutil.which("git") is None, reason="a clone needs git, and so does taking an edit back")
def test_the_tutorial(tmp_path: Path) -> None:
    folder = _clone(tmp_path)
    port = str(_free_port())
    with Story(folder, story_environment(), {"4566": port}) as story:
        assert all(block.not_run is None for block in blocks(PAGE)), "nothing in it is left out"
        story.follow(PAGE)
        picture = (folder / "message-2.svg").read_text()
        assert 'class="state task passed" data-state="Say the verdict"' in picture, "the step is green"
        assert 'class="state task not-reached" data-state="Keep answers"' in picture, "others are not"
        assert story.interrupt(), "the engine ran until Ctrl-C"
        assert "Stopping the sandbox" in (folder / ".venv/terminal").read_text()
    changed = _git(folder, "status", "--porcelain").split()
    assert changed == ["??", "message-2.svg", "??", "message.json"], (
        "the edit is taken back, and all it led to"
    )
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0, "the engine is gone"


def test_the_tutorial_says_what_the_reader_types_at_the_engine() -> None:
    """The lines to export are those that `make local` prints, which the page shows too."""
    shown, typed = (
        [line for line in block.content.splitlines() if line.startswith("export ")]
        for block in blocks(PAGE)
        if "export AWS_" in block.content
    )
    assert shown == typed


def _clone(folder: Path) -> Path:
    copy_of_the_project(folder)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-verify", "-m", "As it was"]):
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
