"""What a published stage does with events that EventBridge cannot deliver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.published import PublishedStage


@pytest.fixture
def rule_without_permission(published: PublishedStage) -> Iterator[None]:
    """The stage's rule, whose role may not start executions during the test."""
    sandbox = published.sandbox
    [target] = sandbox.client("events").list_targets_by_rule(Rule="afterloop-local")["Targets"]
    iam, role = sandbox.client("iam"), target["RoleArn"].rpartition("/")[2]
    [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=name)
    yield
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def test_undelivered_event_waits_in_queue(published: PublishedStage, rule_without_permission: None) -> None:
    name = published.name()
    assert alarm(published) == "OK"
    published.sandbox.events.deliver(published.event(name, "Stopped"))
    assert alarm(published) == "ALARM"
    [message] = undelivered(published)
    assert json.loads(message["Body"])["detail"]["humanLoopName"] == name
    found = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert found["ERROR_CODE"] == "NO_PERMISSIONS"
    assert found["RULE_ARN"].endswith(":rule/afterloop-local")
    assert published.executions(name) == []
    assert alarm(published) == "OK"


def alarm(published: PublishedStage) -> str:
    """Returns the state of the stage's alarm on undelivered events."""
    alarms = published.sandbox.client("cloudwatch").describe_alarms(
        AlarmNames=["afterloop-local-EventsUndelivered"]
    )
    [found] = alarms["MetricAlarms"]
    return found["StateValue"]


def undelivered(published: PublishedStage) -> list[dict[str, Any]]:
    """Takes the messages out of the stage's queue of undelivered events."""
    sqs, queue = published.sandbox.client("sqs"), published.outputs["UndeliveredEvents"]
    messages = sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=5
    ).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return messages
