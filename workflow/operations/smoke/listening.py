"""The queue that gets the messages of a stage's topics during one run of the smoke test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from workflow.errors import AfterloopError

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["QUEUE_PREFIX", "Listener", "queue_policy"]

QUEUE_PREFIX = "afterloop-smoke-"
"""What the names of the queues begin with. The rest is the mark of the run."""

PROBE_TIMEOUT_SECONDS = 120
"""A queue policy takes up to 60 s to hold
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html)."""
PROBE_INTERVAL_SECONDS = 2
MESSAGE_TIMEOUT_SECONDS = 30
KEPT_SECONDS = 3600
"""How long the queue keeps a message. It gets those of other loops, too."""


class Listener:
    """A queue that is subscribed to the stage's topics.

    The subscriptions have no filter, because a filter takes up to 15 minutes to hold, and the queue gets what it should
    not, or nothing, until then. The probe comes from a topic of the test's own, whose messages pass the same queue
    policy: everybody who is subscribed to the stage's topics would get a probe that is sent there.

    Args:
        resources: The published stage.
        session: A session with permissions to create a queue and a topic, and to subscribe the queue.
        mark: What the run is called.
    """

    def __init__(self, resources: StageResources, session: boto3.Session, mark: str) -> None:
        self._sqs = session.client("sqs")
        self._sns = session.client("sns")
        self._topics = resources.topics
        self._name = f"{QUEUE_PREFIX}{mark}"
        place = f"{resources.region}:{resources.account_id}:{self._name}"
        self._arn = f"arn:{resources.partition}:sqs:{place}"
        self._own_topic = f"arn:{resources.partition}:sns:{place}"
        self._url = ""
        self._seen: set[tuple[str, str]] = set()

    def open(self, cleaning: ExitStack, tags: dict[str, str]) -> None:
        """Creates the queue.

        Args:
            cleaning: Gets what deletes it.
            tags: The tags of the queue.
        """
        attributes: dict[Any, str] = {
            "Policy": queue_policy(self._arn, [*self._topics, self._own_topic]),
            "MessageRetentionPeriod": str(KEPT_SECONDS),
            "VisibilityTimeout": str(KEPT_SECONDS),  # each message is read once
        }
        self._url = self._sqs.create_queue(QueueName=self._name, Attributes=attributes, tags=tags)["QueueUrl"]
        cleaning.callback(self._sqs.delete_queue, QueueUrl=self._url)

    def subscribe(self, cleaning: ExitStack, progress: Callable[[str], None]) -> None:
        """Subscribes the queue, and waits until it gets a message.

        Args:
            cleaning: Gets what deletes the subscriptions.
            progress: Called with what it waits for.

        Raises:
            AfterloopError: The queue gets no message.
        """
        self._sns.create_topic(Name=self._name)
        cleaning.callback(self._sns.delete_topic, TopicArn=self._own_topic)
        for topic in (self._own_topic, *self._topics):
            subscription = self._sns.subscribe(
                TopicArn=topic, Protocol="sqs", Endpoint=self._arn, ReturnSubscriptionArn=True
            )["SubscriptionArn"]
            cleaning.callback(self._sns.unsubscribe, SubscriptionArn=subscription)
        deadline = time.monotonic() + PROBE_TIMEOUT_SECONDS
        while not self._probed():
            progress("Waiting until the queue may get messages: a queue policy takes up to a minute to hold")
            if time.monotonic() > deadline:
                raise AfterloopError(
                    f"the queue of the smoke test got no message from SNS within {PROBE_TIMEOUT_SECONDS} s: run the "
                    "test again; if that fails, too, look for a policy of your organization that denies sns:Publish "
                    "or sqs:SendMessage"
                )

    def _probed(self) -> bool:
        probe = {"humanLoopName": self._name, "kind": "probe"}
        self._sns.publish(TopicArn=self._own_topic, Message=json.dumps(probe))
        return bool(self._received({(self._name, "probe")}, PROBE_INTERVAL_SECONDS))

    def received(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Waits for messages, and returns which of them came.

        Args:
            wanted: The name of the loop and the kind of each message.
        """
        return self._received(wanted, MESSAGE_TIMEOUT_SECONDS)

    def _received(self, wanted: Collection[tuple[str, str]], seconds: float) -> set[tuple[str, str]]:
        deadline = time.monotonic() + seconds
        while not self._seen.issuperset(wanted):
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=int(min(seconds, 1))
            )
            for message in answer.get("Messages", []):
                # Alarms and other publishers send what they like.
                with suppress(ValueError, LookupError, TypeError):
                    document = json.loads(json.loads(message["Body"])["Message"])
                    self._seen.add((str(document["humanLoopName"]), str(document["kind"])))
            if time.monotonic() > deadline:
                break
        return self._seen.intersection(wanted)

    def remove(self, url: str) -> None:
        """Deletes the queue of an earlier run, with its topic and its subscriptions.

        Args:
            url: The URL of the queue.
        """
        for subscription in self.subscriptions():
            self._sns.unsubscribe(SubscriptionArn=subscription)
        self._sns.delete_topic(TopicArn=self._own_topic)
        self._sqs.delete_queue(QueueUrl=url)

    def subscriptions(self) -> list[str]:
        """The ARNs of the subscriptions of the queue to the stage's topics."""
        pages = self._sns.get_paginator("list_subscriptions_by_topic")
        return [
            one["SubscriptionArn"]
            for topic in self._topics
            for page in pages.paginate(TopicArn=topic)
            for one in page["Subscriptions"]
            if one["Endpoint"] == self._arn
        ]


def queue_policy(queue: str, topics: Sequence[str]) -> str:
    """Returns a queue policy, as JSON, that allows topics to send messages to the queue.

    Args:
        queue: The queue's ARN.
        topics: The topics' ARNs.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
