"""HTTP and HTTPS endpoints as subscribers of Amazon SNS: how they confirm, and how messages reach them."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.ministack_patches.background import in_background

__all__ = ["PROTOCOLS", "correct", "post"]

PROTOCOLS = ("http", "https")

_TIMEOUT_SECONDS = 15
"""How long SNS waits for a response
(https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html)."""

_RETRIES = 3
_RETRY_SECONDS = 20
"""The default delivery policy (https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.retry.html)."""

_TOO_MANY_REQUESTS = 429

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def correct() -> None:
    """Corrects subscriptions of endpoints."""
    _ask_each_endpoint_to_confirm()


def _ask_each_endpoint_to_confirm() -> None:
    """Sends a new endpoint the message with which it confirms its subscription, whoever subscribes it.

    AWS: the endpoint gets a SubscriptionConfirmation with a token and a SubscribeURL, and no other message until it has
    confirmed, by a GET of that URL or by ConfirmSubscription. With ReturnSubscriptionArn, Subscribe returns the ARN
    before that. (https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html)
    MiniStack: a subscription that CloudFormation makes has no token and no message, so nobody can confirm it. Subscribe
    returns no ARN before. Its connections are not closed.
    """
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    subscribe, create = sns._subscribe, provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["create"]

    async def nothing(topic: str, subscription: dict[str, Any]) -> None:
        """In place of MiniStack's own message."""

    def subscribe_and_ask(params: dict[str, Any]) -> Any:
        known = _pending(sns._p(params, "TopicArn"))
        status, headers, body = subscribe(params)
        for arn, subscription in _pending(sns._p(params, "TopicArn")).items():
            if arn not in known:
                _ask(subscription)
            if subscription["endpoint"] == sns._p(params, "Endpoint") and _wants_arn(params):
                body = body.replace(b">pending confirmation<", f">{arn}<".encode())
        return status, headers, body

    def create_and_ask(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        known = _pending(properties.get("TopicArn", ""))
        answer = create(logical_id, properties, stack)
        for arn, subscription in _pending(properties.get("TopicArn", "")).items():
            if arn not in known:
                subscription["token"] = uuid.uuid4().hex
                subscription["attributes"]["PendingConfirmation"] = "true"
                _ask(subscription)
        return answer

    def _wants_arn(params: dict[str, Any]) -> bool:
        return str(sns._p(params, "ReturnSubscriptionArn")).lower() == "true"

    sns._send_subscription_confirmation = nothing
    sns._subscribe = subscribe_and_ask
    provisioners._sns_sub_create = create_and_ask
    provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]["create"] = create_and_ask


def _pending(topic_arn: str) -> dict[str, dict[str, Any]]:
    """The endpoints of a topic that have not confirmed: ARN → subscription."""
    from ministack.services import sns

    topic = sns._topic_by_arn_any_scope(sns._normalize_arn(topic_arn)) or {}
    return {
        one["arn"]: one
        for one in topic.get("subscriptions", ())
        if one["protocol"] in PROTOCOLS and not one["confirmed"]
    }


def _ask(subscription: Mapping[str, Any]) -> None:
    from ministack.services import sns

    topic, token = subscription["topic_arn"], subscription["token"]
    query = urllib.parse.urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    document = json.loads(sns._build_envelope(topic, str(uuid.uuid4()), "", "", {}, False))
    del document["UnsubscribeURL"]
    document |= {
        "Type": "SubscriptionConfirmation",
        "Token": token,
        "Message": f"You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the "
        "SubscribeURL included in this message.",
        "SubscribeURL": f"http://{sns._HOST}:{sns._PORT}/?{query}",
    }
    headers = _headers("SubscriptionConfirmation", document["MessageId"], topic)
    in_background(_attempt, subscription["endpoint"], json.dumps(document), headers, lambda delivered: None)


def post(notification: Any, counted: Callable[[bool], None]) -> None:
    """Sends a message to an endpoint, in the background.

    AWS: a POST, answered within 15 seconds with a status of 2xx. The message may be sent again three times, 20 seconds
    apart: after an error of the server, no answer, or too many requests, not after an error of the client
    (https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.retry.html,
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html). The certificate must be that of an
    authority that SNS trusts.
    MiniStack: one attempt, with few headers. Here, waits are scaled as those of state machines are, and the certificate
    of an endpoint on this machine is not checked.

    Args:
        notification: The message, as `deliveries` has it.
        counted: Is called with whether an attempt succeeded, for each attempt.
    """
    headers = _headers("Notification", notification.id, notification.topic)
    headers["x-amz-sns-subscription-arn"] = notification.subscription["arn"]
    if notification.is_raw:
        headers["x-amz-sns-rawdelivery"] = "true"
    in_background(_attempt, notification.endpoint, notification.envelope, headers, counted)


def _headers(kind: str, message: str, topic: str) -> dict[str, str]:
    """Source: https://docs.aws.amazon.com/sns/latest/dg/http-header.html."""
    return {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message,
        "x-amz-sns-topic-arn": topic,
    }


def _attempt(endpoint: str, body: str, headers: Mapping[str, str], counted: Callable[[bool], None]) -> None:
    from ministack.services import stepfunctions

    for number in range(1 + _RETRIES):
        if number:
            time.sleep(_RETRY_SECONDS * stepfunctions._SFN_WAIT_SCALE)
        status = _status(endpoint, body, headers)
        counted(200 <= status < 300)
        if status < 500 and status != _TOO_MANY_REQUESTS and status != _NO_ANSWER:
            return


_NO_ANSWER = 0


def _status(endpoint: str, body: str, headers: Mapping[str, str]) -> int:
    url = urllib.parse.urlsplit(endpoint)
    host = url.hostname or ""
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        if host in _LOOPBACK:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, url.port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, url.port, timeout=_TIMEOUT_SECONDS)
    path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
    try:
        connection.request("POST", path, body.encode(), dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return _NO_ANSWER
    finally:
        connection.close()
