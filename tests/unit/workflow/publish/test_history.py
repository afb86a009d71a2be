"""Records of publishes, and which of them a rollback restores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import NOW
from tests.unit.workflow.publish.small_stack import package
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.history import Record, amend, history, latest, record, rollback_target, start
from workflow.publish.live_publish import Live
from workflow.publish.shared_object import SharedObject


def publishes(*restores: int | None) -> list[Record]:
    return [one(number, restores=restored) for number, restored in enumerate(restores, 1)]


def one(number: int, **more: Any) -> Record:
    fields = {"at": NOW, "by": "me", "template_key": f"t{number}", "parameters": {}, "version": f"m:{number}"}
    return Record.model_validate({"number": number, **fields, **more})


def live_in(record: Record | None, *, in_place: bool = True) -> Live:
    return Live({record.version: 100} if record else {"m:9": 100}, record, in_place)


@pytest.mark.parametrize(
    ("restores", "target"),
    [
        ((None, None), 1),
        ((None, None, None), 2),
        ((None, None, None, 2), 1),
        # What a rollback went back from is not gone back to, also not by the rollback of a later publish.
        ((None, None, 1, None), 1),
        ((None, None, None, 2, None), 2),
        ((None, None, None, 2, None, 2), 1),
        ((None, None, None, 1, None), 1),
        # From 1 forward to 3, and back again.
        ((None, None, None, 1, 3), 1),
        ((None, None, None, None, 2, 3), 2),
    ],
)
def test_rollback_restores_what_was_live_before(restores: tuple[Any, ...], target: int) -> None:
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


def test_rollback_says_that_the_records_were_deleted() -> None:
    with pytest.raises(PublishError, match="the records of all publishes were deleted"):
        rollback_target([], live=live_in(None))


def test_rollback_goes_back_from_what_is_live() -> None:
    records = publishes(None, None, None, None, 2)
    # New executions were routed to 3, and the stack has it: a publish in the console.
    assert rollback_target(records, live=live_in(records[2])).number == 2
    # A shift was reversed, or new executions were routed by hand: the stack has something else than what is live.
    assert rollback_target(records, live=live_in(records[2], in_place=False)).number == 3
    assert rollback_target(records, live=live_in(records[4], in_place=False)).number == 2
    # No publish made it live: back to the last one.
    assert rollback_target(records, live=live_in(None)).number == 2
    assert rollback_target(records[:4], live=live_in(None)).number == 4


@pytest.mark.parametrize("outcome", ["taken back", "failed", "interrupted", "started"])
def test_rollback_passes_over_what_was_not_published(outcome: str) -> None:
    ended = [one(1), one(2), one(3, outcome=outcome, reason="Not now"), one(4)]
    assert rollback_target(ended, live=live_in(ended[3])).number == 2
    assert rollback_target(ended[:3], live=live_in(ended[1])).number == 1
    was = {"started": "has not ended yet", "failed": "failed"}.get(outcome, f"was {outcome}")
    message = rf"publish 3 {was} \(Not now\), so it was never live as a whole; choose one of 1, 2, 4"
    with pytest.raises(PublishError, match=message):
        rollback_target(ended, to=3)
    with pytest.raises(PublishError, match="cannot roll back: no publish of this stage has succeeded yet"):
        rollback_target([one(1, outcome=outcome)])


def test_rollback_passes_over_publishes_of_what_is_live() -> None:
    """A repair, or a publish of other tags, has a record, but makes nothing else live."""
    records = [one(1), one(2), one(3, template_key="t2"), one(4, template_key="t2")]
    assert rollback_target(records, live=live_in(records[3])).number == 1
    back = [*records, one(5), one(6, template_key="t2", restores=4)]
    assert rollback_target(back, live=live_in(back[5])).number == 1
    with pytest.raises(PublishError, match="cannot roll back: publish 4 is the first publish"):
        rollback_target(records[1:], live=live_in(records[3]))


def test_rollback_by_number() -> None:
    assert rollback_target(publishes(None, None, None), to=1).number == 1
    with pytest.raises(PublishError, match="publish 3 is itself a rollback to publish 1; choose one of 1, 2"):
        rollback_target(publishes(None, None, 1), to=3)
    with pytest.raises(PublishError, match="cannot roll back to publish 7; choose one of 1, 2"):
        rollback_target(publishes(None, None), to=7)


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


def test_two_writers_get_two_numbers(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look at the same time: the second sees no record of the first."""
    start(account, "dev", package(days="1"))
    keys, stale = account.artifacts.keys, ["stages/dev/publishes/00000001.json"]
    looks = iter([stale, stale])
    monkeypatch.setattr(account.artifacts, "keys", lambda prefix: next(looks, None) or keys(prefix))
    numbers = [start(account, "dev", package(days=days)).number for days in ("2", "3")]
    assert numbers == [2, 3]
    assert [one.parameters["Days"] for one in history(account, "dev")] == ["1", "2", "3"]


def test_changes_of_two_writers_to_a_record_are_both_kept(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(account, "dev", package())
    write = SharedObject.write

    def after_another(place: SharedObject, content: bytes, *, replaces: str | None) -> Any:
        monkeypatch.setattr(SharedObject, "write", write)
        amend(account, "dev", made.number, reason="first")
        return write(place, content, replaces=replaces)

    monkeypatch.setattr(SharedObject, "write", after_another)
    amended = amend(account, "dev", made.number, version="second")
    assert amended == history(account, "dev")[0]
    assert (amended.reason, amended.version) == ("first", "second")
    assert amend(account, "dev", 7, reason="none") is None


def test_record_of_an_earlier_version_is_a_publish(account: Account) -> None:
    content = package().parameters
    old = {"number": 1, "at": "2026-01-01T00:00:00Z", "by": "me", "template_key": "t", "version": "m:1"}
    document = json.dumps({**old, "parameters": content, "restores": None}).encode()
    account.artifacts.write("stages/dev/publishes/00000001.json", document)
    (found,) = history(account, "dev")
    assert (found.outcome, found.commit, found.smoke) == ("published", None, None)


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
