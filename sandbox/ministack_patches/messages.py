"""Amazon SNS and Amazon SQS."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects SNS and SQS."""
    _refuse_invalid_filter_policies()
    _subscribe_each_endpoint_once()
    _change_only_subscriptions_that_exist()
    _refuse_invalid_messages()
    _count_attributes_of_queued_messages()
    _check_policy_for_alarms()


def _subscribe_each_endpoint_once() -> None:
    """Keeps one subscription for each topic, protocol and endpoint.

    AWS: Subscribe returns the ARN of the subscription if the endpoint has one already, and is refused if an attribute
    of the request differs (attributes that are left out are not compared): "Invalid parameter: Attributes Reason:
    Subscription already exists with different attributes". The handler of `AWS::SNS::Subscription` calls Subscribe
    without looking (https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sns). So two resources
    can share a subscription, and when one of them is deleted, the other has none.
    MiniStack: Subscribe ignores the attributes. CloudFormation creates a second subscription.
    """
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    subscribe, create = sns._subscribe, provisioners._sns_sub_create

    def existing(topic: Any, protocol: str, endpoint: str, attributes: dict[str, str]) -> str | None:
        """Returns the ARN of the subscription that the endpoint has, if any. Raises ValueError if it differs."""
        for subscription in (topic or {}).get("subscriptions", ()):
            if (subscription["protocol"], subscription["endpoint"]) == (protocol, endpoint):
                found = subscription["attributes"]
                if any(not _equal(found.get(name), value) for name, value in attributes.items()):
                    raise ValueError(
                        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
                    )
                return str(subscription["arn"])
        return None

    def subscribe_once(params: dict[str, Any]) -> Any:
        given = _attributes(params)
        topic = sns._topic_by_arn_any_scope(sns._normalize_arn(sns._p(params, "TopicArn")))
        try:
            existing(topic, sns._p(params, "Protocol"), sns._p(params, "Endpoint"), given)
        except ValueError as error:
            return sns._error("InvalidParameter", str(error), 400)
        return subscribe(params)

    def create_once(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        topic = sns._topics.get(properties.get("TopicArn"))
        attributes = provisioners._sns_sub_attributes(properties)
        arn = existing(topic, properties.get("Protocol", ""), properties.get("Endpoint", ""), attributes)
        return create(logical_id, properties, stack) if arn is None else (arn, {"Arn": arn})

    sns._subscribe = subscribe_once
    provisioners._sns_sub_create = create_once
    provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["create"] = create_once


def _change_only_subscriptions_that_exist() -> None:
    """Fails to change a subscription that is gone, and to delete one that waits for its confirmation.

    AWS: the handler of `AWS::SNS::Subscription` looks for the subscription first, in an update (NotFound) and in a
    deletion, which refuses it while it is pending: "subscription … cannot be deleted if pending confirmation".
    (https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sns)
    MiniStack: creates the subscription again, and deletes one that is pending. It lists the ARN of one that is pending.
    """
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]
    update, delete, listed = handler["update"], handler["delete"], sns._list_subscriptions_by_topic

    def found(arn: str) -> Any:
        topic = sns._sub_arn_to_topic.get(arn)
        return sns._find_subscription(topic, arn) if topic else None

    def update_existing(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str | None = None
    ) -> Any:
        identity = ("TopicArn", "Protocol", "Endpoint")
        if all(old.get(name) == new.get(name) for name in identity) and not found(physical_id):
            raise ValueError(
                'Resource handler returned message: "Subscription does not exist (Service: Sns, Status Code: 404)" '
                "(HandlerErrorCode: NotFound)"
            )
        return update(physical_id, old, new, stack, logical_id)

    def delete_confirmed(physical_id: str, properties: dict[str, Any]) -> None:
        if (subscription := found(physical_id)) and not subscription["confirmed"]:
            raise ValueError(
                f'Resource handler returned message: "Invalid request provided: subscription {physical_id} cannot be '
                'deleted if pending confirmation" (HandlerErrorCode: InvalidRequest)'
            )
        delete(physical_id, properties)

    def list_pending(params: dict[str, Any]) -> Any:
        status, headers, body = listed(params)
        topic = sns._topic_by_arn_any_scope(sns._normalize_arn(sns._p(params, "TopicArn")))
        for subscription in (topic or {}).get("subscriptions", ()):
            if not subscription["confirmed"]:
                body = body.replace(
                    f"<SubscriptionArn>{subscription['arn']}<".encode(),
                    b"<SubscriptionArn>PendingConfirmation<",
                )
        return status, headers, body

    handler["update"], handler["delete"] = update_existing, delete_confirmed
    provisioners._sns_sub_update, provisioners._sns_sub_delete = update_existing, delete_confirmed
    sns._list_subscriptions_by_topic = list_pending


