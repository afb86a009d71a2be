"""Publish, plan and rollback: what they ask, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from unittest import mock

import pytest
from rich.console import Console

from tests.command_line import Answers, interrupted, run
from workflow.cli.publish import Confirmation
from workflow.cli.show import StackActivity
from workflow.errors import PublishError
from workflow.publish.destroying import Destruction
from workflow.publish.plan import Plan, ResourceChange


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


def confirmed(plan: Plan, *, yes: bool = False, allow_data_loss: bool = False) -> bool:
    activity, account = (
        StackActivity(Console(file=StringIO())),
        mock.Mock(id="111122223333", region="us-east-1"),
    )
    confirm = Confirmation(activity, account, "dev", yes, allow_data_loss)
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
