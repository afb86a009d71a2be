"""What SNS delivers, and its metrics. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.ministack_patches import deliveries, endpoints, messages
from tests.https_endpoint import HttpsEndpoint, https_endpoint
from tests.unit.sandbox.ministack_patches.test_messages import create, element, subscribe
from workflow.operations.smoke import queue_policy

QUEUE = "arn:aws:sqs:us-east-1:000000000000:queue"


@pytest.fixture
def topic(ministack: None) -> str:
    from ministack.services import sns

    messages.correct()
    endpoints.correct()
    deliveries.correct()
    return element("TopicArn", sns._create_topic({"Name": "topic"})[-1])


def publish(topic: str, **attributes: str) -> None:
    from ministack.services import sns

    given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    sns.publish_internal(topic, "text", "subject", message_attributes=given)


def metrics() -> dict[str, float]:
    """The sums of the metrics of the topic."""
    from ministack.services import cloudwatch

    key = cloudwatch._dims_key({"TopicName": "topic"})
    return {
        metric: sum(point["Value"] for point in points)
        for (namespace, metric, dimensions), points in cloudwatch._metrics.items()
        if namespace == "AWS/SNS" and dimensions == key and metric != "PublishSize"
    }


def test_email_has_subject_and_text(topic):
    subscribe(topic, "a@example.com", FilterPolicy=json.dumps({"flowDefinition": ["forms"]}))
    publish(topic)
    publish(topic, flowDefinition="forms")
    expected = {"address": "a@example.com", "topic": topic, "subject": "subject", "text": "text"}
    assert [one for one in deliveries.emails() if one["topic"] == topic] == [expected]
    assert metrics() == {
        "NumberOfMessagesPublished": 2,
        "NumberOfNotificationsDelivered": 1,
        "NumberOfNotificationsFilteredOut": 1,
    }


@pytest.mark.parametrize(
    ("attributes", "outcome"),
    [
        (None, "Failed"),
        ({}, "Failed"),
        ({"Policy": queue_policy(QUEUE, ["arn:aws:sns:us-east-1:000000000000:other"])}, "Failed"),
        ({"Policy": queue_policy(QUEUE, ["arn:aws:sns:us-east-1:000000000000:topic"])}, "Delivered"),
    ],
    ids=["no queue", "no policy", "another topic", "this topic"],
)
def test_queue_gets_what_its_policy_allows(topic: str, attributes: Any, outcome: str):
    from ministack.services import sns, sqs

    if attributes is not None:
        asyncio.run(sqs._dispatch("CreateQueue", {"QueueName": "queue", "Attributes": attributes}, ""))
    sns._subscribe({"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE})
    publish(topic)
    assert metrics() == {"NumberOfMessagesPublished": 1, f"NumberOfNotifications{outcome}": 1}
    queue = sqs._queue_by_arn(QUEUE)
    assert len(queue["messages"] if queue else ()) == (outcome == "Delivered")


def test_subscription_that_is_not_confirmed_gets_nothing(topic):
    from ministack.services import sns

    subscribe(topic, "pending@example.com")
    sns._topics[topic]["subscriptions"][0]["confirmed"] = False
    publish(topic)
    assert not [one for one in deliveries.emails() if one["address"] == "pending@example.com"]
    assert metrics() == {"NumberOfMessagesPublished": 1}


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[HttpsEndpoint]:
    with https_endpoint(tmp_path, confirms=False) as found:
        yield found


def test_endpoint_gets_nothing_before_it_confirms(topic, endpoint, eventually):
    from ministack.services import sns

    create(topic, endpoint.url, Protocol="https")
    publish(topic)
    eventually(lambda: endpoint.received)
    [asked] = endpoint.received
    assert (asked["Type"], asked["TopicArn"]) == ("SubscriptionConfirmation", topic)
    assert asked["headers"]["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert asked["Token"] in asked["SubscribeURL"]
    assert metrics() == {"NumberOfMessagesPublished": 1}

    assert sns._confirm_subscription({"TopicArn": topic, "Token": "another"})[0] == 400
    assert sns._confirm_subscription({"TopicArn": topic, "Token": asked["Token"]})[0] == 200
    publish(topic, kind="loop-failed")
    eventually(lambda: endpoint.got())
    [message] = endpoint.got()
    assert (message["Subject"], message["Message"]) == ("subject", "text")
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "loop-failed"}}
    assert message.keys() >= {
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
        "Timestamp",
        "UnsubscribeURL",
    }
    assert message["headers"]["x-amz-sns-subscription-arn"].startswith(f"{topic}:")


@pytest.mark.parametrize(
    ("statuses", "delivered", "failed"), [([503, 429], 1, 2), ([403], 0, 1), ([500] * 4, 0, 4)]
)
def test_endpoint_is_tried_again_after_errors_of_the_server(
    topic, endpoint, eventually, statuses, delivered, failed
):
    create(topic, endpoint.url, Protocol="https")
    eventually(lambda: endpoint.received)
    _confirm(topic, endpoint)
    endpoint.statuses = [*statuses]
    publish(topic)
    expected = {"NumberOfNotificationsDelivered": delivered, "NumberOfNotificationsFailed": failed}
    wanted = {"NumberOfMessagesPublished": 1, **{name: count for name, count in expected.items() if count}}
    eventually(lambda: metrics() == wanted)
    assert len(endpoint.got()) == delivered + failed


def _confirm(topic: str, endpoint: HttpsEndpoint) -> None:
    from ministack.services import sns

    sns._confirm_subscription({"TopicArn": topic, "Token": endpoint.received[0]["Token"]})
