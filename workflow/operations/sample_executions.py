"""Executions of a stage's workflow with sample events, and the deletion of what they leave behind.

They run on a published stage, on AWS or in the sandbox. The executions remain. Subscribers of the topics get the
messages about a failed and a stopped loop.
"""

from __future__ import annotations

import json
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from botocore.exceptions import ClientError

from lambdas.reviews.event import status_change_event
from lambdas.reviews.location import S3Location
from workflow.errors import AfterloopError
from workflow.stack import ALIAS

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["FLOW_DEFINITION", "SampleExecution", "SampleExecutions", "SampleSeries", "Status"]

FLOW_DEFINITION = "afterloop-smoke"
"""The flow definition in the sample events. It does not have to exist."""

Status = Literal["Completed", "Failed", "Stopped"]


@dataclass(frozen=True)
class SampleExecution:
    """An execution with a sample event."""

    status: Status
    loop: str
    """Name of the human loop in the event."""
    arn: str


class SampleExecutions:
    """Starts executions with sample events.

    Args:
        resources: The published stage.
        session: A session with permissions to start executions, to read and delete ledger rows and reviews, and to
            write and delete objects in the output bucket.
        output_bucket: One of the stage's output buckets.
    """

    def __init__(self, resources: StageResources, session: boto3.Session, output_bucket: str) -> None:
        self._resources = resources
        self._bucket = output_bucket
        self._states = session.client("stepfunctions")
        self._s3 = resources.s3(session)
        self._ledger = session.client("dynamodb")

    def start(
        self, status: Status, name: str, cleaning: ExitStack, version: str | None = None
    ) -> SampleExecution:
        """Starts an execution with the event of a human loop.

        Args:
            status: The status of the loop.
            name: Its name.
            cleaning: Gets what deletes the loop's output, review and row, also if the execution does not start.
            version: The ARN of the version to run. By default, the alias chooses one.

        Raises:
            AfterloopError: The output bucket is not writable.
            botocore.exceptions.ClientError: A permission is missing.
        """
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        detail = self._detail(name, status, created)
        if status == "Completed":
            key = _output_key(name)
            self._write(key, self._output(name, created))
            cleaning.callback(self._delete_object, self._bucket, key)
            detail["humanLoopOutput"] = {"outputS3Uri": f"s3://{self._bucket}/{key}"}
        cleaning.callback(self.forget, name)
        started = self._states.start_execution(
            stateMachineArn=version or f"{self._resources.state_machine_arn}:{ALIAS}",
            name=name,
            input=json.dumps(status_change_event(detail, event_id=str(uuid.uuid4()), time=created)),
        )
        return SampleExecution(status, name, started["executionArn"])

    def has_ended(self, execution: SampleExecution) -> bool:
        """Whether an execution has ended."""
        return self._states.describe_execution(executionArn=execution.arn)["status"] != "RUNNING"

    def row(self, loop: str) -> dict[str, str]:
        """Returns the texts in a loop's row of the ledger; empty if there is none."""
        answer = self._ledger.get_item(
            TableName=self._resources.ledger_table, Key={"humanLoopName": {"S": loop}}, ConsistentRead=True
        )
        return {key: value["S"] for key, value in answer.get("Item", {}).items() if "S" in value}

    def _output(self, name: str, created: str) -> dict[str, Any]:
        return {
            "flowDefinitionArn": self._resources.flow_definition_arn(FLOW_DEFINITION),
            "humanLoopName": name,
            "inputContent": {"prediction": {"label": "invoice", "confidence": 0.6}},
            "humanAnswers": [
                {
                    "answerContent": {"category": {"label": "receipt"}},
                    "submissionTime": created,
                    "workerId": "smoke",
                }
            ],
        }

    def _write(self, key: str, output: dict[str, Any]) -> None:
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(output))
        except ClientError as error:
            answer = error.response["Error"]
            missing = answer["Code"] == "NoSuchBucket"
            why = "the bucket does not exist; create it" if missing else f"{answer['Message']}; fix the cause"
            raise AfterloopError(
                f"the sample output cannot be written to s3://{self._bucket}/{key}: {why}, or use "
                "another output bucket of the stage: the first one counts, or --output-bucket of `smoke`"
            ) from error

    def _detail(self, name: str, status: Status, created: str) -> dict[str, Any]:
        resources = self._resources
        is_failed = status == "Failed"
        return {
            "creationTime": created,
            "failureCode": "ValidationError" if is_failed else None,
            "failureReason": "This is a smoke test. No action is needed." if is_failed else None,
            "flowDefinitionArn": resources.flow_definition_arn(FLOW_DEFINITION),
            "humanLoopArn": f"arn:{resources.partition}:sagemaker:{resources.region}:{resources.account_id}"
            f":human-loop/{name}",
            "humanLoopName": name,
            "humanLoopOutput": None,
            "humanLoopStatus": status,
        }

    def remove(self, name: str) -> None:
        """Deletes what a sample with this name left behind, if anything."""
        self._delete_object(self._bucket, _output_key(name))
        self.forget(name)

    def forget(self, name: str) -> None:
        """Deletes a loop's row, and its review and A2I's output, if there are any."""
        row = self.row(name)
        if location := row.get("reviewLocation"):
            place = S3Location.parse(location)
            self._delete_object(place.bucket, place.key)
        if (location := row.get("outputLocation")) and name in location:
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


def _output_key(name: str) -> str:
    return f"{FLOW_DEFINITION}/{name}/output.json"


class SampleSeries:
    """Starts samples one after another. What they leave is deleted after they end, or at the end of the `with` block.

    Args:
        samples: Starts them.
        status: The status of the loops. Their names begin with `sample-`.
    """

    def __init__(self, samples: SampleExecutions, status: Status) -> None:
        self._samples, self._status = samples, status
        self._started: list[tuple[SampleExecution, ExitStack]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for _, cleaning in self._started:
            cleaning.close()

    def start(self) -> None:
        """Starts the next execution.

        Raises:
            AfterloopError: The output bucket is not writable.
            botocore.exceptions.ClientError: A permission is missing.
        """
        for execution, cleaning in list(self._started):
            if self._samples.has_ended(execution):
                self._started.remove((execution, cleaning))
                cleaning.close()
        name = f"sample-{uuid.uuid4().hex[:8]}-{self._status.lower()}"
        with ExitStack() as unless_started:
            started = self._samples.start(self._status, name, unless_started)
            self._started.append((started, unless_started.pop_all()))
