"""Metrics of Amazon SQS."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["correct"]

_SAMPLE_SECONDS = 60
"""How often SQS measures a queue."""


def correct() -> None:
    """Corrects the metrics of queues."""
    _emit_metrics()


def _emit_metrics() -> None:
    """Emits the metrics of queues, so that alarms on them go off.

    AWS: the namespace AWS/SQS, dimension QueueName. NumberOfMessagesSent, NumberOfMessagesReceived,
    NumberOfMessagesDeleted, NumberOfEmptyReceives and SentMessageSize count calls; the messages that are visible, in
    flight and delayed, and the age of the oldest one, are measured each minute.
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html)
    MiniStack: emits none.

    Here, a queue is measured when it changes, and when somebody reads metrics or alarms. A later measurement in the
    same minute replaces the earlier one, as there is one a minute on AWS.
    """
    from ministack.services import cloudwatch, eventbridge, sns, sqs

    send = sqs._act_send_message

    def send_and_count(data: dict[str, Any], url: str) -> Any:
        answer = send(data, url)
        _sent(sqs._get_q(data.get("QueueUrl", url)), str(data.get("MessageBody", "")))
        return answer

    def counted(
        act: Callable[[dict[str, Any], str], Any], emit: Callable[[dict[str, Any], Any], None]
    ) -> Callable[[dict[str, Any], str], Any]:
        """Wraps an action of the API."""

        async def act_and_count(data: dict[str, Any], url: str) -> Any:
            answer = act(data, url)
            if asyncio.iscoroutine(answer):
                answer = await answer
            queue = sqs._get_q(data.get("QueueUrl", url))
            emit(queue, answer)
            _measure(queue)
            return answer

        return act_and_count

    def delivered(
        deliver: Callable[..., Any], queue_of: Callable[[Any], dict[str, Any] | None]
    ) -> Callable[..., Any]:
        """Wraps the delivery by another service, which does not pass through SendMessage."""

        def deliver_and_count(to: Any, body: str, *more: Any, **options: Any) -> Any:
            queue = queue_of(to)
            before = len(queue["messages"]) if queue else 0
            answer = deliver(to, body, *more, **options)
            if queue and len(queue["messages"]) > before:
                _sent(queue, body)
            return answer

        return deliver_and_count

    def fresh(read: Callable[..., Any]) -> Callable[..., Any]:
        def measure_and_read(*request: Any, **more: Any) -> Any:
            for queue in sqs._queues.values():
                _measure(queue)
            return read(*request, **more)

        return measure_and_read

    sqs._act_send_message = send_and_count
    sqs._HANDLERS = {
        **sqs._HANDLERS,
        "SendMessage": send_and_count,
        **{action: counted(sqs._HANDLERS[action], emit) for action, emit in _ACTIONS.items()},
    }
    sns._deliver_to_sqs = delivered(sns._deliver_to_sqs, sqs._queue_by_arn)
    eventbridge._dispatch_to_sqs = delivered(
        eventbridge._dispatch_to_sqs, lambda spec: sqs._queue_by_arn(str(spec))
    )
    for name in ("_describe_alarms", "_get_metric_statistics", "_get_metric_data"):
        setattr(cloudwatch, name, fresh(getattr(cloudwatch, name)))


def _sent(queue: dict[str, Any], body: str) -> None:
    _count(queue, "NumberOfMessagesSent")
    _count(queue, "SentMessageSize", len(body.encode()), "Bytes")
    _measure(queue)


def _received(queue: dict[str, Any], answer: Any) -> None:
    if messages := len(answer.get("Messages", ())):
        _count(queue, "NumberOfMessagesReceived", messages)
    else:
        _count(queue, "NumberOfEmptyReceives")


_ACTIONS: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "ReceiveMessage": _received,
    "DeleteMessage": lambda queue, answer: _count(queue, "NumberOfMessagesDeleted"),
    "DeleteMessageBatch": lambda queue, answer: _count(
        queue, "NumberOfMessagesDeleted", len(answer["Successful"])
    ),
    "PurgeQueue": lambda queue, answer: None,
    "ChangeMessageVisibility": lambda queue, answer: None,
    "ChangeMessageVisibilityBatch": lambda queue, answer: None,
}
"""Actions that change a queue, by their names in the API, with what they count."""


_measuring = threading.Lock()


def _measure(queue: dict[str, Any]) -> None:
    """Emits how many messages a queue has, and how old they are."""
    with _measuring:  # services deliver in threads of their own
        samples = _samples(queue)
    # An alarm may send a message to another queue.
    for metric, value, unit in samples:
        _count(queue, metric, value, unit)


def _samples(queue: dict[str, Any]) -> list[tuple[str, float, str]]:
    """Returns the measurements of a queue, and deletes those of the same minute."""
    from ministack.services import cloudwatch, sqs

    sqs._refresh_counts(queue)
    now = time.time()
    attributes = queue["attributes"]
    oldest = min((message["sent_at"] for message in list(queue["messages"])), default=now)
    samples = [
        ("ApproximateNumberOfMessagesVisible", float(attributes["ApproximateNumberOfMessages"]), "Count"),
        (
            "ApproximateNumberOfMessagesNotVisible",
            float(attributes["ApproximateNumberOfMessagesNotVisible"]),
            "Count",
        ),
        (
            "ApproximateNumberOfMessagesDelayed",
            float(attributes["ApproximateNumberOfMessagesDelayed"]),
            "Count",
        ),
        ("ApproximateAgeOfOldestMessage", now - oldest, "Seconds"),
    ]
    key = cloudwatch._dims_key({"QueueName": _name(queue)})
    for metric, _, _ in samples:
        points = cloudwatch._metrics.get(("AWS/SQS", metric, key)) or []
        while points and points[-1]["Timestamp"] > now - _SAMPLE_SECONDS:
            points.pop()
    return samples


def _count(queue: dict[str, Any], metric: str, value: float = 1, unit: str = "Count") -> None:
    from ministack.services import cloudwatch

    cloudwatch.record_metric("AWS/SQS", metric, value, unit, {"QueueName": _name(queue)})


def _name(queue: dict[str, Any]) -> str:
    return str(queue["attributes"]["QueueArn"]).rpartition(":")[2]
