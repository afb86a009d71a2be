"""How Amazon SNS delivers messages to subscribers, and the metrics about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.ministack_patches import endpoints
from sandbox.ministack_patches.background import in_background

__all__ = ["correct", "emails"]

_KEPT_EMAILS = 10_000

_emails: deque[dict[str, str]] = deque(maxlen=_KEPT_EMAILS)


def correct() -> None:
    """Corrects the delivery of messages."""
    _deliver_and_count()


def emails() -> list[dict[str, str]]:
    """Returns the emails that were sent: `address`, `topic` (its ARN), `subject` and `text`."""
    return list(_emails)


@dataclass(frozen=True)
class _Notification:
    """A message for one subscriber."""

    topic: str
    """The ARN of the topic."""
    id: str
    subject: str
    message: str
    """The body for the subscriber's protocol."""
    attributes: dict[str, Any]
    group: str
    deduplication: str
    subscription: dict[str, Any]

    @property
    def endpoint(self) -> str:
        return str(self.subscription["endpoint"])

    @property
    def is_raw(self) -> bool:
        return bool(self.subscription["attributes"].get("RawMessageDelivery") == "true")

    @property
    def envelope(self) -> str:
        """What queues, functions and endpoints get: the message with what belongs to it, or the message alone."""
        from ministack.services import sns

        return str(
            sns._build_envelope(self.topic, self.id, self.message, self.subject, self.attributes, self.is_raw)
        )

    def count(self, metric: str) -> None:
        _count(self.topic, metric)


def _deliver_and_count() -> None:
    """Delivers a message to the subscribers of a topic, and counts what became of it.

    AWS: the namespace AWS/SNS, dimension TopicName. NumberOfMessagesPublished and PublishSize (bytes) are about the
    message; NumberOfNotificationsDelivered, NumberOfNotificationsFailed and NumberOfNotificationsFilteredOut are about
    each subscription. Failed are, for example, a queue that does not exist, or whose policy does not allow the topic. A
    subscription that is not confirmed gets nothing, and counts as nothing.
    (https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html)
    An email has the subject and the text of the message.
    MiniStack: emits no metrics, and an email leaves only a line in the log. Here, `emails` returns them.
    """
    from ministack.services import sns

    def fan_out(
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        message_group_id: str = "",
        message_dedup_id: str = "",
    ) -> None:
        topic, attributes = sns._topic_by_arn_any_scope(topic_arn), message_attributes or {}
        if not topic:
            return
        _count(topic_arn, "NumberOfMessagesPublished")
        _count(topic_arn, "PublishSize", sns._message_payload_size(message, attributes), "Bytes")
        for subscription in list(topic["subscriptions"]):
            if not subscription.get("confirmed"):
                continue
            body = sns._resolve_message_for_protocol(message, message_structure, subscription["protocol"])
            if not sns._matches_filter_policy(subscription, attributes, body):
                _count(topic_arn, "NumberOfNotificationsFilteredOut")
                continue
            notification = _Notification(
                topic_arn,
                msg_id,
                subject,
                body,
                attributes,
                message_group_id,
                message_dedup_id,
                subscription,
            )
            _DELIVER.get(subscription["protocol"], _to_nobody)(notification)

    sns._fanout = fan_out


def _to_queue(notification: _Notification) -> None:
    from ministack.core.arn import parse_arn
    from ministack.services import sns, sqs

    account = parse_arn(notification.topic).account_id
    accepted = sqs._queue_by_arn(notification.endpoint) and sqs.queue_policy_allows(
        notification.endpoint, "sns.amazonaws.com", notification.topic, account
    )
    if not accepted:
        notification.count("NumberOfNotificationsFailed")
        return
    sns._deliver_to_sqs(
        notification.endpoint,
        notification.envelope,
        notification.is_raw,
        notification.message,
        message_group_id=notification.group,
        message_dedup_id=notification.deduplication,
        message_attributes=notification.attributes,
        topic_arn=notification.topic,
    )
    notification.count("NumberOfNotificationsDelivered")


def _to_function(notification: _Notification) -> None:
    """SNS invokes a function asynchronously: the delivery ends when Lambda has accepted the event."""
    from ministack.services import lambda_svc, sns

    function, config, _ = lambda_svc._get_func_record_for_ref(notification.endpoint)
    if not function or not config:
        notification.count("NumberOfNotificationsFailed")
        return
    in_background(
        sns._deliver_to_lambda,
        notification.endpoint,
        notification.envelope,
        notification.topic,
        notification.subscription["arn"],
        notification.id,
        notification.message,
        notification.attributes,
    )
    notification.count("NumberOfNotificationsDelivered")


def _to_address(notification: _Notification) -> None:
    _emails.append(
        {
            "address": notification.endpoint,
            "topic": notification.topic,
            "subject": notification.subject,
            "text": notification.message,
        }
    )
    notification.count("NumberOfNotificationsDelivered")


def _to_endpoint(notification: _Notification) -> None:
    """Each attempt that failed counts (same source)."""

    def counted(delivered: bool) -> None:
        notification.count(f"NumberOfNotifications{'Delivered' if delivered else 'Failed'}")

    endpoints.post(notification, counted)


def _to_nobody(notification: _Notification) -> None:
    """Phones and applications: nothing is sent."""


_DELIVER: dict[str, Callable[[_Notification], None]] = {
    "sqs": _to_queue,
    "lambda": _to_function,
    "email": _to_address,
    "email-json": _to_address,
    "http": _to_endpoint,
    "https": _to_endpoint,
}
"""Protocol → how it is delivered."""


def _count(topic: str, metric: str, value: float = 1, unit: str = "Count") -> None:
    from ministack.services import cloudwatch

    cloudwatch.record_metric("AWS/SNS", metric, value, unit, {"TopicName": topic.rpartition(":")[2]})
