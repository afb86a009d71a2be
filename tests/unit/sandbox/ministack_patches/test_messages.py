"""What SNS and SQS refuse."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.ministack_patches import integrations, messages

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


def update(topic: str, arn: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Updates an AWS::SNS::Subscription, as CloudFormation does."""
    from ministack.services.cloudformation import provisioners

    given = {"TopicArn": topic, "Protocol": "email"}
    return str(
        provisioners._update_resource(
            "AWS::SNS::Subscription", arn, given | before, given | after, "stack", "Email"
        )[0]
    )


def test_filter_of_missing_subscription_cannot_change(topic):
    from ministack.services import sns

    address = {"Endpoint": "a@example.com"}
    filtered = address | {"FilterPolicy": {"a": ["b"]}}
    arn = create(topic, "a@example.com")
    assert update(topic, arn, address, filtered) == arn
    sns._unsubscribe({"SubscriptionArn": arn})
    with pytest.raises(ValueError, match="Subscription does not exist"):
        update(topic, arn, filtered, address)
    assert update(topic, arn, filtered, {"Endpoint": "b@example.com"}) != arn
    assert addresses(topic) == ["b@example.com"]


def test_pending_subscription_is_not_deleted(topic):
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    arn = create(topic, "a@example.com")
    sns._topics[topic]["subscriptions"][0]["confirmed"] = False
    with pytest.raises(ValueError, match="cannot be deleted if pending confirmation"):
        provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["delete"](arn, {})
    listed = sns._list_subscriptions_by_topic({"TopicArn": topic})[-1]
    assert element("SubscriptionArn", listed) == "PendingConfirmation"


MANY = [str(number) for number in range(151)]


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"a": ["b"], "c": [{"prefix": "d"}]}, None),
        ({"a": MANY[:150]}, None),
        ({"a": MANY}, "too complex"),
        ({"a": MANY[:76], "b": ["1", "2"]}, "too complex"),
        ({key: ["1"] for key in "abcdef"}, "too complex"),
        ({"a": "b"}, "must be an object or an array"),
        (["a"], "must be an object"),
    ],
)
def test_filter_policy_that_sns_refuses(topic, policy, problem):
    from ministack.services import sns

    text = json.dumps(policy)
    arn = element("SubscriptionArn", subscribe(topic, "b@example.com")[1])
    change = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy", "AttributeValue": text}
    answers = [subscribe(topic, "a@example.com", FilterPolicy=text), sns._set_subscription_attributes(change)]
    if problem is None:
        assert [answer[0] for answer in answers] == [200, 200]
    else:
        assert all(answer[0] == 400 and problem.encode() in answer[-1] for answer in answers)
        with pytest.raises(ValueError, match=problem):
            create(topic, "c@example.com", FilterPolicy=policy)


LIMIT = 262_144
"""Bytes of an SNS message."""


def publish(topic: str, message: str, **more: Any) -> str | None:
    """Publishes a message as a state machine does, and returns the error, if any."""
    from ministack.services import stepfunctions

    integrations.correct()
    request = {"TopicArn": topic, "Message": message, **more}
    try:
        stepfunctions._SERVICE_DISPATCH["arn:aws:states:::sns:publish"](
            "arn:aws:states:::sns:publish", request
        )
    except stepfunctions._ExecutionError as error:
        return f"{error.error}: {error.cause}"
    return None


def attribute(value: str) -> dict[str, Any]:
    return {"MessageAttributes": {"kind": {"DataType": "String", "StringValue": value}}}


TOO_LONG = "SNS.InvalidParameterException: Invalid parameter: Message too long. Maximum size is 262144 bytes."
OVERHEAD = len("kind" + "String")
JSON = {"MessageStructure": "json"}


