"""The command line as a process sees it: exit statuses, one-line errors, and what it does not import."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import deploy
from workflow.cli.show import Shown
from workflow.errors import PublishError, WorkflowError
from workflow.publish.destroying import Destruction
from workflow.publish.initialising import add_stage, replaceable
from workflow.publish.plan import Plan, ResourceChange
from workflow.stack.stages import Shift, Stage, load_stage, load_stages

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
        (["local", "--port", "99999"], "'--port': should be less than or equal to 65535"),
        (["local", "--port", "-1"], "'--port': should be greater than or equal to 0"),
        (["local", "--port", "http"], "'--port': should be a whole number\n"),
        (["report", "--from", "31.1.2026"], "'--from': '31.1.2026' is no day, such as 2026-01-31"),
        (["loops", "list", "--older-than", "2x"], "value for --older-than: '2x' is no age, such as 30m"),
        (["loops", "reconcile", "--since", "2x"], "3d or 1w, and no day, such as 2026-01-31"),
        (["init"], "stages.toml: there is a stage dev already; edit it there, or name another with --stage"),
        (["init", "--stage", "Prod"], "stage Prod: name: 'Prod' will not do"),
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aws").write_text("[default]\nendpoint_url = localhost:4566\n")
    status, _, err = run("plan", capsys=capsys)
    assert status == 1
    assert err.startswith("error: endpoint_url of the AWS settings: 'localhost:4566' is no URL such as ")


def test_of_loops_without_a_command_the_help_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("loops", capsys=capsys)
    assert status == 1
    assert "Usage: python deploy.py loops" in out
    assert err == (
        "error: give one of the commands of loops: "
        "list, show, start, restart, stop, close, redrive, reconcile\n"
    )


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "_reach", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deploy.main(["plan"])


def interrupted(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere to publish to, whoever asks."""
    somewhere = mock.Mock(id="111122223333", region="us-east-1", is_aws=True)
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))
    monkeypatch.setattr(deploy, "_reach", lambda *_: (somewhere, stage))
    monkeypatch.setattr(deploy, "_package", lambda *_: None)


def asks_then(happens: Callable[[], None]) -> Callable[..., None]:
    """Stands in for a publish."""

    def publish(*_: object, confirm: Callable[[Plan], bool], **__: object) -> None:
        if confirm(CHANGE):
            happens()

    return publish


GOES_ON = "what CloudFormation has begun goes on; see `python deploy.py status --stage dev`"


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("confirmed", "told"), [(True, GOES_ON), (False, "nothing was changed")], ids=["after yes", "before"]
)
def test_an_interruption_of_a_publish_says_what_goes_on(
    confirmed: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = asks_then(interrupted) if confirmed else interrupted
    monkeypatch.setattr("workflow.publish.publishing.publish", publish)
    status, _, err = run("publish", "--yes", capsys=capsys)
    assert (status, err) == (130, f"error: interrupted: {told}\n")


@pytest.mark.usefixtures("account")
def test_an_interruption_of_a_swap_says_what_tells_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.publish.swapping.swap", interrupted)
    status, _, err = run("publish", "--swap", capsys=capsys)
    assert status == 130
    assert err == ("error: interrupted: `python deploy.py plan --stage dev` tells if a swap was cut short\n")


@pytest.mark.parametrize(
    ("command", "place", "told"),
    [
        ("local", "sandbox.local.run", ": the local engine is stopped, and what was in it is gone"),
        ("plan", "deploy._reach", ""),
    ],
)
def test_other_interruptions_do_not_speak_of_cloudformation(
    command: str, place: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, interrupted)
    status, _, err = run(command, capsys=capsys)
    assert (status, err) == (130, f"error: interrupted{told}\n")


@pytest.mark.parametrize("stage", ["new", "dev"])
def test_ctrl_c_at_a_question_of_init(stage: str, tmp_path: Path) -> None:
    """In a terminal, as a process of its own: what it says has a line of its own."""
    path = tmp_path / "stages.toml"
    path.write_text(SHIPPED)
    command = [sys.executable, "deploy.py", "init", "--stage", stage, "--settings", str(path)]
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
    shown = os.read(ours, 65_536)
    while not shown.endswith(b": "):
        shown += os.read(ours, 65_536)
    status = None
    while (
        status is None
    ):  # Between prompt and read() Python takes note of a signal, and then waits all the same.
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(5)
    with contextlib.suppress(OSError):  # When the last end of it is closed, a terminal answers with EIO.
        while data := os.read(ours, 65_536):
            shown += data
    os.close(ours)

    assert status == 130
    assert shown.decode().replace("\r", "").endswith("\nerror: interrupted: nothing was changed\n")
    assert path.read_text() == SHIPPED


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("output", ["text", "json"])
def test_without_anybody_to_ask_it_says_where_to_look(
    output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = asks_then(interrupted)
    monkeypatch.setattr("workflow.publish.publishing.publish", asks)
    monkeypatch.setattr("workflow.publish.rollback.roll_back", asks)
    monkeypatch.setattr("workflow.publish.history.history", lambda *_: [])
    monkeypatch.setattr("workflow.publish.history.to_go_back_to", lambda *_: None)
    doomed = Destruction("afterloop-dev", "id", 1, 0, [], [], deletes_data=False)
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *_, **__: doomed)
    there = "above" if output == "text" else "without --output json"
    for command, look in (
        ("publish", "look at `python deploy.py plan --stage dev`"),
        ("rollback", f"see {there} what would be done"),
        ("destroy", f"see {there} what would be done"),
    ):
        status, out, err = run(command, "--output", output, capsys=capsys)
        assert (status, err) == (1, f"error: there is nobody to ask: {look}, then add --yes\n")
        assert bool(out) == (output == "text")


@pytest.mark.usefixtures("account")
def test_a_no_to_destroy_says_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doomed = Destruction("afterloop-dev", "id", 1, 0, [], [], deletes_data=False)
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *_, **__: doomed)
    Answers(monkeypatch, False)
    status, out, err = run("destroy", capsys=capsys)
    assert (status, err) == (1, "")
    assert out.endswith("Nothing was changed.\n")


