"""Parts of a stage that somebody deleted or changed outside of CloudFormation: what people see, and the repair."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.engine.publisher import Publisher
from tests.publish_failures import saw
from workflow.errors import DeploymentError
from workflow.publish.account import Account
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import plan_for, publish
from workflow.publish.stacks import Event
from workflow.publish.status import status

CHECKED = Account.checked


@pytest.fixture(autouse=True)
def _looks_for_missing_resources(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "checked", CHECKED)


@pytest.fixture
def delete(sandbox: Sandbox, publisher: Publisher) -> Callable[..., dict[str, str]]:
    """Deletes resources of the stack by their services; returns the physical IDs of all."""

    def of(*logical_ids: str) -> dict[str, str]:
        resources = publisher.account.stacks.resources(publisher.stage.stack_name)
        names = {one["id"]: one["name"] for one in resources}
        types = {one["id"]: one["type"] for one in resources}
        for logical_id in logical_ids:
            _DELETE[types[logical_id]](sandbox.client, names[logical_id])
        return names

    return of


def _delete_rule(client: Callable[[str], Any], name: str) -> None:
    events = client("events")
    targets = [one["Id"] for one in events.list_targets_by_rule(Rule=name)["Targets"]]
    events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def _delete_role(client: Callable[[str], Any], name: str) -> None:
    iam = client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


_DELETE: dict[str, Callable[[Callable[[str], Any], str], object]] = {
    "AWS::DynamoDB::Table": lambda client, name: client("dynamodb").delete_table(TableName=name),
    "AWS::Events::Archive": lambda client, name: client("events").delete_archive(ArchiveName=name),
    "AWS::Events::Rule": _delete_rule,
    "AWS::IAM::Role": _delete_role,
    "AWS::Lambda::Function": lambda client, name: client("lambda").delete_function(FunctionName=name),
    "AWS::S3::Bucket": lambda client, name: client("s3").delete_bucket(Bucket=name),
    "AWS::SNS::Topic": lambda client, name: client("sns").delete_topic(TopicArn=name),
    "AWS::SQS::Queue": lambda client, name: client("sqs").delete_queue(QueueUrl=name),
    "AWS::StepFunctions::StateMachine": lambda client, name: client("stepfunctions").delete_state_machine(
        stateMachineArn=name
    ),
}

PARTS = (
    "AlarmTopic",
    "Archive",
    "CollectReview",
    "EscalationTopic",
    "ExecutionsRule",
    "LedgerTable",
    "NotificationTopic",
    "Reconcile",
    "ReconcileRule",
    "ReleaseClaim",
    "ReviewBucket",
    "Rule",
    "StartLoop",
    "StateMachine",
    "StateMachineRole",
    "TokenTable",
    "UndeliveredEvents",
)


def test_publish_repairs_everything_that_was_deleted_or_changed_by_hand(
    sandbox: Sandbox, publisher: Publisher, delete: Callable[..., dict[str, str]]
) -> None:
    """One test, since a publish takes longer than the rest."""
    publisher.publish()
    functions = sandbox.client("lambda")
    changed = f"{publisher.stage.stack_name}-RestartLoop"
    functions.update_function_configuration(FunctionName=changed, Timeout=7)
    assert publisher.plan().is_empty, "CloudFormation does not look at what it does not change"
    account, stage = publisher.account, publisher.stage
    sandbox.client("events").disable_rule(Name=stage.stack_name)
    assert f"stage {stage.name}: Rule is disabled" in " ".join(publisher.plan().warnings)
    repair = plan_for(account, stage, publisher.package(), repair=True)
    assert {(one.id, one.action, one.properties, one.drifted) for one in repair.resources} == {
        ("RestartLoop", "change", ("Timeout",), True),
        ("Rule", "change", ("State",), True),
    }
    assert "is disabled" not in " ".join(repair.warnings)

    delete(*PARTS)

    found = status(account, stage)
    assert found is not None
    assert (found.live, found.running, found.failed) == ({}, 0, 0)
    assert found.drifts is not None
    assert {*PARTS} <= {one["id"] for one in found.drifts if one["status"] == "DELETED"}

    plan = publisher.plan()
    saw("Somebody deletes the state machine, a function, a table, or all of it", found, plan)
    again = {one.id for one in plan.resources if one.action == "create again"}
    assert {*PARTS, "CollectReviewVersion", "ReconcilePermission"} <= again
    assert {one.id for one in plan.data_losses} == {"LedgerTable", "ReviewBucket", "TokenTable"}

    repaired = publisher.publish()
    assert repaired is not None
    assert publisher.plan().is_empty
    assert account.checked(stage.stack_name).missing == []
    assert functions.get_function_configuration(FunctionName=changed)["Timeout"] == 60
    after = status(account, stage)
    assert after is not None
    assert (len(after.live), after.drifts) == (1, [])
    rule = "events.amazonaws.com"
    assert rule in functions.get_policy(FunctionName=f"{stage.stack_name}-Reconcile")["Policy"]
    # What executions name exists.
    (live,) = account.machines.weights(repaired.outputs["StateMachine"], "live") or {}
    named = set(re.findall(r"arn:aws:lambda:[^\"]+:function:[\w-]+:\d+", account.machines.definition(live)))
    assert named
    assert all(account.functions.exists(arn) for arn in named)


def test_publish_continues_a_rollback_that_failed_because_a_resource_was_deleted(
    sandbox: Sandbox, publisher: Publisher, delete: Callable[..., dict[str, str]]
) -> None:
    publisher.publish()

    class DeletesQueue(NoProgress):
        """Deletes the queue when it has been updated, and then lets the update fail."""

        deleted = False

        def event(self, event: Event) -> None:
            if event.resource == "Wait" and not self.deleted:
                self.deleted = True
                delete("UndeliveredEvents")
                sandbox.client("cloudformation").signal_resource(
                    StackName=publisher.stage.stack_name,
                    LogicalResourceId="Wait",
                    UniqueId="1",
                    Status="FAILURE",
                )

    def waits(resources: dict[str, Any]) -> None:
        resources["UndeliveredEvents"]["Properties"]["MessageRetentionPeriod"] = 600
        resources["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
        resources["Wait"] = {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "60"},
            "DependsOn": "UndeliveredEvents",
            "CreationPolicy": {"ResourceSignal": {"Timeout": "PT1M"}},
        }

    account, stage = publisher.account, publisher.stage
    with pytest.raises(DeploymentError, match="Wait") as error:
        publish(account, stage, publisher.package(waits), confirm=lambda plan: True, progress=DeletesQueue())
    found = status(account, stage, drift=False)
    assert found is not None
    assert found.state == "UPDATE_ROLLBACK_FAILED"
    assert found.operation is not None
    assert found.operation.startswith("the last update failed and could not be rolled back: Wait (")

    saw("The update fails, and CloudFormation cannot take it back", error.value, found, publisher.plan())
    assert publisher.publish() is not None
    assert [one.id for one in publisher.plans[-1].resources if one.action == "create again"] == [
        "UndeliveredEvents"
    ]
    assert account.checked(stage.stack_name).missing == []
    assert publisher.plan().is_empty
