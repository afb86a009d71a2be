"""The smoke test of a stage: runs one execution for each status with a sample event, and checks every effect.

The test runs on a published stage, on AWS or in the sandbox. It deletes what it creates: objects, ledger rows, the
queue and its subscriptions. The executions remain, and subscribers of the escalation topic receive the message about
the failed loop. The names of the test's loops start with `smoke-`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import boto3

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import read_review
from workflow.operations.sample_executions import FLOW_DEFINITION, SampleExecution, SampleExecutions, Status
from workflow.operations.stage_resources import StageResources

__all__ = ["Check", "SmokeTest", "queue_policy"]

OUTCOMES: dict[Status, str] = {"Completed": "stored", "Failed": "escalated", "Stopped": "notified"}
"""Status of a loop → the outcome in the ledger."""

EXECUTION_TIMEOUT_SECONDS = 180
MESSAGE_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Check:
    """One check of the smoke test."""

    loop: str
    """Status of the sample loop."""
    what: str
    """What is checked, in words."""
    problem: str | None = None
    """Why the check failed; null when it passed."""


class SmokeTest:
    """One run of the smoke test. Iterate over `checks` once; it cleans up when it ends, fails, or is closed.

    Args:
        resources: The published stage.
        session: A session with permissions to start executions, to read and delete ledger rows and reviews, to
            write and delete objects in the output bucket, and to create and subscribe a queue.
        output_bucket: One of the stage's output buckets.
        progress: Called with a description of each step.
    """

    def __init__(
        self,
        resources: StageResources,
        session: boto3.Session,
        output_bucket: str,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._resources = resources
        self._samples = SampleExecutions(resources, session, output_bucket)
        self._progress = progress
        self._states = session.client("stepfunctions")
        self._s3 = resources.s3(session)
        self._sqs = session.client("sqs")
        self._sns = session.client("sns")
        self._mark = uuid.uuid4().hex[:8]

    def checks(self) -> Iterator[Check]:
        """Starts the executions, and yields the check of each effect.

        Raises:
            AfterloopError: The output bucket is not writable.
            botocore.exceptions.ClientError: A permission is missing.
        """
        # Each step registers its own cleanup, which runs in reverse order whatever fails.
        with ExitStack() as cleaning:
            self._progress("Subscribing a queue to the topics")
            queue = self._subscribed_queue(cleaning)
            # The queue is subscribed before the executions start, so that no message is missed.
            samples = [
                self._samples.start(status, f"smoke-{self._mark}-{status.lower()}", cleaning)
                for status in OUTCOMES
            ]
            for sample in samples:
                self._progress(f"Waiting for execution {sample.loop}")
                yield self._execution(sample)
                row, expected = self._samples.row(sample.loop), OUTCOMES[sample.status]
                yield Check(
                    sample.status,
                    f"the outcome in the ledger is {expected}",
                    None if row.get("outcome") == expected else f"the outcome is {row.get('outcome')}",
                )
                if sample.status == "Completed":
                    yield self._review(row)
            self._progress("Waiting for messages")
            kinds = self._received(queue, {"loop-failed", "loop-stopped"})
            for sample, kind in ((samples[1], "loop-failed"), (samples[2], "loop-stopped")):
                yield Check(
                    sample.status,
                    f"a {kind} message arrives",
                    None if kind in kinds else f"no message arrived within {MESSAGE_TIMEOUT_SECONDS} s",
                )
            self._progress("Cleaning up")

    # The checks

    def _execution(self, sample: SampleExecution) -> Check:
        what = "the execution succeeds"
        deadline = time.monotonic() + EXECUTION_TIMEOUT_SECONDS
        while True:
            execution = self._states.describe_execution(executionArn=sample.arn)
            if execution["status"] == "SUCCEEDED":
                return Check(sample.status, what)
            if execution["status"] != "RUNNING":
                cause = execution.get("cause", "no cause given")
                return Check(
                    sample.status,
                    what,
                    f"the execution ended as {execution['status']}: {cause} ({sample.arn})",
                )
            if time.monotonic() > deadline:
                return Check(
                    sample.status,
                    what,
                    f"the execution is still running after {EXECUTION_TIMEOUT_SECONDS} s ({sample.arn})",
                )
            time.sleep(0.5)

    def _review(self, row: dict[str, str]) -> Check:
        what = "the review is stored, and shows that the model was overruled"
        location = row.get("reviewLocation")
        if location is None:
            return Check("Completed", what, "the ledger row has no review location")
        place = S3Location.parse(location)
        try:
            record = read_review(self._s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read())
        except InvalidDocument as error:
            return Check("Completed", what, f"{location}: {error}")
        found = [(field.predicted, field.reviewed, record.overruled) for field in record.fields]
        expected = [('"invoice"', '"receipt"', True)]
        return Check("Completed", what, None if found == expected else f"{location} has {found}")

    def _received(self, queue: str, kinds: set[str]) -> set[str]:
        seen: set[str] = set()
        deadline = time.monotonic() + MESSAGE_TIMEOUT_SECONDS
        while not kinds <= seen and time.monotonic() < deadline:
            answer = self._sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                # Another run of the test may be under way, so the loop's name has to match too.
                document = json.loads(json.loads(message["Body"])["Message"])
                if f"smoke-{self._mark}-" in document.get("humanLoopName", ""):
                    seen.add(document["kind"])
        return seen

    # What the test creates and deletes

    def _subscribed_queue(self, cleaning: ExitStack) -> str:
        url = self._sqs.create_queue(QueueName=f"afterloop-smoke-{self._mark}")["QueueUrl"]
        cleaning.callback(self._sqs.delete_queue, QueueUrl=url)
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        topics = [self._resources.output("EscalationTopic"), self._resources.output("NotificationTopic")]
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": queue_policy(arn, topics)})
        for topic in topics:
            subscription = self._sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=arn,
                # SNS sends only messages about the test's own flow definition.
                Attributes={"FilterPolicy": json.dumps({"flowDefinition": [FLOW_DEFINITION]})},
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
            cleaning.callback(self._sns.unsubscribe, SubscriptionArn=subscription)
        return url


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
