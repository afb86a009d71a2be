"""The command line as a process sees it: exit statuses, one-line errors, and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import deploy
from workflow.errors import PublishError, WorkflowError
from workflow.publish.initialising import add_stage
from workflow.publish.plan import Plan, ResourceChange
from workflow.publish.show import Shown
from workflow.stack.stages import Stage, load_stage

ROOT = Path(deploy.__file__).parent


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS settings of the person at the keyboard."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        (tmp_path / "aws").touch()
        monkeypatch.setenv(name, str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as end:
        deploy.main(arguments)
    captured = capsys.readouterr()
    code = end.value.code
    return (code if isinstance(code, int) else 0 if code is None else 1), captured.out, captured.err


@pytest.mark.parametrize("command", [[], ["plan"], ["outputs"], ["status"], ["destroy"], ["rollback"]])
def test_without_credentials_there_is_one_line_that_names_the_local_way(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*command, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: no AWS credentials were found")
    assert "python deploy.py local" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stage", "nobody"], "stages.toml: there is no stage 'nobody'; it has dev, local"),
        (["plan", "--settings", "/no/such.toml"], "/no/such.toml: there is no such file; write one with"),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
        (["plan", "--region", "mars-1"], "Amazon A2I is not offered in 'mars-1'"),
        (["plan", "--nonsense"], "No such option: --nonsense"),
        (["nonsense"], "No such command 'nonsense'"),
        (["plan", "--output", "xml"], "'xml' is not one of 'text', 'json'"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_status_1(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*arguments, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert told in err
    assert err.count("\n") == 1


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


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "_reach", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deploy.main(["plan"])


def test_an_interruption_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy, "_reach", interrupted)
    status, _, err = run("publish", capsys=capsys)
    assert status == 130
    assert err == "error: interrupted: what CloudFormation has begun goes on; see `python deploy.py status`\n"


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["publish", "--help"]])
def test_help_is_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(*arguments, capsys=capsys)
    assert status == 0
    assert "Usage: python deploy.py" in out


@pytest.mark.parametrize("first", ["-y", "--yes", "--stage", "--output"])
def test_publish_is_the_default_command(first: str) -> None:
    assert deploy._with_default_command([first]) == ["publish", first]
    assert deploy._with_default_command([]) == ["publish"]
    assert deploy._with_default_command(["plan", first]) == ["plan", first]


def test_init_writes_a_stage_from_options_and_does_not_write_over_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert "there is a stage dev already" in err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            ["--region", "mars-1", "--bucket", "reviewed", "--email", "a@b.cd"],
            "Amazon A2I is not offered in 'mars-1'",
        ),
        (
            ["--region", "eu-west-1", "--bucket", "s3://x", "--email", "a@b.cd"],
            "output_buckets.0: 's3://x' will not do",
        ),
        (
            ["--stage", "Prod", "--region", "eu-west-1", "--bucket", "reviewed"],
            "stage Prod: name: 'Prod' will not do",
        ),
    ],
)
def test_init_checks_what_it_is_told(
    tmp_path: Path, more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run("init", "--settings", str(tmp_path / "stages.toml"), *more, capsys=capsys)
    assert status == 1
    assert told in err
    assert not (tmp_path / "stages.toml").exists()


def test_a_stage_of_another_account_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stages.toml"
    add_stage(
        path, Stage(name="dev", region="us-east-1", account="111111111111", output_buckets=("reviewed",))
    )
    monkeypatch.setattr(
        "workflow.publish.account.Account._identity", {"Account": "222222222222", "Arn": "me"}
    )

    status, _, err = run("plan", "--settings", str(path), capsys=capsys)

    assert status == 1
    assert (
        "these credentials are of account 222222222222, and stage dev is of 111111111111: give --profile"
        in err
    )


def test_a_plan_does_not_import_what_it_does_not_need() -> None:
    heavy = ["matplotlib", "numpy", "duckdb", "ministack", "sagemaker", "pygraphviz", "cfnlint"]
    code = f"""
