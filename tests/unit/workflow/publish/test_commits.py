"""The commit of what is published."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workflow.publish.commits import VARIABLES, Commit, current_commit


@pytest.fixture(autouse=True)
def no_build_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_of_a_working_tree(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(tmp_path, "init", "-q")
    assert current_commit(project) is None, "there is no commit yet"
    (project / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "One")
    head = git(tmp_path, "rev-parse", "HEAD")

    (tmp_path / "beside").write_text("not the project")
    assert current_commit(project) == Commit(id=head)
    (project / "b.py").write_text("new")
    commit = current_commit(project)
    assert str(commit) == f"commit {head[:7]}, with changes that are not committed"


def test_build_service_names_the_commit_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert current_commit(tmp_path) is None
    monkeypatch.setenv("CI_COMMIT_SHA", "c0ffee")
    assert current_commit(tmp_path) == Commit(id="c0ffee")
    monkeypatch.setenv("PATH", "")
    assert current_commit(tmp_path) == Commit(id="c0ffee"), "git is not needed"
