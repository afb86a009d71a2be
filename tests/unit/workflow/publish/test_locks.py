"""The lock of a stage: one process at a time, with an owner that is said in words, and no longer than it lives."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.doubles import StubbedSession
from tests.unit.workflow.publish.conftest import Services
from tests.unit.workflow.publish.small_stack import described, package
from workflow.errors import PublishError
from workflow.publish import locks
from workflow.publish.account import Account
from workflow.publish.holder import Holder, LockDocument, current_holder, is_over
from workflow.publish.local_process import ProcessMark, forget, has_ended
from workflow.publish.locks import held
from workflow.publish.shared_object import Found
from workflow.stack.stages import Stage

KEY = "stages/dev/lock.json"


@pytest.fixture
def other(account: Account) -> Iterator[Account]:
    """Another process that uses the same account."""
    session: Any = StubbedSession("cloudformation", "stepfunctions", "lambda")
    yield Account(session)
    session.close()
    session.assert_all_called()


def versions(account: Account) -> list[Any]:
    found = account.session.client("s3").list_object_versions(Bucket=account.artifact_bucket)
    return [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]


def read(account: Account) -> dict[str, Any]:
    return dict(json.loads(account.artifacts.read(KEY) or b"{}"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process asks S3 before each call whether it still has the lock."""
    monkeypatch.setattr(locks, "SURE_SECONDS", -1.0)


@pytest.fixture
def expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """All locks have not been renewed for too long."""
    monkeypatch.setattr("workflow.publish.holder.LEASE_SECONDS", -1)


def test_second_process_is_refused_with_who_holds_the_lock(
    account: Account, other: Account, stage: Stage
) -> None:
    with held(account, stage, "publish", "of package 1a2b3c4d"):
        refused = pytest.raises(PublishError, match=r"^stage dev is locked: arn:aws:sts::123456789012:")
        with refused as error, held(other, stage, "destroy"):
            pytest.fail("both hold it")
        holder = current_holder(other, "dev")
    place = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"
    assert f"({place}) runs a publish of package 1a2b3c4d since 2" in str(error.value)
    assert str(error.value).endswith(f"delete s3://{account.artifact_bucket}/{KEY}")
    assert holder is not None
    assert (holder.operation, holder.by, holder.process) == ("publish", account.caller, os.getpid())
    with held(other, stage, "destroy"):
        assert read(account)["operation"] == "destroy"


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_lock_is_given_back_and_leaves_no_version(
    account: Account, stage: Stage, quick: None, error: type[BaseException] | None
) -> None:
    def hold() -> None:
        with held(account, stage, "publish"):
            account.artifacts.keys("")  # renews it
            if error:
                raise error

    if error:
        with pytest.raises(error):
            hold()
    else:
        hold()
    assert versions(account) == []
    assert current_holder(account, "dev") is None


def test_inner_block_has_the_lock_of_the_outer_one(account: Account, other: Account, stage: Stage) -> None:
    with held(account, stage, "rollback") as outer:
        with held(account, stage, "publish") as inner:
            assert inner is outer
        with pytest.raises(PublishError, match="runs a rollback since"), held(other, stage, "publish"):
            pytest.fail("both hold it")


def test_stages_have_their_own_locks(account: Account, other: Account, stage: Stage) -> None:
    with held(account, stage, "publish"), held(other, stage.model_copy(update={"name": "test"}), "publish"):
        assert account.artifacts.keys("") == [KEY, "stages/test/lock.json"]


def test_lock_that_is_not_renewed_is_taken_over(
    account: Account, other: Account, stage: Stage, quick: None, expired: None
) -> None:
    def write_late() -> None:
        with (
            held(account, stage, "publish", "of package 1a2b3c4d"),
            held(other, stage, "rollback", "to publish 3") as lock,
        ):
            assert lock.taken_over is not None
            assert "which has ended; its lock said: arn:" in lock.taken_over
            assert "runs a publish of package 1a2b3c4d" in lock.taken_over
            account.artifacts.write("late", b"")

    session: Any = account.session
    session.stubs["cloudformation"].add_client_error("describe_stacks", "AccessDenied")
    with pytest.raises(PublishError, match="this publish of stage dev lost its lock, so it stopped") as lost:
        write_late()
    assert "runs a rollback to publish 3 since" in str(lost.value)
    assert str(lost.value).endswith("check `python deploy.py status --stage dev`")
    assert account.artifacts.keys("") == []
    assert versions(account) == []


def test_process_that_lost_its_lock_says_the_state_of_the_stack(
    account: Account, services: Services, stage: Stage, quick: None
) -> None:
    def go_on() -> None:
        with held(account, stage, "publish"):
            account.session.client("s3").delete_object(Bucket=account.artifact_bucket, Key=KEY)
            services.finds_stack("UPDATE_IN_PROGRESS")
            account.artifacts.keys("")

    with pytest.raises(
        PublishError, match=rf"gave it back, or deleted s3://.*/{KEY}; the stack is in UPDATE_IN_PROGRESS"
    ):
        go_on()