def _attributes(params: dict[str, Any]) -> dict[str, str]:
    """Returns the attributes in a request to subscribe."""
    from ministack.services import sns

    given: dict[str, str] = {}
    while name := sns._p(params, f"Attributes.entry.{len(given) + 1}.key"):
        given[name] = sns._p(params, f"Attributes.entry.{len(given) + 1}.value")
    return given


def _equal(one: Any, other: Any) -> bool:
    """Compares two values of an attribute; JSON is compared by what it means."""
    try:
        return bool(json.loads(one or "{}") == json.loads(other or "{}"))
    except ValueError:
        return bool(one == other)


_MAX_FILTER_KEYS = 5
_MAX_FILTER_COMBINATIONS = 150


def _refuse_invalid_filter_policies() -> None:
    """Refuses filter policies that SNS refuses.

    AWS: a policy for message attributes is an object of lists, with at most five keys, and at most 150 combinations:
    the product of the numbers of values. (https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html)
    MiniStack: accepts any JSON. A policy that is none lets every message through, or none.
    """
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    subscribe, change, create = sns._subscribe, sns._set_subscription_attributes, provisioners._sns_sub_create

    def subscribe_valid(params: dict[str, Any]) -> Any:
        given = _attributes(params)
        return _refused(given.get("FilterPolicy"), given.get("FilterPolicyScope")) or subscribe(params)

    def change_valid(params: dict[str, Any]) -> Any:
        if sns._p(params, "AttributeName") == "FilterPolicy" and (
            refused := _refused(sns._p(params, "AttributeValue"), None)
        ):
            return refused
        return change(params)

    def create_valid(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        given = provisioners._sns_sub_attributes(properties)
        if problem := _problem_of_filter(given.get("FilterPolicy"), given.get("FilterPolicyScope")):
            raise ValueError(problem)
        return create(logical_id, properties, stack)

    def _refused(policy: Any, scope: Any) -> Any:
        problem = _problem_of_filter(policy, scope)
        return sns._error("InvalidParameter", problem, 400) if problem else None

    sns._subscribe, sns._set_subscription_attributes = subscribe_valid, change_valid
    provisioners._sns_sub_create = create_valid
    provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["create"] = create_valid


def _problem_of_filter(policy: Any, scope: Any) -> str | None:
    if not policy or scope == "MessageBody":  # a policy for bodies can be nested
        return None
    try:
        rules = json.loads(policy)
    except ValueError:
        return "Invalid parameter: FilterPolicy: failed to parse JSON."
    if not isinstance(rules, dict):
        return "Invalid parameter: FilterPolicy: Filter policy must be an object"
    for name, values in rules.items():
        if name != "$or" and not isinstance(values, list):
            return f'Invalid parameter: FilterPolicy: "{name}" must be an object or an array'
    combinations = math.prod(len(values) for values in rules.values())
    if len(rules) > _MAX_FILTER_KEYS or combinations > _MAX_FILTER_COMBINATIONS:
        return "Invalid parameter: FilterPolicy: Filter policy is too complex"
    return None


def _refuse_invalid_messages() -> None:
    """Refuses messages that SNS refuses.

    AWS: a message is at most 262,144 bytes with its attributes, and not empty. With the structure `json`, it is a JSON
    object with a text `default`. A subject has at most 100 characters, no line breaks and no control characters. An
    attribute has a value that is not empty. All are InvalidParameter, but ParameterValueInvalid for attributes.
    (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)
    MiniStack: checks the size only.
    """
    from ministack.services import sns

    publish = sns.publish_internal

    def publish_valid(topic_arn: str, message: Any, subject: str = "", **more: Any) -> Any:
        code, problem = "InvalidParameter", None
        if not message:
            problem = "Empty message"
        elif len(subject) > _MAX_SUBJECT or any(not character.isprintable() for character in subject):
            problem = "Subject"
        elif more.get("message_structure") == "json":
            problem = _problem_of_structure(message)
        if problem is None and (name := _empty_attribute(more.get("message_attributes") or {})):
            code = "ParameterValueInvalid"
            problem = f"The message attribute '{name}' must contain non-empty message attribute value"
        if problem is not None:
            prefix = "Invalid parameter: " if code == "InvalidParameter" else ""
            raise sns.SnsPublishError(code, f"{prefix}{problem}")
        return publish(topic_arn, message, subject, **more)

    sns.publish_internal = publish_valid


_MAX_SUBJECT = 100


def _problem_of_structure(message: Any) -> str | None:
    try:
        bodies = json.loads(message) if isinstance(message, str) else message
    except ValueError:
        return "Message Structure - JSON message body failed to parse"
    if not isinstance(bodies, dict) or not isinstance(bodies.get("default"), str):
        return "Message Structure - No default entry in JSON message body"
    return None


def _empty_attribute(attributes: dict[str, dict[str, Any]]) -> str | None:
    """Returns the name of an attribute without a value."""
    for name, attribute in attributes.items():
        if not attribute.get("StringValue") and not attribute.get("BinaryValue"):
            return name
    return None


def _count_attributes_of_queued_messages() -> None:
    """Refuses messages that SQS refuses because of their attributes.

    AWS: the size of a message is that of its body and of the names, types and values of its attributes; it is at most
    the queue's MaximumMessageSize: 1,048,576 bytes unless the queue has another value, since August 2025 (262,144
    before). A message has at most ten attributes, none of them empty.
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)
    MiniStack: counts the body only, and accepts empty attributes.
    """
    from ministack.services import sns, sqs

    send, batch = sqs._act_send_message, sqs._act_send_message_batch

    def send_valid(data: dict[str, Any], url: str) -> Any:
        attributes = data.get("MessageAttributes") or {}
        queue = sqs._get_q(data.get("QueueUrl", url))
        limit = int(queue["attributes"].get("MaximumMessageSize", _MAX_QUEUED_BYTES))
        if _size(data) > limit:
            raise sqs._Err(
                "InvalidParameterValue",
                f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.",
            )
        if len(attributes) > _MAX_ATTRIBUTES:
            raise sqs._Err(
                "InvalidParameterValue",
                f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{_MAX_ATTRIBUTES}].",
            )
        if name := _empty_attribute(attributes):
            raise sqs._Err(
                "InvalidParameterValue",
                f"Message (user) attribute '{name}' must contain a non-empty value of type 'String'.",
            )
        return send(data, url)

    def send_valid_batch(data: dict[str, Any], url: str) -> Any:
        total = sum(map(_size, data.get("Entries", ())))
        if total > _MAX_QUEUED_BYTES:
            raise sqs._Err(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {_MAX_QUEUED_BYTES} bytes. You have sent {total} bytes.",
            )
        return batch(data, url)

    def _size(data: dict[str, Any]) -> int:
        return int(
            sns._message_payload_size(data.get("MessageBody", ""), data.get("MessageAttributes") or {})
        )

    sqs._act_send_message, sqs._act_send_message_batch = send_valid, send_valid_batch
    sqs._HANDLERS = {**sqs._HANDLERS, "SendMessage": send_valid, "SendMessageBatch": send_valid_batch}


