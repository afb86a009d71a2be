"""Destroying a stage, with its data only on request."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from tests.unit.doubles import create_ledger_table
from tests.unit.workflow.publish.conftest import MACHINE, NOW, Services, Steps
from tests.unit.workflow.publish.small_stack import described, package, template
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.destroying import Kept, Lost, destroy, destruction
from workflow.publish.suspension import resume, suspended
from workflow.stack.stages import Stage

RESOURCES = (
    ("Machine", "AWS::StepFunctions::StateMachine", MACHINE),
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
    services.lists_executions()
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
        "Turning the rules off",
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

    assert progress.steps[3:5] == ["Deleting ledger", "Deleting reviews"]
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


def test_failed_deletion_keeps_data_and_no_records(stored: Account, services: Services, stage: Stage) -> None:
    finds(services)
    found = destruction(stored, stage, delete_data=True)
    assert found is not None
    deletes(services, ("Machine", "DELETE_FAILED", "No permission"), "DELETE_FAILED")
    services.lists_resources(*RESOURCES)  # No subscription is in the way.
    with pytest.raises(DeploymentError, match="No permission; the other resources were deleted"):
        destroy(stored, stage, found)
    assert stored.data.object_versions("reviews") == 1
    # They name versions of a state machine that may be gone.
    assert stored.artifacts.keys("stages/") == ["stages/test/swaps.json"]


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


BY_DESTROY = {"error": "Afterloop.StageDestroyed", "cause": ANY}


@pytest.fixture
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls come in the order of the executions, without pauses and repetitions."""
    monkeypatch.setattr("workflow.publish.stopping.CALLS_AT_ONCE", 1)
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_running_executions_are_stopped_until_none_is_left(
    stored: Account, services: Services, stage: Stage, progress: Steps, one_call: None
) -> None:
    finds(services, "e1", "e2", "e3")
    found = destruction(stored, stage)
    assert found is not None
    services.lists_executions("e1", "e2", "e3")
    stub = services.states
    stub.add_response("stop_execution", {"stopDate": NOW}, {"executionArn": "e1", **BY_DESTROY})
    stub.add_client_error("stop_execution", "ThrottlingException")
    stub.add_client_error("stop_execution", "ExecutionDoesNotExist")  # it has ended meanwhile
    services.lists_executions("e2")
    stub.add_response("stop_execution", {"stopDate": NOW}, {"executionArn": "e2", **BY_DESTROY})
    deletes(services, "DELETE_COMPLETE", others=("afterloop-test",))

    destroy(stored, stage, found, progress)

    assert progress.steps[:3] == ["Turning the rules off", "Stopping 3 executions", "Stopping 1 execution"]


def test_failure_before_the_deletion_turns_the_rules_on_again(
    stored: Account, services: Services, stage: Stage
) -> None:
    events = stored.session.client("events")
    events.put_rule(Name="afterloop-dev", ScheduleExpression="rate(1 hour)")
    services.finds_stack("UPDATE_COMPLETE", **described(package()))
    services.lists_resources(*RESOURCES, ("Rule", "AWS::Events::Rule", "afterloop-dev"))
    services.returns_template(template())
    services.lists_executions("e1")
    found = destruction(stored, stage)
    assert found is not None
    services.lists_executions("e1")
    services.states.add_client_error("stop_execution", "AccessDeniedException", "no")
    deleted: list[bool] = []
    with pytest.raises(ClientError, match="no"):
        destroy(stored, stage, found, on_deletion=lambda: deleted.append(True))
    assert deleted == []
    assert events.describe_rule(Name="afterloop-dev")["State"] == "ENABLED"
    assert suspended(stored, "dev") is None
    assert not resume(stored, "dev")


def test_what_the_stack_takes_with_it_is_listed(stored: Account, services: Services, stage: Stage) -> None:
    sqs, sns = stored.session.client("sqs"), stored.session.client("sns")
    queue = sqs.create_queue(QueueName="undelivered")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    topic = sns.create_topic(Name="escalations")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")
    services.finds_stack("UPDATE_COMPLETE")
    services.lists_resources(
        ("Undelivered", "AWS::SQS::Queue", queue),
        ("Gone", "AWS::SQS::Queue", f"{queue}-gone"),
        ("Topic", "AWS::SNS::Topic", topic),
        ("GoneTopic", "AWS::SNS::Topic", f"{topic}-gone"),
        ("Logs", "AWS::Logs::LogGroup", "logs"),
        ("Archive", "AWS::Events::Archive", "afterloop-dev"),
    )
    services.returns_template({"Resources": {}})
    found = destruction(stored, stage)
    assert found is not None
    assert found.lost == [
        Lost("undelivered events", 1),
        Lost("archives of events", 1, ["afterloop-dev"]),
        Lost("subscriptions", 1, ["oncall@example.com"]),
        Lost("log groups", 1),
    ]


def test_deletion_that_was_interrupted_is_finished(
    stored: Account, services: Services, stage: Stage, progress: Steps
) -> None:
    services.finds_stack("DELETE_IN_PROGRESS", **described(package()))
    services.lists_resources(*RESOURCES[2:])
    services.returns_template(template())
    found = destruction(stored, stage, delete_data=True)
    assert found is not None
    services.finds_stack("DELETE_COMPLETE")
    services.cloudformation.add_response("describe_stacks", {"Stacks": []})
    destroy(stored, stage, found, progress)
    assert progress.steps[1:4] == ["Deleting the stack", "Deleting ledger", "Deleting reviews"]


def test_deletion_that_fails_after_an_interruption_says_why(
    stored: Account, services: Services, stage: Stage
) -> None:
    services.finds_stack("DELETE_IN_PROGRESS")
    services.lists_resources(*RESOURCES[2:4])
    services.returns_template(template())
    found = destruction(stored, stage)
    assert found is not None
    services.finds_stack("DELETE_FAILED", StackStatusReason="Role is in use")
    services.lists_resources(*RESOURCES)
    with pytest.raises(DeploymentError, match="Role is in use; fix the cause and run destroy again"):
        destroy(stored, stage, found)
