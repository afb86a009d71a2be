"""Destroying a stage, with its data only on request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.doubles import create_ledger_table
from tests.unit.workflow.publish.conftest import Services, Steps
from tests.unit.workflow.publish.small_stack import described, package, template
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.destroying import Kept, destroy, destruction
from workflow.stack.stages import Stage

RESOURCES = (
    ("Machine", "AWS::StepFunctions::StateMachine", "afterloop-dev"),
    ("CollectVersion", "AWS::Lambda::Version", "version"),
    ("Ledger", "AWS::DynamoDB::Table", "ledger"),
    ("Reviews", "AWS::S3::Bucket", "reviews"),
    ("Results", "AWS::S3::Bucket", "results"),
)


@pytest.fixture
def stored(account: Account) -> Account:
    """The account with the data of the stage, and with its records."""
    s3, dynamodb = account.session.client("s3"), account.session.client("dynamodb")
    create_ledger_table(dynamodb)
    dynamodb.put_item(TableName="ledger", Item={"humanLoopName": {"S": "a"}})
    for bucket in ("reviews", "results"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="a", Body=b"{}")
    for key in (
        "stages/dev/publishes/00000001.json",
        "stages/test/swaps.json",
        "bundles/a.zip",
        "plans/dev/a.json",
    ):
        account.artifacts.write(key, b"{}")
    return account


def finds(services: Services, *executions: str) -> None:
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.lists_resources(*RESOURCES)
    services.returns_template(template())
    services.lists_executions(*executions)


def deletes(services: Services, *events: Any, others: tuple[str, ...] = ()) -> None:
    services.deletes_stack()
    services.emits("DELETE_IN_PROGRESS", *events)
    if events[-1] == "DELETE_COMPLETE":
        stacks = [{"StackName": name, "StackStatus": "UPDATE_COMPLETE", "CreationTime": 0} for name in others]
        services.cloudformation.add_response("describe_stacks", {"Stacks": stacks})


def buckets(account: Account) -> set[str]:
    return {one["Name"] for one in account.session.client("s3").list_buckets()["Buckets"]}


def test_destruction_lists_kept_data_and_running_executions(
    stored: Account, services: Services, stage: Stage
) -> None:
    finds(services, "e1", "e2")
    found = destruction(stored, stage)
    assert found is not None
    assert (found.resources, found.running, found.emptied) == (5, 2, ["results"])
    assert found.kept == [
        Kept("Ledger", "AWS::DynamoDB::Table", "ledger", 1),
        Kept("Reviews", "AWS::S3::Bucket", "reviews", 1),
    ]


def test_destroy_keeps_data_and_other_stages(
    stored: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    finds(services)
    found = destruction(stored, stage)
    assert found is not None
    deletes(services, "DELETE_COMPLETE", others=("afterloop-test", "unrelated"))

    destroy(stored, stage, found, progress)

    assert progress.steps == [
        "Emptying results",
        "Deleting the stack",
        "Removing the stage from the artifact bucket",
    ]
    assert stored.data.object_versions("reviews") == 1
    assert stored.data.object_versions("results") == 0
    assert stored.data.items("ledger") == 1
    assert stored.artifacts.keys("") == ["bundles/a.zip", "stages/test/swaps.json"]


def test_destroy_deletes_data_on_request(
    stored: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    finds(services)
    found = destruction(stored, stage, delete_data=True)
    assert found is not None
    deletes(services, "DELETE_COMPLETE", others=("afterloop-test",))

    destroy(stored, stage, found, progress)

    assert progress.steps[2:4] == ["Deleting ledger", "Deleting reviews"]
    # CloudFormation deletes `results`, which here is only emptied.
    assert buckets(stored) == {stored.artifact_bucket, "results"}
    assert stored.session.client("dynamodb").list_tables()["TableNames"] == []


def test_destroying_the_last_stage_deletes_the_artifact_bucket(
    stored: Account, services: Services, stage: Stage
) -> None:
    finds(services)
    found = destruction(stored, stage)
    assert found is not None
    deletes(services, "DELETE_COMPLETE", others=("unrelated",))
    destroy(stored, stage, found)
    assert stored.artifact_bucket not in buckets(stored)


def test_failed_deletion_keeps_data_and_records(stored: Account, services: Services, stage: Stage) -> None:
    finds(services)
    found = destruction(stored, stage, delete_data=True)
    assert found is not None
    deletes(services, ("Machine", "DELETE_FAILED", "No permission"), "DELETE_FAILED")
    with pytest.raises(DeploymentError, match="No permission; the other resources were deleted"):
        destroy(stored, stage, found)
    assert stored.data.object_versions("reviews") == 1
    assert stored.artifacts.keys("stages/dev/") != []


def test_stack_without_resources_can_be_destroyed(account: Account, services: Services, stage: Stage) -> None:
    services.finds_stack("REVIEW_IN_PROGRESS")
    services.lists_resources()
    found = destruction(account, stage)
    assert found is not None
    assert (found.resources, found.running, found.kept) == (0, 0, [])


def test_missing_stage_has_nothing_to_destroy(account: Account, services: Services, stage: Stage) -> None:
    services.finds_stack(None)
    assert destruction(account, stage) is None


def test_protected_stage_is_not_destroyed(account: Account, services: Services, stage: Stage) -> None:
    with pytest.raises(PublishError, match="stage dev is protected: to destroy it, set protected = false"):
        destruction(account, stage.model_copy(update={"protected": True}))


def test_stack_in_another_operation_is_not_destroyed(
    account: Account, services: Services, stage: Stage
) -> None:
    services.finds_stack("UPDATE_IN_PROGRESS")
    with pytest.raises(PublishError, match="another operation is in progress"):
        destruction(account, stage)
