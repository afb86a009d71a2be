"""Tests of the shared options."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from deploy import COMMANDS
from docs.generate.commands import all_commands
from sandbox.identity import ACCOUNT_ID
from tests.command_line import run
from workflow.cli.options import SETTINGS, PeriodOptions, ReviewOptions, StageOptions, takes_options
from workflow.cli.program import command_line
from workflow.cli.terminal import Output
from workflow.errors import AccountError
from workflow.operations.reviews_source import Period
from workflow.operations.stage_resources import StageResources
from workflow.publish.initialising import add_stage
from workflow.stack import ENGINE_ACCOUNT
from workflow.stack.stages import Stage, load_stages


def test_credentials_of_another_account_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stages.toml"
    add_stage(
        path, Stage(name="dev", region="us-east-1", account="111111111111", output_buckets=("reviewed",))
    )
    monkeypatch.setattr("workflow.publish.account.Account.identity", {"Account": "222222222222", "Arn": "me"})

    status, _, err = run("plan", "--settings", str(path), capsys=capsys)

    assert status == 1
    assert err == (
        "error: the credentials are for account 222222222222, but stage dev belongs to account 111111111111: "
        "choose other credentials with --profile\n"
    )


def settings_with(folder: Path, **more: str) -> str:
    """The path of a settings file with the stage dev."""
    path = folder / "stages.toml"
    add_stage(path, Stage(name="dev", region="us-east-1", output_buckets=("reviewed",), **more))
    return str(path)


def credentials_of(account: str, monkeypatch: pytest.MonkeyPatch, *, endpoint: str = "") -> None:
    monkeypatch.setattr("workflow.publish.account.Account.identity", {"Account": account, "Arn": "me"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)


@pytest.mark.parametrize(
    "command", [["publish", "--yes"], ["plan"], ["rollback", "--yes"], ["destroy", "--yes"], []]
)
def test_command_that_writes_refuses_an_account_that_nobody_named(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials_of("222222222222", monkeypatch)

    status, out, err = run(*command, "--settings", settings_with(tmp_path), capsys=capsys)

    assert (status, out) == (1, "")
    assert err == (
        "error: stage dev names no account, and the credentials are for account 222222222222: if that is the right "
        'one, add account = "222222222222" to [stages.dev] in the settings, or run `python deploy.py init --stage '
        "dev`\n"
    )


def test_shipped_stage_of_a_user_names_no_account() -> None:
    """It is refused until the user names one. That of the engine can be published to nobody's account."""
    assert load_stages(SETTINGS)["dev"].account is None
    assert load_stages(SETTINGS)["local"].account == ENGINE_ACCOUNT == ACCOUNT_ID


