"""Watching files."""

from __future__ import annotations

from pathlib import Path

from workflow.publish.watching import changes, snapshot


def test_change_is_reported_once_files_stay_the_same(tmp_path: Path) -> None:
    settings = tmp_path / "stages.toml"
    settings.write_text("")
    (tmp_path / "workflow").mkdir()
    file = tmp_path / "workflow/machine.py"
    file.write_text("1")
    sleeps = iter(["", "22", "333", "", "", "4444"])

    def nap(_: float) -> None:
        if text := next(sleeps, ""):
            file.write_text(text)

    seen = changes(tmp_path, settings, snapshot(tmp_path, settings), nap)

    assert next(seen) == [file]
    assert file.read_text() == "333"
    assert next(seen) == [file]


def test_snapshot_ignores_missing_settings_and_caches(tmp_path: Path) -> None:
    (tmp_path / "lambdas/__pycache__").mkdir(parents=True)
    (tmp_path / "lambdas/__pycache__/a.pyc").write_text("")
    assert snapshot(tmp_path, tmp_path / "stages.toml") == {}


def test_snapshot_skips_a_file_that_is_being_replaced(tmp_path: Path) -> None:
    (tmp_path / "lambdas/own").mkdir(parents=True)
    (tmp_path / "lambdas/own/a.py").write_text("1")
    (tmp_path / "lambdas/own/b.py").symlink_to("missing")
    assert list(snapshot(tmp_path, tmp_path / "stages.toml")) == [str(tmp_path / "lambdas/own/a.py")]
