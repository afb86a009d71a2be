"""The commit of the sources that are published: of the working tree, or as a build service names it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from workflow import ROOT

__all__ = ["Commit", "current_commit"]

VARIABLES = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION",
    "CIRCLE_SHA1",
    "GIT_COMMIT",
)
"""Where GitHub, GitLab, CodeBuild, Bitbucket, Azure Pipelines, CircleCI and Jenkins say what they build."""

TIMEOUT_SECONDS = 10


class Commit(BaseModel):
    """The commit of a publish."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The hash of the commit."""
    changes: bool = False
    """Whether files differed from the commit."""

    def __str__(self) -> str:
        return f"commit {self.id[:7]}" + (", with changes that are not committed" if self.changes else "")


def current_commit(root: Path = ROOT) -> Commit | None:
    """The commit of a working tree, or the one that a build service names; None if neither is known.

    Args:
        root: the project's folder. Changes outside of it do not count.
    """
    return _of_git(root) or _of_build()


def _of_git(root: Path) -> Commit | None:
    # No lock: whoever works in the tree at this moment is not disturbed.
    command = [
        "git",
        "--no-optional-locks",
        "-C",
        str(root),
        "status",
        "--porcelain=v2",
        "--branch",
        "--",
        ".",
    ]
    try:
        found = subprocess.run(  # noqa: S603  our command
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):  # There is no git, or the tree is on a disk that sleeps.
        return None
    lines = found.stdout.splitlines()
    head = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "")
    # "(initial)": a repository without a commit.
    if found.returncode or not head.isalnum():
        return None
    return Commit(id=head, changes=any(not line.startswith("#") for line in lines))


def _of_build() -> Commit | None:
    named = (os.environ.get(name, "") for name in VARIABLES)
    return next((Commit(id=value) for value in named if value), None)
