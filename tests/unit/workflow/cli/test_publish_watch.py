"""Tests of `publish --watch`: the process that is ready to run a swap."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest

from tests.command_line import run
from workflow.cli import publish_watch
from workflow.cli.publish_watch import LIBRARIES, ReadyCommand


@pytest.mark.usefixtures("account")
def test_each_change_is_swapped_with_the_same_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = mock.Mock()
    monkeypatch.setattr("workflow.publish.swapping.swap", lambda *_: [])
    monkeypatch.setattr("workflow.publish.watching.changes", lambda *_: iter([[Path("a.py"), Path("b.py")]]))
    monkeypatch.setattr(publish_watch, "ReadyCommand", ready)
    options = [
        *("--stage", "test", "--settings", "my.toml", "--region", "eu-west-1"),
        *("--accept", "Notify: iam:*"),
    ]
    assert "Changed: a.py, b.py\n" in run("publish", "--swap", "--watch", *options, capsys=capsys)[1]
    ready.assert_called_once_with(["publish", "--swap", "--yes", *options])
    assert [call[0] for call in ready.return_value.method_calls] == ["run", "close"]


PROGRAM = """
import sys
from pathlib import Path
from word import WORD
Path(__file__).with_name("out").write_text(f"{WORD} {sys.argv[1:]} {__name__}")
sys.exit(STATUS)
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadyCommand]:
    """A command of a small project, without the libraries, which take long to import."""
    monkeypatch.setattr(publish_watch, "ROOT", tmp_path)
    monkeypatch.setattr(publish_watch, "LIBRARIES", ())
    ready = ReadyCommand(["publish", "--swap"])
    yield ready
    ready.close()


def test_command_sees_the_files_of_the_moment_it_runs(command: ReadyCommand, tmp_path: Path) -> None:
    # The second edit, within the same second, keeps the length of the file.
    for word, status in (("one", 0), ("two", 3)):
        (tmp_path / "word.py").write_text(f"WORD = {word!r}\n")
        (tmp_path / "deploy.py").write_text(PROGRAM.replace("STATUS", str(status)))
        assert command.run() == status
        assert (tmp_path / "out").read_text() == f"{word} ['publish', '--swap'] __main__"


def test_process_that_waits_ends_with_the_one_that_watches(command: ReadyCommand) -> None:
    command.close()
    assert command._next.returncode == 0


def test_libraries_are_not_the_project() -> None:
    modules = {name.split(".")[0] for name in LIBRARIES}
    assert modules.isdisjoint({"workflow", "lambdas", "sandbox", "console", "stepfunctions"})
    assert all(find_spec(name) for name in LIBRARIES)
