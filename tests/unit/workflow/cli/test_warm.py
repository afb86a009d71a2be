"""Tests of the process that is ready to run a command. `test_publish_watch.py` starts one."""

from __future__ import annotations

import signal
import sys
from io import StringIO
from pathlib import Path

import pytest

from workflow.cli import warm


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was to happen on Ctrl-C, in order. The program prints its arguments."""
    (tmp_path / "deploy.py").write_text("import sys\nprint(sys.argv[1:], sys.path[0], __name__)\n")
    monkeypatch.setattr(sys, "argv", ["warm.py"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    found: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda _, handler: found.append(handler))
    return found


def test_command_runs_when_a_line_comes(
    handlers: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("run\n"))
    warm.main("json,pathlib", str(tmp_path), "publish", "--swap")
    assert capsys.readouterr().out == f"['publish', '--swap'] {tmp_path} __main__\n"
    assert handlers == [signal.SIG_IGN, signal.default_int_handler], "Ctrl-C interrupts a command only"


def test_nothing_runs_when_standard_input_ends(
    handlers: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    warm.main("", str(tmp_path), "publish")
    assert capsys.readouterr().out == ""
    assert handlers == [signal.SIG_IGN]
