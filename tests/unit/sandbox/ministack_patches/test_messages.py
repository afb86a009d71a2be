"""What SNS and SQS refuse."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.ministack_patches import messages

DIFFERENT = "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"


@pytest.fixture
def topic(ministack: None) -> str:
    from ministack.services import sns

    messages.correct()
    _, _, body = sns._create_topic({"Name": "topic"})
    return element("TopicArn", body)


def element(name: str, body: bytes) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", body.decode())
    assert found, body
    return found[1]


def subscribe(topic: str, address: str, **attributes: str) -> tuple[int, bytes]:
    from ministack.services import sns

    request = {"TopicArn": topic, "Protocol": "email", "Endpoint": address}
    for number, (name, value) in enumerate(attributes.items(), 1):
        request |= {f"Attributes.entry.{number}.key": name, f"Attributes.entry.{number}.value": value}
    status, _, body = sns._subscribe(request)
    return status, body


def create(topic: str, address: str, **properties: Any) -> str:
    """Creates an AWS::SNS::Subscription, as CloudFormation does."""
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["create"]
    given = {"TopicArn": topic, "Protocol": "email", "Endpoint": address, **properties}
    return str(handler("Email", given, "stack")[0])


def addresses(topic: str) -> list[str]:
    from ministack.services import sns

    return [one["endpoint"] for one in sns._topics[topic]["subscriptions"]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"FilterPolicy": '{"a": ["b"]}'}, {"FilterPolicy": '{"a":["b"]}'}),
        ({"FilterPolicy": '{"a": ["b"]}'}, {}),
    ],
)
def test_second_subscription_of_address_is_the_first(topic, before, after):
    arns = [
        element("SubscriptionArn", subscribe(topic, "a@example.com", **given)[1]) for given in (before, after)
    ]
    assert arns[0] == arns[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"FilterPolicy": '{"a": ["b"]}'}),
        ({"FilterPolicy": '{"a": ["b"]}'}, {"FilterPolicy": '{"a": ["c"]}'}),
        ({"RawMessageDelivery": "true"}, {"RawMessageDelivery": "false"}),
    ],
)
def test_second_subscription_with_other_attributes_is_refused(topic, before, after):
    subscribe(topic, "a@example.com", **before)
    status, body = subscribe(topic, "a@example.com", **after)
    assert (status, element("Code", body), element("Message", body)) == (400, "InvalidParameter", DIFFERENT)


def test_resource_shares_subscription_of_address(topic):
    """So an address that moves from one resource to another is unsubscribed when the first one is deleted."""
    from ministack.services.cloudformation import provisioners

    first = create(topic, "a@example.com")
    assert create(topic, "a@example.com") == first
    provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["delete"](first, {})
    assert addresses(topic) == []


def test_resource_with_other_attributes_is_refused(topic):
    create(topic, "a@example.com")
    with pytest.raises(ValueError, match=DIFFERENT):
        create(topic, "a@example.com", FilterPolicy={"a": ["b"]})
    assert json.dumps(addresses(topic)) == '["a@example.com"]'
