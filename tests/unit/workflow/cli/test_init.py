"""Tests of `init`."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import Answers, run
from workflow import ROOT
from workflow.stack.stages import Stage, load_stage, load_stages

SHIPPED = (ROOT / "stages.toml").read_text(encoding="utf-8")


def has_output(terminal: int, seconds: float) -> bool:
    """Waits until there is output to read."""
    return bool(select.select([terminal], [], [], seconds)[0])


@pytest.mark.parametrize("stage", ["new", "dev"])
def test_ctrl_c_at_a_question_changes_nothing(stage: str, tmp_path: Path) -> None:
    """In a real terminal. The message starts on a new line."""
    path = tmp_path / "stages.toml"
    path.write_text(SHIPPED)
    command = [sys.executable, "deploy.py", "init", "--stage", stage, "--settings", str(path)]
    reader, writer = pty.openpty()
    with os.fdopen(writer, "wb") as terminal:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
    shown = b""
    # The question is complete when nothing follows it for a moment. Python ignores a signal between its output and its
    # read from the terminal, so the signal is sent again if it has no effect.
    while not shown.endswith(b": ") or has_output(reader, 0.1):
        shown += os.read(reader, 65_536)
    process.send_signal(signal.SIGINT)
    while not has_output(reader, 1):
        process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # EIO: the process has closed the terminal.
        while data := os.read(reader, 65_536):
            shown += data
    os.close(reader)

    assert process.wait() == 130
    assert shown.decode().replace("\r", "").endswith("\nerror: interrupted: nothing was changed\n")
    assert path.read_text() == SHIPPED


def test_init_writes_a_stage_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stages.toml"
    arguments = [
        "init",
        "--settings",
        str(path),
        "--region",
        "eu-west-1",
        "--bucket",
        "reviewed",
        "--email",
        "a@b.cd",
    ]

    assert run(*arguments, capsys=capsys)[0] == 0
    assert 'output_buckets = ["reviewed"]' in path.read_text()
    status, _, err = run(*arguments, capsys=capsys)

    assert status == 1
    assert "stage dev already exists" in err


def test_init_with_json_output_never_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.cli.init.is_interactive", lambda: True)
    path = tmp_path / "stages.toml"
    arguments = ["init", "--settings", str(path), "--output", "json", "--region", "eu-west-1"]

    assert run(*arguments, capsys=capsys) == (
        1,
        "",
        "error: --output json does not ask: pass --region and --bucket, and --email if you want messages\n",
    )
    status, out, err = run(*arguments, "--bucket", "reviewed", capsys=capsys)
    assert (status, err) == (0, "")
    assert json.loads(out) == {"stage": "dev", "settings": str(path)}
    assert 'output_buckets = ["reviewed"]' in path.read_text()
    status, out, err = run(*arguments, "--bucket", "reviewed", capsys=capsys)
    assert (status, out) == (1, "")
    assert "stage dev already exists" in err


def test_init_asks_before_it_replaces_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the settings file of the repository, as in the README."""
    path = tmp_path / "stages.toml"
    path.write_text(SHIPPED)
    person = Answers(monkeypatch, False, True, None, "", "mine", "")

    status, out, _ = run("init", "--settings", str(path), capsys=capsys)

    assert (status, path.read_text()) == (1, SHIPPED)
    assert out == (
        "stages.toml already has a stage dev: us-east-1, output in human-review-outputs.\n"
        "Nothing was changed.\n"
    )
    assert run("init", "--settings", str(path), capsys=capsys)[0] == 0
    assert person.questions[:2] == ["Replace all of its settings?"] * 2
    assert load_stage(path, "dev") == Stage(name="dev", region="us-east-1", output_buckets=("mine",))
    assert list(load_stages(path)) == ["dev", "local"]
    kept = SHIPPED[SHIPPED.index("# `python deploy.py local`") :]
    assert path.read_text() == (
        SHIPPED[: SHIPPED.index("[stages.dev]")]
        + '[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["mine"]\n\n'
        + kept
    )


