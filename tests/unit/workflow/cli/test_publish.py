"""Tests of `publish`, `plan` and `rollback`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from unittest import mock

import pytest
from rich.console import Console

from tests.command_line import Answers, interrupted, printed_json, run
from workflow.cli.publish import Confirmation
from workflow.cli.show import StackActivity
from workflow.errors import PublishError
from workflow.publish.commits import Commit
from workflow.publish.destroying import Destruction
from workflow.publish.history import Record, Smoke
from workflow.publish.holder import Holder
from workflow.publish.needs import StillNeeded
from workflow.publish.package import Package
from workflow.publish.plan import Plan, RemadePlan, ResourceChange
from workflow.publish.publishing import Published
from workflow.publish.risks import Risk
from workflow.stack.stages import Stage

WARNING = "post_review.py:3: state 'Tell': write 'Text.$'"
NOT_RUN = "post_review.py:9: state 'Ask': the local engine does not run bedrock:invokeModel"


def asks_then(happens: Callable[[], None]) -> Callable[..., None]:
    """A publish that asks for confirmation, and then does something else."""

    def publish(*_: object, confirm: Callable[[Plan], bool], **__: object) -> None:
        if confirm(CHANGE):
            happens()

    return publish


CONTINUES = "CloudFormation continues its operation; check `python deploy.py status --stage dev`"


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("confirmed", "message"), [(True, CONTINUES), (False, "nothing was changed")], ids=["after yes", "before"]
)
def test_interrupted_publish_reports_what_continues(
    confirmed: bool, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = asks_then(interrupted) if confirmed else interrupted
    monkeypatch.setattr("workflow.publish.publishing.publish", publish)
    status, _, err = run("publish", "--yes", capsys=capsys)
    assert (status, err) == (130, f"error: interrupted: {message}\n")


@pytest.mark.usefixtures("account")
def test_interrupted_swap_reports_how_to_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.publish.swapping.swap", interrupted)
    status, _, err = run("publish", "--swap", capsys=capsys)
    assert status == 130
    assert err == (
        "error: interrupted: the swap may be incomplete; check `python deploy.py plan --stage dev`\n"
    )


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("output", ["text", "json"])
def test_commands_do_not_ask_without_a_terminal_or_with_json(
    output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = asks_then(interrupted)
    monkeypatch.setattr("workflow.publish.publishing.publish", asks)
    monkeypatch.setattr("workflow.publish.rollback.roll_back", asks)
    monkeypatch.setattr("workflow.publish.rollback.choose", lambda *_: RECORD)
    destruction = Destruction("afterloop-dev", "id", 1, 0, [], [], deletes_data=False)
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *_, **__: destruction)
    why, default = {
        "text": ("standard input is not a terminal", "check the changes above"),
        "json": ("--output json does not ask for confirmation", "run without it to see the changes"),
    }[output]
    for command, hint in (
        ("publish", "run `python deploy.py plan --stage dev` to see the changes"),
        ("rollback", default),
        ("destroy", default),
    ):
        status, out, err = run(command, "--output", output, capsys=capsys)
        assert (status, err) == (1, f"error: {why}: {hint}, then pass --yes\n")
        assert bool(out) == (output == "text")


RECORD = Record(
    number=7,
    at=datetime(2026, 11, 27, 14, 3, tzinfo=UTC),
    by="arn:aws:iam::111122223333:user/me",
    template_key="templates/1.json",
    parameters={},
    version="arn:7",
    commit=Commit(id="0123abcd" * 5, changes=True),
    smoke=Smoke(passed=False, at=datetime(2026, 11, 27, 15, tzinfo=UTC), failed=("Completed: the row",)),
)
OUTPUTS = {"StateMachine": "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev"}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("command", ["publish", "rollback"])
@pytest.mark.parametrize(("changed", "outcome"), [(True, "is published."), (False, "is up to date.")])
def test_publish_and_rollback_print_the_stage(
    command: str,
    changed: bool,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published = Published("afterloop-dev", changed=changed, outputs=OUTPUTS, version="arn:1", plan=CHANGE)
    monkeypatch.setattr("workflow.publish.publishing.publish", lambda *_, **__: published)
    monkeypatch.setattr("workflow.publish.rollback.roll_back", lambda *_, **__: published)
    monkeypatch.setattr("workflow.publish.rollback.choose", lambda *_: RECORD)

    status, out, err = run(command, "--yes", capsys=capsys)

    assert (status, err) == (0, "")
    assert out.startswith(f"afterloop-dev (account 111122223333, us-east-1) {outcome}\n")
    assert out.endswith("\nTo check its status: python deploy.py status --stage dev\n")
    document = printed_json(command, run(command, "--yes", "-o", "json", capsys=capsys)[1])
    assert (document["changed"], document["outputs"], document["swapped"]) == (changed, OUTPUTS, [])
    assert document["plan"]["notes"] == ["Something."]


@pytest.mark.usefixtures("account")
def test_publish_says_at_its_end_who_has_to_confirm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = ["a@example.com", "https://b.example"]
    published = Published("afterloop-dev", changed=True, outputs=OUTPUTS, unconfirmed=addresses)
    monkeypatch.setattr("workflow.publish.publishing.publish", lambda *_, **__: published)
    out = run("publish", "--yes", capsys=capsys)[1]
    assert (
        "\nTo be confirmed within 48 hours: a@example.com, https://b.example got a link, and no messages"
        in out
    )
    document = printed_json("publish", run("publish", "--yes", "-o", "json", capsys=capsys)[1])
    assert document["unconfirmed"] == addresses


@pytest.mark.usefixtures("account")
def test_rollback_says_what_it_restores_before_it_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = Published("afterloop-dev", changed=True, outputs=OUTPUTS, version="arn:1", plan=CHANGE)

    def asks(*_: object, confirm: Callable[[Plan], bool], **__: object) -> Published:
        assert confirm(CHANGE)
        return published

    monkeypatch.setattr("workflow.publish.rollback.choose", lambda *_: RECORD)
    monkeypatch.setattr("workflow.publish.rollback.roll_back", asks)
    out = run("rollback", "--yes", capsys=capsys)[1]
    assert out.startswith(
        f"Back to publish 7 of {RECORD.at.astimezone():%Y-%m-%d %H:%M} by arn:aws:iam::111122223333:user/me "
        "(commit 0123abc, with changes that are not committed), smoke failed (Completed: the row).\n"
    )
    document = printed_json("rollback", run("rollback", "--yes", "-o", "json", capsys=capsys)[1])["restores"]
    assert (document["number"], document["outcome"], document["smoke"]["passed"]) == (7, "published", False)
    assert document["commit"] == {"id": "0123abcd" * 5, "changes": True}


@pytest.mark.usefixtures("account")
def test_publish_without_consent_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workflow.publish.publishing.publish", asks_then(interrupted))
    Answers(monkeypatch, False)
    status, out, err = run("publish", capsys=capsys)
    assert (status, err) == (1, "")
    assert out.endswith("\nNothing was changed.\n")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("changes", [True, False])
def test_plan_exits_with_2_if_there_are_changes(
    changes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What waits for executions is no change: a pipeline that looks for drift finds none.
    waiting = StillNeeded("Score", 1, (7,))
    found = replace(CHANGE if changes else Plan("afterloop-dev", creates=False), still_needed=[waiting])
    monkeypatch.setattr("workflow.publish.publishing.plan_for", lambda *_, **__: found)
    expected = 2 if changes else 0
    status, out, _ = run("plan", capsys=capsys)
    assert (status, "nothing to change" in out) == (expected, not changes)
    assert "Note: Score stays until 1 execution on version 7 has ended; publish again afterwards.\n" in out
    status, out, _ = run("plan", "-o", "json", capsys=capsys)
    document = printed_json("plan", out)
    assert (status, document["changes"], document["stage"]) == (expected, changes, "dev")
    assert document["still_needed"] == [{"what": "Score", "executions": 1, "versions": [7]}]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("swapped", "text"),
    [
        (["code of Score", "definition"], "Swapped: code of Score, definition\n"),
        ([], "Nothing to swap\n"),
    ],
)
def test_swap_prints_the_keys_of_publish(
    swapped: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = Package("{}", {}, {}, warnings=(WARNING,))
    monkeypatch.setattr("workflow.publish.package.make_package", lambda *_, **__: package)
    monkeypatch.setattr("workflow.publish.availability.unavailable", lambda *_: [NOT_RUN])
    monkeypatch.setattr("workflow.publish.swapping.swap", lambda *_: swapped)
    warnings = f"Warning: {WARNING}\nWarning: {NOT_RUN}\n"
    assert run("publish", "--swap", capsys=capsys) == (0, text, warnings)
    document = printed_json("publish", run("publish", "--swap", "-o", "json", capsys=capsys)[1])
    assert (document["swapped"], document["changed"], document["plan"]) == (swapped, bool(swapped), None)
    assert document["outputs"] == {"StateMachine": "arn:machine"}
    assert document["warnings"] == [WARNING, NOT_RUN]


@pytest.mark.usefixtures("account")
def test_publish_shows_the_warnings_of_an_unchanged_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan("afterloop-dev", creates=False, warnings=[WARNING])
    published = Published("afterloop-dev", changed=False, outputs=OUTPUTS, plan=plan)
    monkeypatch.setattr("workflow.publish.publishing.publish", lambda *_, **__: published)
    _, out, err = run("publish", capsys=capsys)
    assert ("is up to date" in out, err) == (True, f"Warning: {WARNING}\n")
    assert printed_json("publish", run("publish", "-o", "json", capsys=capsys)[1])["warnings"] == [WARNING]


@pytest.mark.usefixtures("account")
def test_changes_that_cannot_be_swapped_are_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = Published("afterloop-dev", changed=True, outputs=OUTPUTS)
    monkeypatch.setattr("workflow.publish.swapping.swap", lambda *_: None)
    monkeypatch.setattr("workflow.publish.publishing.publish", lambda *_, **__: published)
    assert "is published." in run("publish", "--swap", capsys=capsys)[1]


def test_protected_stage_refuses_a_swap(
    account: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(name="prod", region="us-east-1", output_buckets=("reviewed",), protected=True)
    monkeypatch.setattr("workflow.cli.options.StageOptions.reach", lambda _, **__: (account, stage))
    for option in ("--swap", "--watch"):
        assert run("publish", option, capsys=capsys) == (
            1,
            "",
            "error: stage prod is protected: a hot swap is not allowed; run `python deploy.py publish --stage prod`\n",
        )


def confirmed(
    plan: Plan, *accepted: str, yes: bool = False, allow_data_loss: bool = False, hint: str | None = None
) -> bool:
    activity, account = (
        StackActivity(Console(file=StringIO())),
        mock.Mock(id="111122223333", region="us-east-1"),
    )
    confirm = Confirmation(activity, account, "dev", yes, allow_data_loss, accepted, hint)
    approved = confirm(plan)
    assert (confirm.if_interrupted == CONTINUES) == approved
    return approved


CHANGE = Plan("afterloop-dev", creates=False, notes=["Something."])


@pytest.mark.parametrize(
    ("yes", "is_same", "answers", "approved"),
    [(False, True, [True], True), (False, False, [False], False), (True, True, [], True)],
)
def test_plan_that_was_made_again_is_shown_and_asked_again(
    account: mock.Mock,
    monkeypatch: pytest.MonkeyPatch,
    yes: bool,
    is_same: bool,
    answers: list[bool],
    approved: bool,
) -> None:
    asked = Answers(monkeypatch, *answers)
    out = StringIO()
    confirm = Confirmation(StackActivity(Console(file=out)), account, "dev", yes)
    assert confirm(RemadePlan(**vars(CHANGE), is_same=is_same)) is approved
    assert out.getvalue().startswith("The stage has changed since this plan was made. It is made again:\n")
    assert "Something." in out.getvalue()
    assert len(asked.questions) == len(answers)


def test_yes_does_not_accept_another_plan_than_the_one_that_was_shown(account: mock.Mock) -> None:
    confirm = Confirmation(StackActivity(Console(file=StringIO())), account, "dev", yes=True)
    assert confirm(CHANGE)
    with pytest.raises(PublishError, match="somebody else changed stage dev after the plan was made"):
        confirm(RemadePlan(**vars(CHANGE), is_same=False))
    assert confirm.if_interrupted == "nothing was changed"


HOLDER = Holder(
    operation="publish",
    subject="of package 1a2b3c4d",
    activity="asks",
    by="arn:aws:iam::111122223333:user/anna",
    where="anna@laptop",
    process=7,
    since=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


@pytest.mark.usefixtures("account")
def test_plan_says_who_has_the_lock_and_stays_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Plan("afterloop-dev", creates=False, locked_by=HOLDER)
    monkeypatch.setattr("workflow.publish.publishing.plan_for", lambda *_, **__: found)
    status, out, _ = run("plan", capsys=capsys)
    assert status == 0
    assert (
        "The stage is locked: arn:aws:iam::111122223333:user/anna (anna@laptop, process 7) is asked to confirm a "
        "publish of package 1a2b3c4d since 2026-03-0"
    ) in out
    document = printed_json("plan", run("plan", "-o", "json", capsys=capsys)[1])
    assert document["locked_by"]["where"] == "anna@laptop"


def test_swap_and_destroy_are_refused_while_somebody_has_the_lock(
    account: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked: list[str] = []

    @contextmanager
    def held(account: object, stage: Stage, operation: str, *_: object, **__: object) -> Iterator[None]:
        locked.append(operation)
        raise PublishError("stage dev is locked")
        yield

    monkeypatch.setattr("workflow.publish.locks.held", held)
    monkeypatch.setattr("workflow.publish.rollback.choose", lambda *_: RECORD)
    for command in (["publish", "--swap"], ["rollback"], ["destroy"]):
        assert run(*command, "--yes", capsys=capsys) == (1, "", "error: stage dev is locked\n")
    assert locked == ["hot swap", "rollback", "destroy"]
    account.stacks.delete.assert_not_called()


def test_refused_rollback_takes_no_lock(
    account: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would end a publish that asks: a rollback goes first."""
    refused = mock.Mock(side_effect=PublishError("publish 1 is the first publish of this stage"))
    monkeypatch.setattr("workflow.publish.rollback.choose", refused)
    held = mock.Mock()
    monkeypatch.setattr("workflow.publish.locks.held", held)
    message = "error: publish 1 is the first publish of this stage\n"
    assert run("rollback", "--yes", capsys=capsys) == (1, "", message)
    held.assert_not_called()


