"""Tests of `publish --watch`: the process that is ready to run a swap."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.command_line import interrupted, run
from workflow.cli import publish_watch
from workflow.cli.publish_watch import LIBRARIES, ReadyCommand, forget_compiled
from workflow.errors import AfterloopError
from workflow.operations.new_executions import News
from workflow.operations.sample_executions import SampleSeries
from workflow.operations.stage_resources import StageResources


class Watch:
    """A watch over changes that the test makes, with swaps that end as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.changes: list[list[Path]] = []
        self.statuses = [0]
        self.command = mock.Mock()
        self.command.return_value.run.side_effect = self._swap
        monkeypatch.setattr("workflow.publish.swapping.swap", lambda *_: [])
        monkeypatch.setattr("workflow.publish.watching.changes", lambda *_: iter(self.changes))
        monkeypatch.setattr(publish_watch, "ReadyCommand", self.command)
        monkeypatch.setattr("workflow.operations.new_executions.NewExecutions", lambda *_, **__: self)
        monkeypatch.setattr("workflow.operations.sample_executions.SampleExecutions", mock.Mock())
        monkeypatch.setattr(SampleSeries, "start", lambda _: self.steps.append("sample"))

    def _swap(self) -> int:
        self.steps.append("swap")
        return self.statuses.pop(0)

    def look(self) -> list[News]:
        return []


@pytest.fixture
def watch(account: mock.Mock, resources: StageResources, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_each_change_is_swapped_with_the_same_options(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.changes = [[Path("a.py"), Path("b.py")]]
    options = [
        *("--stage", "test", "--settings", "my.toml", "--region", "eu-west-1"),
        *("--accept", "Notify: iam:*"),
    ]
    assert "Changed: a.py, b.py\n" in run("publish", "--swap", "--watch", *options, capsys=capsys)[1]
    watch.command.assert_called_once_with(["publish", "--swap", "--yes", *options])
    assert [call[0] for call in watch.command.return_value.method_calls] == ["run", "close"]
    assert watch.steps == ["swap"], "no sample"


def test_sample_runs_at_the_beginning_and_after_each_swap(
    watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.changes, watch.statuses = [[Path("a.py")]] * 3, [0, 1, 0]
    assert run("publish", "--swap", "--watch", "--sample", "failed", capsys=capsys)[0] == 0
    assert watch.steps == ["sample", "swap", "sample", "swap", "swap", "sample"]


def test_ctrl_c_ends_the_watch(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.publish.watching.changes", interrupted)
    status, out, _ = run("publish", "--swap", "--watch", capsys=capsys)
    assert status == 0
    assert out.splitlines() == [
        "Nothing to swap",
        "Watching for changes. Press Ctrl-C to stop.",
        "Stopped watching.",
    ]
    assert watch.command.return_value.close.called


def test_sample_that_cannot_start_is_reported(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SampleSeries, "start", mock.Mock(side_effect=AfterloopError("no bucket")))
    status, _, err = run("publish", "--swap", "--watch", "--sample", "completed", capsys=capsys)
    assert (status, err) == (0, "error: the sample was not started: no bucket\n")


def test_sample_without_watch_is_refused(account: mock.Mock, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run("publish", "--sample", "completed", capsys=capsys)
    assert (status, "for --sample: needs --watch" in err) == (1, True)


@pytest.mark.parametrize(
    ("errors", "looks", "warnings"),
    [
        (
            [EndpointConnectionError(endpoint_url="a")] * 2,
            3,
            ['Could not connect to the endpoint URL: "a"; executions are looked for again'],
        ),
        ([AfterloopError("gone")], 1, ["gone; executions are not shown"]),
    ],
)
def test_executions_are_looked_for_again_after_what_passes(
    errors: list[Exception], looks: int, warnings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    executions, stopped = mock.Mock(), mock.Mock()
    executions.look.side_effect = [*errors, []]
    stopped.wait.side_effect = [False] * 3 + [True]
    publish_watch.show_executions(executions, "dev", stopped, 0)
    assert executions.look.call_count == looks
    assert capsys.readouterr().err.splitlines() == [f"warning: {warning}" for warning in warnings]


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
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    ready = ReadyCommand(["publish", "--swap"])
    yield ready
    ready.close()


def test_command_sees_the_files_of_the_moment_it_runs(command: ReadyCommand, tmp_path: Path) -> None:
    word_file = tmp_path / "word.py"
    for word, status in (("one", 0), ("two", 3)):
        word_file.write_text(f"WORD = {word!r}\n")
        os.utime(word_file, (1_000_000_000, 1_000_000_000))  # Two edits in the same second.
        forget_compiled([word_file, tmp_path / "notes.txt"])
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