@pytest.mark.parametrize(
    "text",
    [
        'stages.dev = { region = "us-east-1", output_buckets = ["mine"] }\n',
        '[stages]\ndev.region = "us-east-1"\ndev.output_buckets = ["mine"]\n',
        '[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["mine"]\nprotected = true\n',
    ],
)
def test_init_refuses_to_replace_protected_or_inline_stages(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(text)
    person = Answers(monkeypatch)
    status, out, err = run("init", "--settings", str(path), capsys=capsys)
    assert (status, out, person.questions) == (1, "", [])
    assert err == (
        "error: stages.toml: stage dev already exists; edit it in the file, or choose another name with --stage\n"
    )
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--region", "mars-1", "--bucket", "reviewed", "--email", "a@b.cd"],
            "'ap-southeast-2', not 'mars-1'",
        ),
        (
            ["--region", "eu-west-1", "--bucket", "s3://x", "--email", "a@b.cd"],
            "output_buckets.0: 's3://x' is invalid",
        ),
        (
            ["--stage", "Prod", "--region", "eu-west-1", "--bucket", "reviewed"],
            "stage Prod: name: 'Prod' is invalid",
        ),
    ],
)
def test_init_checks_options(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run("init", "--settings", str(tmp_path / "stages.toml"), *options, capsys=capsys)
    assert status == 1
    assert message in err
    assert not (tmp_path / "stages.toml").exists()


@pytest.mark.parametrize(
    ("chosen", "buckets"), [("", ("from-forms", "from-images")), ("images", ("from-images",))]
)
def test_init_offers_flow_definitions_of_the_account(
    chosen: str,
    buckets: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flows = [{"name": name, "arn": "arn", "output": f"s3://from-{name}/x"} for name in ("forms", "images")]
    monkeypatch.setattr("workflow.publish.account.Account.flow_definitions", lambda _: flows)
    person = Answers(monkeypatch, "eu-west-1", None, chosen, None, "a@b.cd, e@f.gh")
    path = tmp_path / "stages.toml"

    status, out, _ = run("init", "--stage", "test", "--settings", str(path), capsys=capsys)

    assert status == 0
    assert len(person.questions) == 5
    assert "Found forms, which writes to s3://from-forms/x" in out
    assert load_stage(path, "test") == Stage(
        name="test",
        region="eu-west-1",
        flow_definitions=tuple(chosen.split()),
        output_buckets=buckets,
        escalation_emails=("a@b.cd", "e@f.gh"),
    )


def test_init_refuses_unknown_flow_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flows = [{"name": "forms", "arn": "arn", "output": "s3://from-forms/x"}]
    monkeypatch.setattr("workflow.publish.account.Account.flow_definitions", lambda _: flows)
    Answers(monkeypatch, "eu-west-1", "", "from")
    status, _, err = run("init", "--settings", str(tmp_path / "stages.toml"), capsys=capsys)
    assert (status, err) == (1, "error: flow definition 'from' does not exist; the account has forms\n")


def test_init_writes_the_account_of_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.publish.account.Account.identity", {"Account": "222222222222", "Arn": "me"})
    person = Answers(monkeypatch, None, "mine", "")
    path = tmp_path / "stages.toml"

    status, out, _ = run("init", "--settings", str(path), "--region", "eu-west-1", capsys=capsys)

    assert (status, load_stage(path, "dev").account) == (0, "222222222222")
    assert person.questions[0] == "AWS account of the stage (empty for none)"
    assert "names no account" not in out


@pytest.mark.parametrize("output", ["text", "json"])
def test_init_takes_the_account_as_an_option(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stages.toml"
    arguments = [
        "init",
        "--settings",
        str(path),
        "--region",
        "eu-west-1",
        "--bucket",
        "mine",
        "--email",
        "a@b.cd",
    ]

    status, _, err = run(*arguments, "--account", "12", capsys=capsys)
    assert (status, path.exists()) == (1, False)
    assert "stage dev: account: '12' is invalid. The AWS account of the stage, 12 digits" in err
    assert run(*arguments, "--account", "222222222222", "--output", output, capsys=capsys)[0] == 0
    assert load_stage(path, "dev").account == "222222222222"


def test_init_works_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Answers(monkeypatch, None, None, "mine", "")
    path = tmp_path / "stages.toml"
    status, out, err = run("init", "--settings", str(path), capsys=capsys)
    assert status == 0
    assert "It names no account. To publish it to AWS, add one to [stages.dev]." in out
    assert "Could not list the account's flow definitions" in err
    assert load_stage(path, "dev").output_buckets == ("mine",)
