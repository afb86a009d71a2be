"""Email addresses of the settings: what publishes, a failed publish and a rollback do to their subscriptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.engine.publisher import Publisher, broken
from tests.https_endpoint import HttpsEndpoint, https_endpoint
from tests.publish_failures import saw
from workflow.errors import DeploymentError
from workflow.operations.smoke import queue_policy
from workflow.publish.account import Account
from workflow.publish.history import history, rollback_target
from workflow.publish.missing import CHECKED
from workflow.publish.package import Package
from workflow.publish.plan import Plan
from workflow.publish.publishing import publish
from workflow.publish.recipients import ALARM
from workflow.publish.rollback import roll_back
from workflow.publish.status import status
from workflow.stack.stages import Stage

CHECKED_STACK = Account.checked
"""The fixture `publisher` makes plans without it."""


def package(
    publisher: Publisher, *addresses: str, edit: Any = None, endpoints: tuple[str, ...] = (), **flows: str
) -> Package:
    """A package that notifies addresses, and escalates failures of flow definitions to one address each."""
    rules = {flow: {"restart": {"escalate_to": [address]}} for flow, address in flows.items()}
    stage = Stage(**publisher.stage.model_dump(exclude_defaults=True), flow_definition_settings=rules)
    return publisher.package(
        edit,
        notification_emails=tuple(f"{one}@example.com" for one in addresses),
        flow_definition_settings=stage.flow_definition_settings,
        escalation_endpoints=endpoints,
    )


def subscribed(publisher: Publisher, topic: str = "NotificationTopic") -> dict[str, str]:
    """The addresses of a topic, each with the ARN of its subscription."""
    sns = publisher.account.session.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=publisher.stack.outputs[topic])["Subscriptions"]
    return {one["Endpoint"].partition("@")[0]: one["SubscriptionArn"] for one in found}


def warnings(plan: Plan) -> list[str]:
    """The warnings of a plan, but for that about the flow definition of the stage, which does not exist."""
    return [one for one in plan.warnings if "flow_definitions" not in one]


def queue(publisher: Publisher, name: str) -> str:
    """A queue that takes the messages of the stage. Returns its ARN."""
    account, sqs = publisher.account, publisher.account.session.client("sqs")
    arn = f"arn:aws:sqs:{account.region}:{account.id}:{name}"
    topics = f"arn:aws:sns:{account.region}:{account.id}:{publisher.stage.stack_name}-*"
    sqs.create_queue(
        QueueName=name, Attributes={"Policy": queue_policy(arn, [topics]).replace("ArnEquals", "ArnLike")}
    )
    return arn


def kinds(publisher: Publisher, name: str) -> list[str]:
    """The kinds of the messages in a queue so far, and `ALARM` for alarms."""
    sqs = publisher.account.session.client("sqs")
    found = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    documents = (json.loads(json.loads(one["Body"])["Message"]) for one in found.get("Messages", []))
    return [one.get("kind") or one["NewStateValue"] for one in documents]


def broken_afterwards(resources: dict[str, Any]) -> None:
    """An edit that fails after the subscriptions have changed."""
    broken(resources)
    resources["Broken"]["DependsOn"] = [f"NotificationEmail{slot}" for slot in range(1, 6)]


def test_addresses_that_stay_keep_their_subscription(publisher: Publisher) -> None:
    """SNS has one subscription for an address: CloudFormation would delete that of an address that moves."""
    publisher.publish(package(publisher, "a", "b", "c", forms="x@example.com"))
    first, filtered = subscribed(publisher), subscribed(publisher, "EscalationTopic")
    publisher.publish(package(publisher, "C", "d", "b", photos="x@example.com"))
    second = subscribed(publisher)
    assert second == {"b": first["b"], "c": first["c"], "d": second["d"]}
    assert subscribed(publisher, "EscalationTopic") == filtered
    plan = publisher.plans[-1]
    found = [(one.change, one.address) for one in plan.subscriptions]
    assert found == [
        ("removed", "a@example.com"),
        ("added", "d@example.com"),
        ("changed", "x@example.com"),
    ]
    assert not [one for one in plan.resources if one.type == "AWS::SNS::Subscription"]
    assert publisher.plan(package(publisher, "b", "c", "d", photos="x@example.com")).is_empty

    # A failed update deletes what it created, and nothing else.
    with pytest.raises(DeploymentError):
        publisher.publish(package(publisher, "e", "b", edit=broken_afterwards))
    assert subscribed(publisher) == second

    # The record of the publish that is restored has a where d is now.
    record = rollback_target(history(publisher.account, publisher.stage.name))
    roll_back(publisher.account, publisher.stage, record, confirm=lambda plan: True)
    third = subscribed(publisher)
    assert third == {"a": third["a"], "b": first["b"], "c": first["c"]}


def test_who_is_called_gets_alarms_and_events_without_a_flow_definition(
    publisher: Publisher, sandbox: Sandbox, eventually: Callable[..., Any], unique: str, tmp_path: Path
) -> None:
    """Alarms have no attributes for a filter. And CloudFormation could not change a subscription that is gone."""
    calls = queue(publisher, unique)
    with https_endpoint(tmp_path) as endpoint:
        publisher.publish(package(publisher, endpoints=(endpoint.url, calls), forms="a@example.com"))
        gets_alarms(publisher, sandbox, eventually, unique, endpoint)
        lines = [one.protocol for one in publisher.plans[0].subscriptions if one.topic == "Alarm"]
        assert lines == ["email", "https", "sqs"]
    before = subscribed(publisher, "AlarmTopic")

    # An endpoint that nobody confirms comes, and goes: CloudFormation cannot delete its subscription.
    unheard = "https://127.0.0.1:9/unheard"
    publisher.publish(package(publisher, endpoints=(unheard, calls), forms="a@example.com"))
    after = subscribed(publisher, "AlarmTopic")
    assert (after[calls], after["a"], after[unheard]) == (before[calls], before["a"], "PendingConfirmation")
    assert endpoint.url not in after
    published = publisher.publish(package(publisher, endpoints=(calls,), forms="a@example.com"))
    assert published is not None
    assert subscribed(publisher, "AlarmTopic")[calls] == before[calls]
    assert any(
        "has not confirmed a subscription to AlarmTopic" in one for one in publisher.plans[-1].warnings
    )


def gets_alarms(
    publisher: Publisher,
    sandbox: Sandbox,
    eventually: Callable[..., Any],
    queue_name: str,
    endpoint: HttpsEndpoint,
) -> None:
    session = publisher.account.session

    def confirmed() -> bool:
        return "PendingConfirmation" not in subscribed(publisher, "AlarmTopic").values()

    eventually(confirmed, message="the endpoint confirms")
    session.client("cloudwatch").set_alarm_state(
        AlarmName=f"{publisher.stage.stack_name}-FunctionErrors", StateValue="ALARM", StateReason="a test"
    )
    machine = publisher.stack.outputs["StateMachine"]
    session.client("stepfunctions").start_execution(stateMachineArn=machine, input='{"detail": {}}')

    topic = publisher.stack.outputs["AlarmTopic"]
    wanted = {
        f'ALARM: "{publisher.stage.stack_name}-FunctionErrors" in {sandbox.region}',
        f"Afterloop {publisher.stage.name}: a status change could not be processed",
    }
    eventually(
        lambda: (
            wanted
            <= {
                one["subject"]
                for one in sandbox.emails()
                if (one["topic"], one["address"]) == (topic, "a@example.com")
            }
        ),
        message="the address gets the alarm and the message about the event",
    )
    eventually(lambda: {*kinds(publisher, queue_name)} >= {"event-unclaimed", "ALARM"})
    eventually(lambda: {one["Subject"] for one in endpoint.got()} >= wanted)


def test_address_that_unsubscribed_is_subscribed_again_when_it_has_to_change(publisher: Publisher) -> None:
    """CloudFormation could not change the subscription, and not even roll back."""
    sns = publisher.account.session.client("sns")
    publisher.publish(package(publisher, forms="a@example.com"))
    alarms = subscribed(publisher, "AlarmTopic")
    sns.unsubscribe(SubscriptionArn=subscribed(publisher, "EscalationTopic")["a"])

    publisher.publish(package(publisher, forms="a@example.com", photos="a@example.com"))

    (arn,) = subscribed(publisher, "EscalationTopic").values()
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"flowDefinition": ["forms", "photos"]}
    assert subscribed(publisher, "AlarmTopic") == alarms
    saw("Somebody has unsubscribed, and the subscription has to change", publisher.plans[-1])


def test_plan_publish_and_status_say_who_gets_no_messages(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Account, "checked", CHECKED_STACK)
    topic = "AWS::SNS::Topic"
    monkeypatch.setattr("workflow.publish.missing.CHECKED", {topic: CHECKED[topic]})
    (sentence,) = warnings(publisher.plan())
    assert sentence.startswith(
        "nobody gets a message when a person has to act, or an alarm: add escalation_emails"
    )

    # An endpoint that does not confirm; and as SNS does with an address that has not confirmed for 48 hours.
    hook = "https://127.0.0.1:9/hook"
    everything = publisher.package(escalation_emails=("a@example.com",), escalation_endpoints=(hook,))
    published = publisher.publish(everything)
    assert published
    assert (warnings(publisher.plans[-1]), published.unconfirmed) == ([], [hook])
    arn = subscribed(publisher, "EscalationTopic")["a"]
    publisher.account.session.client("sns").unsubscribe(SubscriptionArn=arn)
    gone, pending = warnings(publisher.plan(everything))
    assert gone.startswith("a@example.com gets no escalations, because it unsubscribed, or did not confirm")
    assert f"`python deploy.py publish --repair --stage {publisher.stage.name}` subscribes it again" in gone
    assert pending.startswith(
        f"{hook} gets no escalations and alarms, because it has not confirmed; nobody else gets escalations: "
    )
    found = status(publisher.account, publisher.stage, drift=False)
    assert found
    assert found.recipients
    assert found.warnings == [gone, pending]
    by_kind = {one.kind: [(who.address, who.status) for who in one.recipients] for one in found.recipients}
    assert by_kind["step-failed"] == [("a@example.com", "missing"), (hook, "unconfirmed")]
    assert by_kind[ALARM] == [("a@example.com", "confirmed"), (hook, "unconfirmed")]
    assert by_kind["loop-stopped"] == []

    publish(publisher.account, publisher.stage, everything, confirm=lambda plan: True, repair=True)
    assert warnings(publisher.plan(everything)) == [
        f"{hook} gets no escalations and alarms, because it has not confirmed: {pending.rpartition(': ')[2]}"
    ]
