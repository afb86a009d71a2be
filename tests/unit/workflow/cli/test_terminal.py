"""How commands speak: lines, JSON, questions, progress, errors."""

from __future__ import annotations

import json
import os
import sys
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from rich.table import Table

from tests.command_line import Answers, interrupted, run
from workflow.cli import terminal
from workflow.cli.terminal import Activity, Output
from workflow.errors import PublishError, WorkflowError


def test_of_a_workflow_each_thing_that_is_wrong_has_its_line(
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


def test_an_endpoint_that_nobody_serves_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    status, _, err = run("outputs", capsys=capsys)
    assert status == 1
    assert "error: AWS cannot be reached" in err


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
def test_an_endpoint_that_is_no_url_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    for command in ("plan", "loops list"):
        status, _, err = run(*command.split(), capsys=capsys)
        assert status == 1
        assert err == f"error: AWS_ENDPOINT_URL: {url!r} is no URL such as http://127.0.0.1:4566\n"


def test_an_endpoint_of_the_aws_settings_that_is_no_url_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(os.environ["AWS_CONFIG_FILE"]).write_text("[default]\nendpoint_url = localhost:4566\n")
    status, _, err = run("plan", capsys=capsys)
    assert status == 1
    assert err.startswith("error: endpoint_url of the AWS settings: 'localhost:4566' is no URL such as ")


def test_a_bug_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.cli.options.StageOptions.reach", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("plan", capsys=capsys)


@pytest.mark.parametrize(
    ("command", "place", "told"),
    [
        ("local", "sandbox.local.run", ": the local engine is stopped, and what was in it is gone"),
        ("plan", "workflow.cli.options.StageOptions.reach", ""),
    ],
)
def test_other_interruptions_do_not_speak_of_cloudformation(
    command: str, place: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, interrupted)
    status, _, err = run(command, capsys=capsys)
    assert (status, err) == (130, f"error: interrupted{told}\n")


def test_programs_get_names_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.tell(Output.JSON, {"flow": "Prüfung", "change": "7 → 30"}, "Prüfung")
    out = capsys.readouterr().out
    assert "Prüfung" in out
    assert "7 → 30" in out
    assert json.loads(out) == {"flow": "Prüfung", "change": "7 → 30"}


def test_people_get_lines_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.tell(Output.TEXT, {}, "[bold]no markup[/] :smile:", "second")
    assert capsys.readouterr().out == "[bold]no markup[/] :smile:\nsecond\n"


def test_what_is_piped_is_as_wide_as_it_needs_to_be() -> None:
    table = Table(box=None)
    table.add_column()
    table.add_row(terminal.plain("[red]a\nb[/] " + "x" * 300))
    file = StringIO()
    terminal.print_whole(table, Console(file=file, width=40))
    assert file.getvalue().strip() == "[red]a b[/] " + "x" * 300


def test_on_a_terminal_it_is_as_wide_as_that() -> None:
    file = StringIO()
    narrow = Console(file=file, width=40, force_terminal=True)
    terminal.print_whole("x" * 50, narrow)
    terminal.print_whole("y" * 50, narrow, breaks=False)
    assert file.getvalue().splitlines() == ["x" * 40, "x" * 10, "y" * 50]


def test_an_answer_is_yes_no_or_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    console = Console(file=StringIO())
    assert terminal.agreed(console, "Do it?")
    assert not terminal.agreed(console, "Do it?")
    assert person.questions == ["Do it?", "Do it?"]

    def aborted(question: str) -> None:
        raise typer.Abort

    monkeypatch.setattr("typer.confirm", aborted)
    with pytest.raises(SystemExit) as end, terminal.one_line_errors():
        terminal.confirm("Do it?")
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("quiet", "look", "told"),
    [
        (False, None, "see above what would be done, then add --yes"),
        (True, None, "see without --output json what would be done, then add --yes"),
        (True, "look at the plan", "look at the plan, then add --yes"),
    ],
)
def test_without_a_person_a_question_is_an_error(quiet: bool, look: str | None, told: str) -> None:
    with pytest.raises(PublishError, match=f"^there is nobody to ask: {told}$"):
        terminal.agreed(Console(file=StringIO(), quiet=quiet), "Do it?", look)
    with pytest.raises(PublishError, match=r"^there is nobody to ask: give --name$"):
        terminal.prompt("Name", "", instead="give --name")


def test_an_activity_is_one_line_that_gives_way_to_questions() -> None:
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


def test_an_activity_is_silent_where_no_terminal_is() -> None:
    file = StringIO()
    activity = Activity(Console(file=file))
    with activity.running(), activity.paused():
        activity.step("Uploading")
    assert file.getvalue() == ""


def test_progress_is_for_terminals_only(
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
