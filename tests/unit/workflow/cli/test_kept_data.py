"""Which kept data a new stage adopts: by an option, or asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest

from tests.command_line import Answers, printed_json, run
from workflow.publish.destroying import Destruction
from workflow.publish.kept_data import Generation, Kept

OLD, NEW = (
    Generation(
        name, datetime(2026, 1, day, tzinfo=UTC), [Kept("LedgerTable", "AWS::DynamoDB::Table", name, 12)]
    )
    for day, name in ((1, "old"), (2, "new"))
)


@pytest.fixture
def chosen(account: mock.Mock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `publish` chooses of kept data; a function that takes the data. `undecided` if it cannot choose."""
    result: list[Any] = []
    found: list[Generation] = []

    def publish(*_: object, choose: Any, **__: object) -> None:
        result.append(choose(found) if choose else "undecided")

    monkeypatch.setattr("workflow.publish.publishing.publish", publish)

    def choosing(generations: list[Generation], *options: str, capsys: pytest.CaptureFixture[str]) -> Any:
        found[:] = generations
        result.clear()
        _, _, err = run("publish", *options, capsys=capsys)
        return result[0] if result else err

    return choosing


def test_option_says_which_data_is_adopted(chosen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def of(found: list[Generation], *options: str) -> Any:
        return chosen(found, "--yes", *options, capsys=capsys)

    assert of([NEW], "--data", "adopt") is NEW
    assert of([NEW], "--data", "new") is None
    assert of([NEW, OLD], "--data", "old") is OLD
    # Neither is right for everybody.
    assert of([NEW]) == "undecided"


@pytest.mark.parametrize(
    ("found", "option", "problem"),
    [
        ([], "adopt", "no kept data of stage dev was found: check account and Region, or pass --data new"),
        (
            [NEW, OLD],
            "adopt",
            "2 earlier stacks of stage dev kept data: LedgerTable new (about 12 items) of 2026",
        ),
        ([NEW], "other", "no kept data of stage dev has the name other: LedgerTable new"),
    ],
)
def test_option_that_fits_no_data_is_an_error(
    found: list[Generation], option: str, problem: str, chosen: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chosen(found, "--yes", "--data", option, capsys=capsys).startswith(f"error: {problem}")


def test_person_is_asked_about_each_generation(
    chosen: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answers, expected in (((True,), NEW), ((False, True), OLD), ((False, False), None)):
        person = Answers(monkeypatch, *answers)
        assert chosen([NEW, OLD], capsys=capsys) is expected
        assert person.questions == ["Adopt this data? Otherwise it stays, unused"] * len(answers)
    assert chosen([], capsys=capsys) is None


def test_nobody_can_be_asked_without_a_terminal(
    chosen: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert "pass --data adopt or --data new, then pass --yes" in chosen([NEW], capsys=capsys)


@pytest.fixture
def left(account: mock.Mock, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The data of a stage whose stack is gone; what is deleted of it is in the list."""
    deleted: list[Any] = []
    monkeypatch.setattr(
        "workflow.publish.destroying.destruction",
        lambda _, __, *, delete_data: Destruction(
            "afterloop-dev", None, 0, 0, NEW.resources, [], deletes_data=delete_data
        ),
    )
    monkeypatch.setattr("workflow.publish.destroying.destroy", lambda *given, **_: deleted.append(given[2]))
    return deleted


def test_destroy_without_a_stack_says_what_is_kept_and_deletes_it_on_request(
    left: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run("destroy", "--yes", capsys=capsys)
    assert (status, err, left) == (0, "", [])
    assert out.splitlines() == [
        "afterloop-dev (account 111122223333, us-east-1) does not exist. An earlier stack kept data:",
        "  LedgerTable new (about 12 items) is kept",
        "",
        "Nothing was changed: to delete this data, pass --delete-data; a publish can adopt it",
    ]
    document = printed_json("destroy", run("destroy", "--yes", "-o", "json", capsys=capsys)[1])
    assert (document["destroyed"], [one["name"] for one in document["kept"]]) == (False, ["new"])
    person = Answers(monkeypatch, True)
    _, out, _ = run("destroy", "--delete-data", capsys=capsys)
    assert out.endswith("The data that afterloop-dev kept was deleted.\n")
    assert (person.questions, len(left)) == (["Delete the data that afterloop-dev kept?"], 1)
    document = printed_json(
        "destroy", run("destroy", "--yes", "--delete-data", "-o", "json", capsys=capsys)[1]
    )
    assert (document["destroyed"], document["deletes_data"]) == (True, True)


def test_status_of_a_destroyed_stage_says_what_is_kept(
    account: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.stacks.find.return_value = None
    monkeypatch.setattr("workflow.publish.status.status", lambda *_, **__: None)
    monkeypatch.setattr("workflow.publish.kept_data.kept_data", lambda *_: [NEW])
    for command in ("status", "outputs"):
        assert run(command, capsys=capsys) == (
            1,
            "",
            "error: stage dev is not published: run `python deploy.py publish --stage dev`, which can adopt what an "
            "earlier stack kept: LedgerTable new (about 12 items) of 2026-01-02; `destroy --delete-data` deletes it\n",
        )
