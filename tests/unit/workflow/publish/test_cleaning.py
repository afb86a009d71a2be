"""What leaves the artifact bucket, and what never does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import Services
from tests.unit.workflow.publish.small_stack import package
from workflow.publish.account import Account
from workflow.publish.artifacts import REUSED
from workflow.publish.cleaning import GRACE, clean
from workflow.publish.history import Record, history, start

NO_GRACE = timedelta(0)
Write = Callable[[str], str]


@pytest.fixture
def write(account: Account) -> Write:
    return lambda key: account.artifacts.write(key, key.encode())


def versions(account: Account) -> set[str]:
    """Key@version of everything but documents."""
    page = account.session.client("s3").list_object_versions(Bucket=account.artifact_bucket)
    found = (f"{one['Key']}@{one['VersionId']}" for one in page.get("Versions", []))
    return {one for one in found if not one.startswith("stages/")}


def finds_stacks(services: Services, *parameters: Mapping[str, str], status: str = "UPDATE_COMPLETE") -> None:
    stacks: list[Any] = [
        {
            "StackName": f"afterloop-{number}", "StackId": str(number), "StackStatus": status, "CreationTime": "2026",
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        }
        for number, given in enumerate(parameters)
    ]  # fmt: skip
    services.cloudformation.add_response("describe_stacks", {"Stacks": stacks})


def published(account: Account, stage: str = "dev", **more: Any) -> Record:
    return start(account, stage, package(**more), outcome="published", version="m:1")


def test_versions_that_nothing_names_are_removed(account: Account, services: Services, write: Write) -> None:
    recorded, forged, unused = (write(f"bundles/{name}.zip") for name in "aab")
    template = write(published(account, key=f"bundles/a.zip@{recorded}").template_key)
    write("templates/unused.json")
    finds_stacks(services, {})
    clean(account, "dev", 1, grace=NO_GRACE)
    assert versions(account) == {f"bundles/a.zip@{recorded}", f"{package().template_key}@{template}"}
    assert forged != unused


def test_what_other_stages_name_stays(account: Account, services: Services, write: Write) -> None:
    """Also stages of other working trees, publishes that have only started, and stacks whose records are gone."""
    named = {key: write(key) for key in (f"bundles/{name}.zip" for name in "abcd")}
    named["functions/old.zip"] = write("functions/old.zip")
    start(account, "other", package(key=f"bundles/a.zip@{named['bundles/a.zip']}"))
    account.artifacts.write("stages/third/swaps.json", b'{"functions": {"Notify": "bundles/b.zip"}}')
    start(account, "dev", package(key=f"bundles/c.zip@{named['bundles/c.zip']}"), outcome="taken back")
    finds_stacks(services, {"K": f"bundles/d.zip@{named['bundles/d.zip']}"}, {"K": "functions/old.zip"})
    write("bundles/gone.zip")
    clean(account, "dev", 1, grace=NO_GRACE)
    assert versions(account) == {f"{key}@{version}" for key, version in named.items()}


def test_what_is_young_stays(account: Account, write: Write) -> None:
    """A publish of another stage may be waiting for its answer. No stack and no record is read."""
    version = write("bundles/a.zip")
    clean(account, "dev", 1)
    assert versions(account) == {f"bundles/a.zip@{version}"}
    assert GRACE > REUSED, "what a publish uses is young"


def test_versions_are_looked_at_once_a_day(account: Account, services: Services, write: Write) -> None:
    clean(account, "dev", 1, grace=NO_GRACE)
    version = write("bundles/a.zip")
    clean(account, "dev", 1, grace=NO_GRACE)
    assert versions(account) == {f"bundles/a.zip@{version}"}
    finds_stacks(services, {})
    clean(account, "dev", 1, grace=NO_GRACE, every=NO_GRACE)
    assert versions(account) == set()


def test_nothing_is_removed_while_a_stack_changes(account: Account, services: Services, write: Write) -> None:
    """It may go back to what it had, which is not among its parameters now."""
    version = write("bundles/a.zip")
    finds_stacks(services, {}, status="UPDATE_IN_PROGRESS")
    clean(account, "dev", 1, grace=NO_GRACE)
    assert versions(account) == {f"bundles/a.zip@{version}"}


def test_nothing_is_removed_without_knowing_all_stacks(
    account: Account, services: Services, write: Write
) -> None:
    version = write("bundles/a.zip")
    services.cloudformation.add_client_error("describe_stacks", "AccessDenied")
    clean(account, "dev", 1, grace=NO_GRACE)
    assert versions(account) == {f"bundles/a.zip@{version}"}


def test_last_records_and_what_they_restore_are_kept(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.publish.cleaning.KEPT_RECORDS", 2)
    records = [published(account) for _ in range(5)]
    start(account, "dev", package(), restores=records[0], outcome="published")
    start(account, "dev", package(), outcome="taken back")
    published(account, "other")
    clean(account, "dev", 3)
    assert [one.number for one in history(account, "dev")] == [1, 3, 6, 7]
    assert [one.number for one in history(account, "other")] == [1]
    assert published(account).number == 8
