"""Metrics of queues. Each test fails without the correction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.ministack_patches import alarms, queue_metrics

VISIBLE = "ApproximateNumberOfMessagesVisible"


class Queue:
    """A queue with an alarm on visible messages, and its API."""

    def __init__(self) -> None:
        from ministack.services import cloudwatch, sqs

        alarms.correct()
        queue_metrics.correct()
        sqs._act_create_queue({"QueueName": "queue"}, "")
        cloudwatch.cloudformation_put_metric_alarm(
            {
                "AlarmName": "alarm",
                "AlarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:alarm",
                "Namespace": "AWS/SQS",
                "MetricName": VISIBLE,
                "Dimensions": [{"Name": "QueueName", "Value": "queue"}],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                "StateValue": "OK",
            }
        )

    def call(self, action: str, **data: Any) -> Any:
        from ministack.services import sqs

        return asyncio.run(sqs._dispatch(action, data, sqs._queue_url("queue")))

    @property
    def alarm(self) -> str:
        from ministack.services import cloudwatch

        return cloudwatch._alarms["alarm"]["StateValue"]


@pytest.fixture
def queue(ministack: None) -> Queue:
    return Queue()


def metric(name: str) -> list[float]:
    from ministack.services import cloudwatch

    points = cloudwatch._metrics.get(("AWS/SQS", name, cloudwatch._dims_key({"QueueName": "queue"}))) or []
    return [point["Value"] for point in points]


def test_alarm_follows_messages(queue):
    queue.call("SendMessage", MessageBody="a")
    assert (metric(VISIBLE), queue.alarm) == ([1], "ALARM")
    [message] = queue.call("ReceiveMessage")["Messages"]
    assert (metric(VISIBLE), metric("ApproximateNumberOfMessagesNotVisible"), queue.alarm) == ([0], [1], "OK")
    queue.call("ChangeMessageVisibility", ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert queue.alarm == "ALARM"
    queue.call("PurgeQueue")
    assert queue.alarm == "OK"


def test_messages_stay_visible_in_later_minutes(queue):
    """The queue is measured again when alarms are read, so that an alarm does not end while messages wait."""
    from ministack.services import cloudwatch

    queue.call("SendMessage", MessageBody="a")
    for points in cloudwatch._metrics.values():
        for point in points:
            point["Timestamp"] -= 3600
    cloudwatch._describe_alarms({}, {}, False)
    assert (metric(VISIBLE), queue.alarm) == ([1, 1], "ALARM")


def test_calls_are_counted(queue):
    queue.call("ReceiveMessage")
    entries = [{"Id": name, "MessageBody": name} for name in "abc"]
    queue.call("SendMessageBatch", Entries=entries)
    first, *rest = queue.call("ReceiveMessage", MaxNumberOfMessages=10)["Messages"]
    queue.call("DeleteMessage", ReceiptHandle=first["ReceiptHandle"])
    handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(rest)]
    queue.call("DeleteMessageBatch", Entries=handles)
    counts = {
        "NumberOfEmptyReceives": 1,
        "NumberOfMessagesSent": 3,
        "SentMessageSize": 3,
        "NumberOfMessagesReceived": 3,
        "NumberOfMessagesDeleted": 3,
    }
    assert {name: sum(metric(name)) for name in counts} == counts


def test_delivery_by_topic_is_counted(queue, monkeypatch):
    from ministack import app
    from ministack.services import sns

    monkeypatch.setattr(app, "AUTH", False)  # the queue has no policy
    sns._deliver_to_sqs("arn:aws:sqs:us-east-1:000000000000:queue", "{}", False, "m")
    assert (metric("NumberOfMessagesSent"), queue.alarm) == ([1], "ALARM")