_MAX_QUEUED_BYTES = 1_048_576
_MAX_ATTRIBUTES = 10


_ACTIONS_OF_STATES = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}


def _check_policy_for_alarms() -> None:
    """Lets an alarm notify the topics whose policy allows it.

    AWS: the policy of the topic must allow sns:Publish to cloudwatch.amazonaws.com. Otherwise, the action fails, and
    only the history of the alarm shows it.
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html)
    MiniStack: notifies each topic.
    """
    from ministack.services import cloudwatch, sns

    dispatch = cloudwatch._dispatch_alarm_actions

    def dispatch_allowed(alarm: dict[str, Any], before: str, state: str, reason: str) -> None:
        field, arn, name = _ACTIONS_OF_STATES[state], alarm.get("AlarmArn", ""), alarm.get("AlarmName", "")
        account = arn.split(":")[4] if arn.count(":") > 4 else ""
        allowed = []
        for topic in alarm.get(field) or ():
            known = sns._topic_by_arn_any_scope(topic) is not None
            if not known or sns.topic_policy_allows(topic, "cloudwatch.amazonaws.com", arn, account):
                allowed.append(topic)
            else:
                problem = (
                    f"Failed to execute action {topic}: CloudWatch is not authorized to publish to the topic"
                )
                cloudwatch._record_history(name, state, state, problem)
        dispatch({**alarm, field: allowed}, before, state, reason)

    cloudwatch._dispatch_alarm_actions = dispatch_allowed