def test_account_need_not_be_named_to_read_or_to_use_a_local_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = StageOptions(settings=Path(settings_with(tmp_path)))
    credentials_of("222222222222", monkeypatch)
    assert options.reach()[0].id == "222222222222"
    with pytest.raises(AccountError):
        options.reach(writes=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert options.reach(writes=True)[0].id == "222222222222"


@pytest.mark.parametrize("command", [["plan"], ["status"], ["loops", "list"], ["smoke"]])
def test_stage_of_the_engine_is_refused_without_its_variables(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials_of("222222222222", monkeypatch)
    settings = settings_with(tmp_path, account=ENGINE_ACCOUNT)

    status, out, err = run(*command, "--settings", settings, capsys=capsys)

    assert (status, out) == (1, "")
    assert err == (
        "error: stage dev is for the local engine, and AWS_ENDPOINT_URL is not set; start the engine with `make local` "
        "if it does not run, then `source .engine.env`\n"
    )


def test_engine_is_refused_for_a_stage_of_another_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials_of(ENGINE_ACCOUNT, monkeypatch, endpoint="http://127.0.0.1:4566")
    _, _, err = run("plan", "--settings", settings_with(tmp_path, account="222222222222"), capsys=capsys)
    assert err == (
        "error: the credentials are for account 111122223333, but stage dev belongs to account 222222222222: "
        "AWS_ENDPOINT_URL leads to a local engine; use a terminal without it\n"
    )


def test_resources_of_another_account_than_the_stages_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loops are changed without a publish, so these commands check the account, too."""
    found = StageResources("dev", "aws", "us-east-1", "123456789012", {})
    monkeypatch.setattr(StageResources, "find", lambda *_: found)
    settings = settings_with(tmp_path, account="222222222222")

    status, _, err = run("loops", "redrive", "name", "--settings", settings, capsys=capsys)

    assert status == 1
    assert err.startswith(
        "error: the credentials are for account 123456789012, but stage dev belongs to account 2222"
    )


def test_fields_of_a_dataclass_become_options() -> None:
    got: list[Any] = []

    @takes_options
    def tend(
        name: Annotated[str, typer.Argument()],
        *,
        hard: Annotated[bool, typer.Option("--hard")] = False,
        of: ReviewOptions,
        on: StageOptions,
    ) -> None:
        got.append((name, hard, of, on))

    fields = ["since", "until", "first", "end", "source", "stage", "profile", "region", "settings", "output"]
    assert list(signature(tend).parameters) == ["name", "hard", *fields]
    app = typer.Typer()
    app.command()(tend)
    arguments = [
        "loop-1",
        "--hard",
        "--since",
        "2026-01-31",
        "-s",
        "prod",
        "--settings",
        "a.toml",
        "-o",
        "json",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert CliRunner(env={"AFTERLOOP_STAGE": "test"}).invoke(app, ["loop-2"]).exit_code == 0
    assert got == [
        (
            "loop-1",
            True,
            ReviewOptions(since=datetime(2026, 1, 31, tzinfo=UTC)),
            StageOptions(stage="prod", settings=Path("a.toml"), output=Output.JSON),
        ),
        ("loop-2", False, ReviewOptions(), StageOptions(stage="test")),
    ]


def test_session_uses_region_option_or_stage(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    add_stage(path, Stage(name="dev", region="eu-west-1", output_buckets=("reviewed",)))
    assert StageOptions(settings=path).session().region_name == "eu-west-1"
    assert StageOptions(settings=path, region="us-west-2").session().region_name == "us-west-2"
    assert StageOptions(settings=tmp_path / "none.toml").session().region_name is None


def test_period_defaults_to_the_last_30_days() -> None:
    today = Period.last_days(30)
    assert ReviewOptions().period() == today
    assert ReviewOptions(until=day(2, 1)).period() == Period(date(2026, 1, 2), date(2026, 2, 1))
    assert ReviewOptions(day(1, 1), day(2, 1)).period().days == 31
    assert ReviewOptions(day(1, 1)).period().until == today.until


def test_period_has_the_whole_days_of_its_times() -> None:
    options = PeriodOptions(day(1, 30, hour=22), day(2, 1, hour=1))
    assert options.period() == Period(date(2026, 1, 30), date(2026, 2, 2))


def test_former_names_of_since_and_until_still_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        PeriodOptions(first=day(1, 1), end=day(2, 1)).period() == PeriodOptions(day(1, 1), day(2, 1)).period()
    )
    for command in (["report"], ["loops", "list"]):
        out = run(*command, "--help", capsys=capsys)[1]
        assert "--until" in out
        assert not re.search("--from|--to |--older-than", out)


def day(month: int, number: int, hour: int = 0) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


@pytest.mark.parametrize(("name", "command"), list(all_commands(command_line(COMMANDS))))
def test_flags_that_are_off_by_default_have_no_negative(name: str, command: Any) -> None:
    twice = [one.opts[0] for one in command.params if one.secondary_opts and one.default is False]
    assert not twice, f"{name}: name the flag, as in typer.Option({twice[0]!r}, help=…)"
