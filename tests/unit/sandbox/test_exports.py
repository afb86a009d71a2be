"""The file with which a shell connects to the engine."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sandbox.exports import EXPORTS_FILE, exports_in_file
from workflow import ROOT

VARIABLES = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_SECRET_ACCESS_KEY": "it's $(touch x) `y`"}


def test_only_the_user_can_read_the_file_which_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "engine.env"
    path.write_text("of an earlier run")
    path.chmod(0o644)
    with exports_in_file(path, VARIABLES):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "of an earlier run" not in path.read_text()
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


def test_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (other := tmp_path / "other").write_text("untouched")
    path = tmp_path / "engine.env"
    path.symlink_to(other)
    with exports_in_file(path, VARIABLES):
        assert not path.is_symlink()
    assert other.read_text() == "untouched"


def test_file_of_another_engine_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "engine.env"
    with exports_in_file(path, VARIABLES):
        path.write_text("of a later run")
    assert path.read_text() == "of a later run"


@pytest.mark.parametrize("shell", [name for name in ("sh", "bash", "zsh", "dash") if shutil.which(name)])
def test_shell_gets_the_variables_and_loses_other_settings_of_aws(shell: str, tmp_path: Path) -> None:
    before = {
        "PATH": "/usr/bin:/bin",
        "OTHER": "kept",
        "AWS_PROFILE": "prod",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "AWS_SESSION_TOKEN": "of another account",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_SECRET_ACCESS_KEY": "of another account",
    }
    with exports_in_file(tmp_path / "engine.env", VARIABLES) as path:
        run = subprocess.run(
            [shell, "-c", f". {path}; env"],
            env=before,
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
    after = dict(line.split("=", 1) for line in run.stdout.splitlines())
    assert {name: value for name, value in after.items() if name.startswith("AWS_")} == VARIABLES
    assert after["OTHER"] == "kept"
    assert not (tmp_path / "x").exists()


def test_git_ignores_the_file() -> None:
    assert EXPORTS_FILE.relative_to(ROOT).as_posix() in (ROOT / ".gitignore").read_text().splitlines()
