"""Records of publishes, and which of them a rollback restores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.workflow.publish.small_stack import package
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.history import Record, history, latest, record, rollback_target


def publishes(*restores: int | None) -> list[Record]:
    return [
        Record(
            number=number,
            at=datetime.now(UTC),
            by="me",
            template_key="t",
            parameters={},
            version=f"m:{number}",
            restores=restored,
        )
        for number, restored in enumerate(restores, 1)
    ]


@pytest.mark.parametrize(
    ("restores", "target"),
    [((None, None), 1), ((None, None, None), 2), ((None, None, None, 2), 1), ((None, None, 1, None), 2)],
)
def test_rollback_restores_the_publish_before_the_current_one(restores: tuple[Any, ...], target: int) -> None:
    assert rollback_target(publishes(*restores)).number == target


@pytest.mark.parametrize(
    ("restores", "message"),
    [
        ((), "cannot roll back: this stage has not been published yet"),
        ((None,), "cannot roll back: publish 1 is the first"),
        ((None, None, 1), "cannot roll back: publish 1 is the first"),
    ],
)
def test_rollback_without_an_earlier_publish_is_refused(restores: tuple[Any, ...], message: str) -> None:
    with pytest.raises(PublishError, match=message):
        rollback_target(publishes(*restores))


def test_rollback_by_number() -> None:
    assert rollback_target(publishes(None, None, None), to=1).number == 1
    with pytest.raises(PublishError, match="cannot roll back to publish 3; choose one of 1, 2"):
        rollback_target(publishes(None, None, 1), to=3)


def test_records_are_read_in_the_order_of_publishes(account: Account) -> None:
    assert latest(account, "dev") is None
    for number in range(1, 13):
        record(account, "dev", package(days=str(number)), version=f"m:{number}")
    record(account, "other", package(), version="m:1", restores=publishes(None)[0])

    assert [one.number for one in history(account, "dev")] == list(range(1, 13))
    newest = latest(account, "dev")
    assert newest is not None
    assert (newest.number, newest.version, newest.by) == (12, "m:12", account.caller)
    assert newest.parameters["Days"] == "12"
    assert [one.restores for one in history(account, "other")] == [1]


def test_same_content_is_recorded_once(account: Account) -> None:
    for days in ("1", "1", "2", "1"):
        record(account, "dev", package(days=days), version="m:1")
    assert [one.parameters["Days"] for one in history(account, "dev")] == ["1", "2", "1"]


def test_stage_without_artifact_bucket_has_no_history(new_account: Account) -> None:
    assert history(new_account, "dev") == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{}", "number: Field required"),
        (b"x", "the document: Invalid JSON"),
        (b"[" * 9000, "the document: "),
    ],
)
def test_object_that_is_no_record_is_named(account: Account, content: bytes, problem: str) -> None:
    account.artifacts.write("stages/dev/publishes/00000001.json", content)
    for reader in (history, latest):
        with pytest.raises(PublishError, match=f"publishes/00000001.json is not a document .*: {problem}"):
            reader(account, "dev")