@pytest.mark.parametrize(
    ("message", "more", "error"),
    [
        ("x" * LIMIT, {}, None),
        ("é" * (LIMIT // 2 + 1), {}, TOO_LONG),
        ("x" * (LIMIT - OVERHEAD - 1), attribute("a"), None),
        ("x" * (LIMIT - OVERHEAD), attribute("a"), TOO_LONG),
        (json.dumps({"default": "x", "email": "x" * LIMIT}), JSON, TOO_LONG),
        ("", {}, "SNS.InvalidParameterException: Invalid parameter: Empty message"),
        ("m", {"Subject": "s" * 100}, None),
        ("m", {"Subject": "s" * 101}, "SNS.InvalidParameterException: Invalid parameter: Subject"),
        ("m", {"Subject": "two\nlines"}, "SNS.InvalidParameterException: Invalid parameter: Subject"),
        (
            "not JSON",
            JSON,
            "SNS.InvalidParameterException: Invalid parameter: Message Structure - JSON message body",
        ),
        (
            '{"email": "m"}',
            JSON,
            "SNS.InvalidParameterException: Invalid parameter: Message Structure - No default",
        ),
        (
            "m",
            attribute(""),
            "SNS.InvalidParameterValueException: The message attribute 'kind' must contain non-empty",
        ),
    ],
)
def test_message_that_sns_refuses_fails_task(topic, message, more, error):
    found = publish(topic, message, **more)
    assert found == error if error is None else str(found).startswith(error)


@pytest.mark.parametrize(
    ("body", "value", "error"),
    [
        (1_048_576 - OVERHEAD - 1, "a", None),
        (1_048_576 - OVERHEAD, "a", "Message must be shorter than 1048576 bytes"),
        (1, "", "must contain a non-empty value"),
    ],
)
def test_queue_counts_attributes(topic, body, value, error):
    from ministack.services import sqs

    sqs._act_create_queue({"QueueName": "q"}, "")
    request = {"MessageBody": "x" * body, **attribute(value)}
    if error is None:
        sqs._act_send_message(request, sqs._queue_url("q"))
    else:
        with pytest.raises(sqs._Err, match=error):
            sqs._act_send_message(request, sqs._queue_url("q"))


@pytest.mark.parametrize(
    ("operation", "request_", "error"),
    [
        (
            "putItem",
            {"Item": {"k": {"S": "a"}, "v": {"S": "x" * 409_600}}},
            "Item size has exceeded the maximum",
        ),
        (
            "updateItem",
            {
                "Key": {"k": {"S": "a"}},
                "UpdateExpression": "SET v = :v",
                "ExpressionAttributeValues": {":v": {"S": "x" * 409_600}},
            },
            "Item size to update has exceeded the maximum allowed size",
        ),
        ("putItem", {"Item": {"v": {"S": "no key"}}}, "One or more parameter values"),
    ],
)
def test_item_that_dynamodb_refuses_fails_task(ministack, operation, request_, error):
    from ministack.services import dynamodb, stepfunctions

    integrations.correct()
    key = {"AttributeName": "k", "KeyType": "HASH"}
    dynamodb._create_table(
        {
            "TableName": "table",
            "KeySchema": [key],
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    resource = f"arn:aws:states:::dynamodb:{operation}"
    with pytest.raises(stepfunctions._ExecutionError) as failed:
        stepfunctions._SERVICE_DISPATCH[resource](resource, {"TableName": "table", **request_})
    assert failed.value.error == "DynamoDB.AmazonDynamoDBException"
    assert failed.value.cause.startswith(error)


@pytest.mark.parametrize(
    ("service", "notified"),
    [("cloudwatch.amazonaws.com", True), ("events.amazonaws.com", False), (None, True)],
)
def test_alarm_notifies_topic_whose_policy_allows_it(topic, monkeypatch, service, notified):
    from ministack.services import cloudwatch, sns

    if service:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sns._set_topic_attributes({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy})
    sent: list[str] = []
    monkeypatch.setattr(sns, "_fanout", lambda arn, *message: sent.append(arn))
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:alarm"
    alarm = {"AlarmName": "alarm", "AlarmArn": arn, "AlarmActions": [topic]}
    cloudwatch._dispatch_alarm_actions(alarm, "OK", "ALARM", "because")
    assert sent == [topic] * notified