def test_process_that_slept_keeps_a_lock_that_nobody_took(
    account: Account, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(account, stage, "publish"):
        before = read(account)
        now = locks._now()
        monkeypatch.setattr(locks, "_now", lambda: (now[0], now[1] + 3600))
        account.artifacts.write("late", b"")
        assert read(account)["renewal"] == before["renewal"] + 1
        account.artifacts.write("later", b"")
        assert read(account)["renewal"] == before["renewal"] + 1


@pytest.mark.parametrize(
    ("operation", "activity", "goes_first"),
    [
        ("rollback", "asks", True),
        ("rollback", "shifts", True),
        ("rollback", "waits", False),
        ("rollback", "runs", False),
        ("publish", "asks", False),
        ("destroy", "shifts", False),
    ],
)
def test_only_a_rollback_takes_the_lock_from_an_idle_publish(
    account: Account,
    other: Account,
    stage: Stage,
    quick: None,
    operation: Any,
    activity: Any,
    goes_first: bool,
) -> None:
    if operation == "rollback" and activity in ("shifts", "waits"):
        session: Any = other.session
        stack = Services(session)
        stack.finds_stack("UPDATE_IN_PROGRESS", **described(package()))
        stack.describes_alias({1: 90, 2: 10} if activity == "shifts" else {1: 100})
    activity = "waits" if activity == "shifts" else activity
    with held(account, stage, "publish") as lock:
        if activity != "runs":
            with lock.doing(activity):
                account.artifacts.keys("")  # renews it
                assert read(account)["activity"] == activity
                if goes_first:
                    with held(other, stage, operation) as first:
                        assert first.taken_over is not None
                        assert "which stops; its lock said: arn:" in first.taken_over
                    # It knows only that the lock is gone; a test account has no stack to describe.
                    lock._lost = PublishError("known")
                    return
        with pytest.raises(PublishError, match="is locked"), held(other, stage, operation):
            pytest.fail("both hold it")


def test_idle_publish_looks_whether_it_lost_its_lock_before_it_goes_on(
    account: Account, other: Account, stage: Stage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_late() -> None:
        with held(account, stage, "publish") as lock:
            with monkeypatch.context() as patches, lock.doing("asks"):
                patches.setattr(locks, "SURE_SECONDS", -1.0)
                account.artifacts.keys("")  # says that it asks
                patches.undo()
                with held(other, stage, "rollback"):
                    pass
            services.finds_stack("UPDATE_COMPLETE")
            account.artifacts.write("late", b"")

    with pytest.raises(PublishError, match="lost its lock"):
        answer_late()
    assert account.artifacts.keys("") == []


def test_question_alone_creates_no_bucket(new_account: Account, stage: Stage) -> None:
    s3 = new_account.session.client("s3")
    with held(new_account, stage, "publish", needs_bucket=False) as lock:
        assert not lock.is_taken
        assert s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"token": "../../etc/passwd"}'])
def test_what_is_no_lock_is_one_sentence(account: Account, stage: Stage, content: bytes) -> None:
    account.artifacts.write(KEY, content)
    expected = pytest.raises(PublishError, match=f"{KEY} is not a document that Afterloop wrote")
    with expected, held(account, stage, "publish"):
        pytest.fail("it holds it")
    with pytest.raises(PublishError, match="is not a document"):
        current_holder(account, "dev")


def test_bucket_that_somebody_else_makes_at_the_same_moment_is_used(
    new_account: Account, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_by_somebody_else(bucket: Any) -> None:
        s3 = new_account.session.client("s3")
        s3.create_bucket(Bucket=bucket.name)
        s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        raise ClientError({"Error": {"Code": "OperationAborted"}}, "CreateBucket")

    monkeypatch.setattr("workflow.publish.artifacts.ArtifactBucket.ensure", made_by_somebody_else)
    with held(new_account, stage, "publish") as lock:
        assert lock.is_taken


# Clocks and processes

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def document(**more: Any) -> LockDocument:
    fields: dict[str, Any] = {
        "operation": "publish",
        "by": "arn",
        "where": "anna@laptop",
        "process": 7,
        "token": "0" * 32,
    }
    return LockDocument(**fields | more)


def found(seconds: float) -> Found:
    return Found("etag", "v", content=b"", written=NOW, seconds=seconds)


def test_only_the_clock_of_s3_counts() -> None:
    """A holder says how long it has the lock, not since when: its clock may be wrong."""
    holder = Holder.of(document(held_seconds=90), found(5))
    assert holder.since == NOW - timedelta(seconds=90)
    assert not is_over(document(), found(59))
    assert is_over(document(), found(61))


@pytest.mark.parametrize(
    ("activity", "words"),
    [
        ("runs", "arn (anna@laptop, process 7) runs a publish since "),
        ("asks", "arn (anna@laptop, process 7) is asked to confirm a publish since "),
        ("waits", "arn (anna@laptop, process 7) waits for CloudFormation during a publish since "),
        ("of a later version", "arn (anna@laptop, process 7) runs a publish since "),
    ],
)
def test_holder_in_words(activity: str, words: str) -> None:
    assert str(Holder.of(document(activity=activity), found(0))).startswith(words)


def test_process_is_known_to_have_ended_only_on_its_machine() -> None:
    name = "f" * 32
    assert not has_ended(name)
    mark = ProcessMark(name)
    assert not has_ended(name)
    os.close(mark._file or 0)  # as the system does when the process is killed
    assert has_ended(name)
    forget(name)
    assert not has_ended(name)


def test_unlimited_texts_in_a_lock_are_cut() -> None:
    holder = Holder.of(document(by="a" * 10_000, where="b\x1b" * 1000), found(0))
    assert len(str(holder)) < 3000
    assert "\x1b" not in str(holder)