REPLACED = ResourceChange("LedgerTable", "AWS::DynamoDB::Table", "replace", loses_data=True)


REPLACES_TABLE = Plan("afterloop-dev", creates=False, resources=[REPLACED])


def test_publish_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    assert confirmed(CHANGE) is True
    assert confirmed(CHANGE) is False
    assert person.questions == ["Publish these changes?"] * 2


def test_publish_asks_again_before_it_replaces_or_deletes(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    assert confirmed(REPLACES_TABLE) is False
    assert person.questions[1] == (
        "This replaces or deletes LedgerTable. The data in LedgerTable would be lost. Continue?"
    )


def test_yes_refuses_data_loss_without_allow_data_loss() -> None:
    assert confirmed(CHANGE, yes=True)
    with pytest.raises(
        PublishError, match="the data in LedgerTable would be lost: to continue, pass --allow-data"
    ):
        confirmed(REPLACES_TABLE, yes=True)
    assert confirmed(REPLACES_TABLE, yes=True, allow_data_loss=True)


def test_a_table_that_is_created_again_empty_needs_a_second_yes_or_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = ResourceChange(
        "LedgerTable", "AWS::DynamoDB::Table", "create again", loses_data=True, drifted=True
    )
    plan = Plan("afterloop-dev", creates=False, resources=[again])
    empty = (
        "edgerTable would be created again without data, unless you restore it first (docs/how-to/stages.md)"
    )
    person = Answers(monkeypatch, True, False)
    assert confirmed(plan) is False
    assert person.questions[1] == f"L{empty}. Continue?"
    with pytest.raises(PublishError) as error:
        confirmed(plan, yes=True)
    assert str(error.value) == f"L{empty}: to continue, pass --allow-data-loss"
    assert confirmed(plan, yes=True, allow_data_loss=True)


RISKY = Plan(
    "afterloop-dev",
    creates=False,
    notes=["Something."],
    risks=[
        Risk("Notify: iam:*", "allows every action that matches"),
        Risk("It's: open", "everybody can call it"),
    ],
)


def test_yes_alone_accepts_no_risk() -> None:
    with pytest.raises(PublishError) as error:
        confirmed(RISKY, "It's: open", yes=True)
    assert str(error.value) == (
        "--yes does not accept what the plan marks: to continue, pass --accept 'Notify: iam:*'"
    )
    with pytest.raises(PublishError) as error:
        confirmed(RISKY, "Notify: iam:PassRole", "Notify", "*", yes=True)
    options = shlex.split(str(error.value).partition("pass ")[2])
    assert options == ["--accept", "Notify: iam:*", "--accept", "It's: open"]
    assert confirmed(RISKY, *options[1::2], yes=True)


def test_publish_asks_for_each_risk_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Answers(monkeypatch, True, False)
    assert confirmed(RISKY) is False
    assert person.questions[1:] == ["Notify: iam:*: allows every action that matches. Accept it?"]
    person = Answers(monkeypatch, True, True)
    assert confirmed(RISKY, "Notify: iam:*") is True
    assert person.questions[1:] == ["It's: open: everybody can call it. Accept it?"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("command", ["publish", "rollback"])
def test_accepted_names_are_options_of_publish_and_rollback(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asks(*_: object, confirm: Callable[[Plan], bool], **__: object) -> Published:
        assert confirm(RISKY)
        return Published("afterloop-dev", changed=True, outputs=OUTPUTS, version="arn:1", plan=RISKY)

    monkeypatch.setattr("workflow.publish.publishing.publish", asks)
    monkeypatch.setattr("workflow.publish.rollback.roll_back", asks)
    monkeypatch.setattr("workflow.publish.rollback.choose", lambda *_: RECORD)
    status, out, err = run(command, "--yes", "--accept", "Notify: iam:*", capsys=capsys)
    assert (status, err) == (
        1,
        "error: --yes does not accept what the plan marks: to continue, pass --accept 'It'\"'\"'s: open'\n",
    )
    assert "! Notify: iam:*  allows every action that matches\n" in out
    names = ["--accept", "Notify: iam:*", "--accept", "It's: open"]
    status, out, _ = run(command, "--yes", *names, "-o", "json", capsys=capsys)
    assert status == 0
    assert printed_json(command, out)["plan"]["risks"][0]["name"] == "Notify: iam:*"


def test_accepted_name_that_is_not_in_the_plan_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Answers(monkeypatch, True, True, True)
    assert confirmed(RISKY, "notify: iam:PassRole", "It's: open", "Other: s3:*")
    assert capsys.readouterr().err == (
        "warning: --accept 'notify: iam:PassRole' is not in the plan; did you mean 'Notify: iam:*'?\n"
        "warning: --accept 'Other: s3:*' is not in the plan\n"
    )


@pytest.mark.usefixtures("account")
def test_accepted_name_is_a_warning_if_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a pipeline accepts once is not new any more: the option has to go."""
    unchanged = Published("afterloop-dev", changed=False, outputs=OUTPUTS, plan=Plan("s", creates=False))
    monkeypatch.setattr("workflow.publish.publishing.publish", lambda *_, **__: unchanged)
    status, _, err = run("publish", "--yes", "--accept", "Notify: iam:*", capsys=capsys)
    assert (status, err) == (0, "warning: --accept 'Notify: iam:*' is not in the plan\n")
