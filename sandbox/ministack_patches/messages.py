"""Amazon SNS and Amazon SQS."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects SNS and SQS."""
    _subscribe_each_endpoint_once()


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
        given = {}
        number = 1
        while name := sns._p(params, f"Attributes.entry.{number}.key"):
            given[name] = sns._p(params, f"Attributes.entry.{number}.value")
            number += 1
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


def _equal(one: Any, other: Any) -> bool:
    """Compares two values of an attribute; JSON is compared by what it means."""
    try:
        return bool(json.loads(one or "{}") == json.loads(other or "{}"))
    except ValueError:
        return bool(one == other)
