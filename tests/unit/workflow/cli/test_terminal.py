"""Tests of output, questions, progress and errors."""

from __future__ import annotations

import json
import os
import signal
import sys
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from rich.table import Table

import deploy
from tests.command_line import Answers, interrupted, run
from workflow import ROOT
from workflow.cli import terminal
from workflow.cli.shapes import StopResult
from workflow.cli.show_loops import plain
from workflow.cli.terminal import Activity, finishing_on_interrupt
from workflow.errors import PublishError, WorkflowError


def test_each_mistake_in_a_workflow_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def assemble() -> None:
        raise WorkflowError("post_review.py:6: state 'A': wrong\npost_review.py:7: state 'B': wrong, too")

    monkeypatch.setattr("workflow.stack.assembly.assemble", assemble)

    status, out, err = run("render", capsys=capsys)

    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "error: post_review.py:6: state 'A': wrong",
        "error: post_review.py:7: state 'B': wrong, too",
    ]


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (ROOT / "workflow/branches/completed.py", "error: workflow/branches/completed.py:3: SyntaxError: no"),
        (ROOT / ".venv/lib/site-packages/boto3/__init__.py", None),
        (Path(__file__).parents[5] / "elsewhere.py", None),
    ],
)
def test_syntax_error_of_the_project_is_one_line(
    file: Path, error: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def assemble() -> None:
        raise SyntaxError("no", (str(file), 3, 1, "def", 3, 2))

    monkeypatch.setattr("workflow.stack.assembly.assemble", assemble)
    if error is None:
        with pytest.raises(SyntaxError):
            deploy.main(["render"])
    else:
        assert run("render", capsys=capsys) == (1, "", f"{error}\n")


def test_unreachable_endpoint_is_one_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.2:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between retries
    status, _, err = run("outputs", capsys=capsys)
    assert status == 1
    assert "error: cannot reach http://127.0.0.2:9 (AWS_ENDPOINT_URL): " in err


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:4566",
        "localhost:4566",
        "nonsense",
        "http://",
        "http://[::1",
        "http://a:99999",
        "http://a:b",
        "b/c",
    ],
)
def test_invalid_endpoint_in_the_environment_is_one_error(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    for command in ["outputs", "loops list"] if url == "nonsense" else ["outputs"]:
        status, _, err = run(*command.split(), capsys=capsys)
        assert status == 1
        assert err == f"error: AWS_ENDPOINT_URL: {url!r} is not a URL such as http://127.0.0.1:4566\n"


def test_invalid_endpoint_in_the_aws_config_is_one_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(os.environ["AWS_CONFIG_FILE"]).write_text("[default]\nendpoint_url = localhost:4566\n")
    status, _, err = run("plan", capsys=capsys)
    assert status == 1
    assert err.startswith("error: endpoint_url in the AWS settings: 'localhost:4566' is not a URL such as ")


def test_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("workflow.cli.options.StageOptions.reach", lambda _, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("plan", capsys=capsys)


@pytest.mark.parametrize(
    ("command", "place", "message"),
    [
        ("local", "sandbox.local.run", ": the local engine is stopped, and its content is deleted"),
        ("plan", "workflow.cli.options.StageOptions.reach", ""),
    ],
)
def test_interrupted_commands_report_what_they_leave(
    command: str,
    place: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(place, interrupted)
    status, _, err = run(command, capsys=capsys)
    assert (status, err) == (130, f"error: interrupted{message}\n")


def test_json_uses_aliases_and_does_not_escape_names(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json(StopResult(human_loop_name="Prüfung → 7"))
    out = capsys.readouterr().out
    assert "Prüfung → 7" in out
    assert json.loads(out) == {"humanLoopName": "Prüfung → 7", "a2iStatus": "Stopping"}


def test_piped_output_is_not_wrapped() -> None:
    table = Table(box=None)
    table.add_column()
    table.add_row(plain("[red]a\nb[/] " + "x" * 300))
    file = StringIO()
    terminal.print_whole(table, Console(file=file, width=40))
    assert file.getvalue().strip() == r"[red]a\nb[/] " + "x" * 300


def test_terminal_output_wraps_at_its_width() -> None:
    file = StringIO()
    narrow = Console(file=file, width=40, force_terminal=True)
    terminal.print_whole("x" * 50, narrow)
    terminal.print_whole("y" * 50, narrow, wrap=False)
    assert file.getvalue().splitlines() == ["x" * 40, "x" * 10, "y" * 50]


def test_questions_accept_yes_no_and_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    console = Console(file=StringIO())
    assert terminal.approved(console, "Do it?")
    assert not terminal.approved(console, "Do it?")
    assert person.questions == ["Do it?", "Do it?"]

    def aborted(question: str) -> None:
        raise typer.Abort

    monkeypatch.setattr("typer.confirm", aborted)
    with pytest.raises(SystemExit) as end, terminal.one_line_errors():
        terminal.confirm("Do it?")
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("quiet", "hint", "message"),
    [
        (False, None, "standard input is not a terminal: check the changes above"),
        (True, None, "--output json does not ask for confirmation: run without it to see the changes"),
        (True, "run plan", "--output json does not ask for confirmation: run plan"),
    ],
)
def test_questions_without_a_terminal_are_errors(quiet: bool, hint: str | None, message: str) -> None:
    with pytest.raises(PublishError, match=f"^{message}, then pass --yes$"):
        terminal.approved(Console(file=StringIO(), quiet=quiet), "Do it?", hint)
    with pytest.raises(PublishError, match=r"^standard input is not a terminal: pass --name$"):
        terminal.prompt("Name", "", hint="pass --name")


def test_activity_hides_for_questions() -> None:
    file = StringIO()
    activity = Activity(Console(file=file, width=80, force_terminal=True), clock=True)
    with activity.running():
        activity.step("Uploading [7]")
        with activity.paused():
            shown = file.getvalue()
            print("Publish this?", file=file)
        activity.detail("3 resources done")
    assert "Uploading [7]" in shown
    assert "0:00:00" in shown
    after = file.getvalue()[len(shown) :]
    assert after.startswith("Publish this?\n")
    assert "Uploading [7] " in after
    assert "3 resources done" in after


def test_activity_is_silent_without_a_terminal() -> None:
    file = StringIO()
    activity = Activity(Console(file=file))
    with activity.running(), activity.paused():
        activity.step("Uploading")
    assert file.getvalue() == ""


def test_progress_is_shown_on_terminals_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.progress("Reading reviews") as report:
        report("1,000")
    assert capsys.readouterr() == ("", "")

    terminal_like = StringIO()
    monkeypatch.setattr(terminal_like, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal_like)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("Reading reviews") as report:
        report("1,000")
    assert "Reading reviews: 1,000" in terminal_like.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_let_a_command_clean_up_and_report(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number, cleaned = getattr(signal, name), list[str]()
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr("sandbox.local.run", lambda **_: ended_by(number, cleaned))
    status, _, err = run("local", capsys=capsys)
    assert (status, cleaned) == (130, ["cleaned"])
    assert err == "error: interrupted: the local engine is stopped, and its content is deleted\n"
    assert {one: signal.getsignal(one) for one in before} == before


def ended_by(number: int, cleaned: list[str]) -> None:
    try:
        signal.raise_signal(number)
    finally:
        cleaned.append("cleaned")


def test_first_interrupt_requests_the_end_and_the_second_ends_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    requested: list[int] = []
    with finishing_on_interrupt(lambda: requested.append(1)):
        signal.raise_signal(signal.SIGTERM)
        assert requested == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert requested == [1]
    assert capsys.readouterr().err == "Finishing what was begun. To exit at once, press Ctrl-C again.\n"
    assert signal.getsignal(signal.SIGINT) is before
