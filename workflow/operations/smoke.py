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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.event import status_change_event
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import read_review
from workflow.errors import AfterloopError
from workflow.operations.stage_resources import StageResources
from workflow.stack import ALIAS

__all__ = ["FLOW_DEFINITION", "Check", "SmokeTest", "queue_policy"]

FLOW_DEFINITION = "afterloop-smoke"
"""The flow definition in the sample events. It does not have to exist."""

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


@dataclass
class _Sample:
    status: str
    outcome: str
    detail: dict[str, Any]
    messages: list[str] = field(default_factory=list)
    execution: str = ""

    @property
    def name(self) -> str:
        return str(self.detail["humanLoopName"])


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
        self._bucket = output_bucket
        self._progress = progress
        self._states = session.client("stepfunctions")
        self._s3 = resources.s3(session)
        self._ledger = session.client("dynamodb")
        self._sqs = session.client("sqs")
        self._sns = session.client("sns")
        self._mark = uuid.uuid4().hex[:8]
        self._created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

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
            samples = [self._completed(cleaning), self._failed(), self._stopped()]
            for sample in samples:
                cleaning.callback(self._forget, sample.name)
                sample.execution = self._states.start_execution(
                    stateMachineArn=f"{self._resources.state_machine_arn}:{ALIAS}",
                    name=sample.name,
                    input=json.dumps(self._event(sample)),
                )["executionArn"]
            for sample in samples:
                self._progress(f"Waiting for execution {sample.name}")
                yield self._execution(sample)
                row = self._row(sample.name)
                yield Check(
                    sample.status,
                    f"the outcome in the ledger is {sample.outcome}",
                    None if row.get("outcome") == sample.outcome else f"the outcome is {row.get('outcome')}",
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

    # The samples

    def _completed(self, cleaning: ExitStack) -> _Sample:
        name = f"smoke-{self._mark}-completed"
        key = f"{FLOW_DEFINITION}/{name}/output.json"
        output = {
            "flowDefinitionArn": self._resources.flow_definition_arn(FLOW_DEFINITION),
            "humanLoopName": name,
            "inputContent": {"prediction": {"label": "invoice", "confidence": 0.6}},
            "humanAnswers": [
                {
                    "answerContent": {"category": {"label": "receipt"}},
                    "submissionTime": self._created,
                    "workerId": "smoke",
                }
            ],
        }
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(output))
        except ClientError as error:
            answer = error.response["Error"]
            missing = answer["Code"] == "NoSuchBucket"
            why = "the bucket does not exist; create it" if missing else f"{answer['Message']}; fix the cause"
            raise AfterloopError(
                f"the smoke test cannot write its sample output to s3://{self._bucket}/{key}: {why}, or specify "
                "another of the stage's output buckets with --output-bucket"
            ) from error
        cleaning.callback(self._delete_object, self._bucket, key)
        location = {"outputS3Uri": f"s3://{self._bucket}/{key}"}
        return _Sample("Completed", "stored", self._detail(name, "Completed", humanLoopOutput=location))

    def _failed(self) -> _Sample:
        reason = {
            "failureCode": "ValidationError",
            "failureReason": "This is a smoke test. No action is needed.",
        }
        return _Sample("Failed", "escalated", self._detail(f"smoke-{self._mark}-failed", "Failed", **reason))

    def _stopped(self) -> _Sample:
        return _Sample("Stopped", "notified", self._detail(f"smoke-{self._mark}-stopped", "Stopped"))

    def _detail(self, name: str, status: str, **more: Any) -> dict[str, Any]:
        resources = self._resources
        return {
            "creationTime": self._created,
            "failureCode": None,
            "failureReason": None,
            "flowDefinitionArn": resources.flow_definition_arn(FLOW_DEFINITION),
            "humanLoopArn": f"arn:{resources.partition}:sagemaker:{resources.region}:{resources.account_id}"
            f":human-loop/{name}",
            "humanLoopName": name,
            "humanLoopOutput": None,
            "humanLoopStatus": status,
            **more,
        }

    def _event(self, sample: _Sample) -> dict[str, Any]:
        return status_change_event(sample.detail, event_id=str(uuid.uuid4()), time=self._created)

    # The checks

    def _execution(self, sample: _Sample) -> Check:
        what = "the execution succeeds"
        deadline = time.monotonic() + EXECUTION_TIMEOUT_SECONDS
        while True:
            execution = self._states.describe_execution(executionArn=sample.execution)
            if execution["status"] == "SUCCEEDED":
                return Check(sample.status, what)
            if execution["status"] != "RUNNING":
                cause = execution.get("cause", "no cause given")
                return Check(
                    sample.status,
                    what,
                    f"the execution ended as {execution['status']}: {cause} ({sample.execution})",
                )
            if time.monotonic() > deadline:
                return Check(
                    sample.status,
                    what,
                    f"the execution is still running after {EXECUTION_TIMEOUT_SECONDS} s ({sample.execution})",
                )
            time.sleep(0.5)

    def _row(self, name: str) -> dict[str, str]:
        answer = self._ledger.get_item(
            TableName=self._resources.ledger_table, Key={"humanLoopName": {"S": name}}, ConsistentRead=True
        )
        return {key: value["S"] for key, value in answer.get("Item", {}).items() if "S" in value}

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

    def _forget(self, name: str) -> None:
        """Deletes a loop's row, and its review even if the test ended before it checked the review."""
        if location := self._row(name).get("reviewLocation"):
            place = S3Location.parse(location)
            self._delete_object(place.bucket, place.key)
        self._ledger.delete_item(TableName=self._resources.ledger_table, Key={"humanLoopName": {"S": name}})

    def _delete_object(self, bucket: str, key: str) -> None:
        """Deletes an object with all its versions, because the buckets keep versions."""
        self._s3.delete_object(Bucket=bucket, Key=key)
        answer = self._s3.list_object_versions(Bucket=bucket, Prefix=key)
        for version in (*answer.get("Versions", []), *answer.get("DeleteMarkers", [])):
            if version["Key"] == key:
                self._s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


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