@pytest.mark.usefixtures("account")
def test_a_swap_is_watched_after(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("workflow.publish.swapping.swap", lambda *_: ["definition"])
    monkeypatch.setattr("workflow.publish.watching.changes", interrupted)
    status, out, _ = run("publish", "--swap", "--watch", capsys=capsys)
    assert status == 0
    assert out.splitlines() == [
        "Swapped: definition",
        "Watching for changes; Ctrl-C ends it.",
        "No longer watching.",
    ]


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


SHIPPED = (ROOT / "stages.toml").read_text(encoding="utf-8")


def test_init_asks_before_all_else_whether_a_stage_may_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first command that the README names, in the file as it is shipped."""
    path = tmp_path / "stages.toml"
    path.write_text(SHIPPED)
    person = Answers(monkeypatch, False, True, None, "mine", "")

    status, out, _ = run("init", "--settings", str(path), capsys=capsys)

    assert (status, path.read_text()) == (1, SHIPPED)
    assert out == (
        "stages.toml has a stage dev already: us-east-1, output in human-review-outputs.\n"
        "Nothing was changed.\n"
    )
    assert run("init", "--settings", str(path), capsys=capsys)[0] == 0
    assert person.questions[:2] == ["Replace it, with all that it says?"] * 2
    assert load_stage(path, "dev") == Stage(name="dev", region="us-east-1", output_buckets=("mine",))
    assert list(load_stages(path)) == ["dev", "local"]
    kept = SHIPPED[SHIPPED.index("# What `python deploy.py local`") :]
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
def test_init_does_not_ask_to_replace_what_it_cannot_or_should_not(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stages.toml"
    path.write_text(text)
    person = Answers(monkeypatch)
    status, out, err = run("init", "--settings", str(path), capsys=capsys)
    assert (status, out, person.questions) == (1, "", [])
    assert err == (
        "error: stages.toml: there is a stage dev already; edit it there, or name another with --stage\n"
    )
    assert path.read_text() == text


stages = st.lists(
    st.builds(
        Stage,
        name=st.from_regex(r"[a-z][a-z-]{0,5}", fullmatch=True),
        region=st.sampled_from(["us-east-1", "eu-west-1"]),
        output_buckets=st.just(("reviewed",)),
        shift=st.none() | st.builds(Shift, first_percent=st.integers(1, 99)),
        predictions=st.dictionaries(st.sampled_from(["stages", "forms"]), st.sampled_from(["a", '"[b]"'])),
        log_retention_days=st.sampled_from([7, 30]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda stage: stage.name,
)


@given(stages, st.data())
def test_replacing_a_stage_leaves_the_others_as_they_are(written: list[Stage], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stages.toml"
        for stage in written:
            add_stage(path, stage)
        old = data.draw(st.sampled_from(written))
        new = Stage(name=old.name, region="us-west-2", output_buckets=("other",))
        assert replaceable(path, old.name) == old
        add_stage(path, new, replace=True)
        assert list(load_stages(path).values()) == [new if stage is old else stage for stage in written]


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
import deploy, workflow.publish.publishing, workflow.publish.package, workflow.stack.assembly, workflow.cli.show
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
    console, account = Console(file=StringIO()), mock.Mock(id="111122223333", region="us-east-1")
    confirm = deploy._Confirmation(console, Shown(console), account, "dev", yes, allow_data_loss)
    agreed = confirm(plan)
    assert (confirm.leaves == GOES_ON) == agreed
    return agreed


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