import sys, json
sys.path.insert(0, {str(ROOT)!r})
import deploy, workflow.publish.publishing, workflow.publish.package, workflow.stack.assembly, workflow.publish.show
workflow.stack.assembly.assemble()
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


# Questions


class Answers:
    """A person at the keyboard: answers each question in turn, and remembers it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self.answers, self.questions = list(answers), []
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr(deploy.typer, "confirm", self.answer)
        monkeypatch.setattr(deploy.typer, "prompt", self.answer)

    def answer(self, question: str, default: object = None) -> object:
        self.questions.append(question)
        answer = self.answers.pop(0)
        return default if answer is None else answer


def confirmed(plan: Plan, *, yes: bool = False, allow_data_loss: bool = False) -> bool:
    console = Console(file=StringIO())
    return deploy._confirmation(console, Shown(console), "here", yes=yes, allow_data_loss=allow_data_loss)(
        plan
    )


CHANGE = Plan("afterloop-dev", creates=False, notes=["Something."])
REPLACED = ResourceChange("LedgerTable", "AWS::DynamoDB::Table", "replace", loses_data=True)
GRAVE = Plan("afterloop-dev", creates=False, resources=[REPLACED])


def test_a_publish_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    assert confirmed(CHANGE) is True
    assert confirmed(CHANGE) is False
    assert person.questions == ["Publish this?", "Publish this?"]


def test_what_replaces_or_deletes_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    assert confirmed(GRAVE) is False
    assert (
        person.questions[1]
        == "This replaces or deletes LedgerTable, with all that LedgerTable holds. Really?"
    )


def test_yes_does_not_lose_data_unless_told_so() -> None:
    assert confirmed(CHANGE, yes=True)
    with pytest.raises(
        PublishError, match="the data of LedgerTable would be lost; if that is meant, add --allow-data"
    ):
        confirmed(GRAVE, yes=True)
    assert confirmed(GRAVE, yes=True, allow_data_loss=True)


@pytest.mark.parametrize(
    ("chosen", "buckets"), [("", ("from-forms", "from-images")), ("images", ("from-images",))]
)
def test_init_asks_and_offers_what_the_account_has(
    chosen: str,
    buckets: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flows = [{"name": name, "arn": "arn", "output": f"s3://from-{name}/x"} for name in ("forms", "images")]
    monkeypatch.setattr("workflow.publish.account.Account.flow_definitions", lambda _: flows)
    person = Answers(monkeypatch, "eu-west-1", chosen, None, "a@b.cd, e@f.gh")
    path = tmp_path / "stages.toml"

    status, out, _ = run("init", "--stage", "test", "--settings", str(path), capsys=capsys)

    assert status == 0
    assert len(person.questions) == 4
    assert "found forms, which writes to s3://from-forms/x" in out
    assert load_stage(path, "test") == Stage(
        name="test",
        region="eu-west-1",
        flow_definitions=tuple(chosen.split()),
        output_buckets=buckets,
        escalation_emails=("a@b.cd", "e@f.gh"),
    )


def test_init_knows_the_flow_definitions_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flows = [{"name": "forms", "arn": "arn", "output": "s3://from-forms/x"}]
    monkeypatch.setattr("workflow.publish.account.Account.flow_definitions", lambda _: flows)
    Answers(monkeypatch, "eu-west-1", "from")
    status, _, err = run("init", "--settings", str(tmp_path / "stages.toml"), capsys=capsys)
    assert (status, err) == (1, "error: there is no flow definition 'from' there, but forms\n")


def test_init_asks_also_where_the_account_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Answers(monkeypatch, None, "mine", "")
    path = tmp_path / "stages.toml"
    status, _, err = run("init", "--settings", str(path), capsys=capsys)
    assert status == 0
    assert "flow definitions are not known here" in err
    assert load_stage(path, "dev").output_buckets == ("mine",)
