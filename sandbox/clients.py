"""What tests and demonstrations do to human loops: `sandbox.flow_definitions`, `.loops` and `.events`.

To start, describe, list, stop and delete human loops, use the API of Amazon A2I: boto3's `sagemaker-a2i-runtime`. The
classes here do what happens on the other side: workers answer, or a loop fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

from console.worker_tasks.description import TaskDescription
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox.control import Control
from sandbox.faults import Error, rule
from sandbox.identity import ACCOUNT_ID
from sandbox.protocol import service_model
from sandbox.samples import TaskType
from sandbox.tenant import Tenant
from sandbox.workforce import TEAM, TEMPLATE, team_arn, template_arn

__all__ = ["Events", "FlowDefinitions", "HumanLoops", "LoopState", "describe_task"]

FailureCode = Literal["ValidationError", "Expired", "InternalError"]

_SOURCES: dict[TaskType, str | None] = {"custom": None, "textract": TEXTRACT, "rekognition": REKOGNITION}
A2I = "sagemaker-a2i-runtime"
_SERVICES = (A2I, "sagemaker", "textract", "rekognition")
_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/service-role/AmazonSageMaker-HumanReview"


class FlowDefinitions:
    """Creates flow definitions (human review workflows) through the SageMaker API. boto3 lists and deletes them."""

    def __init__(self, client: Callable[[str], Any], control: Control, region: str) -> None:
        self._client = client
        self._control = control
        self._region = region

    def create(
        self,
        name: str,
        output_bucket: str,
        *,
        task_count: int = 1,
        task_type: TaskType = "custom",
        conditions: str | None = None,
        lifetime_seconds: int = 3600,
        task: TaskDescription | None = None,
    ) -> str:
        """Creates a flow definition.

        Args:
            name: The name: lowercase letters, digits and hyphens, up to 63 characters.
            output_bucket: The bucket for outputs. It is created if it does not exist.
            task_count: How many workers answer each loop, 1 to 3.
            task_type: What workers review.
            conditions: The activation conditions of a built-in task, as JSON. Without them, every prediction is
                reviewed.
            lifetime_seconds: How long a loop waits for answers.
            task: What the tasks ask of a worker, for the console's page. Built-in tasks need none. Without it, the page
                takes answers as JSON.

        Returns:
            The ARN.

        Raises:
            botocore.exceptions.ClientError: SageMaker refused the request: ResourceInUse, ValidationException.
        """
        self._create_bucket(output_bucket)
        account = Tenant(ACCOUNT_ID, self._region)
        request: dict[str, Any] = {
            "FlowDefinitionName": name,
            "RoleArn": _ROLE,
            "OutputConfig": {"S3OutputPath": f"s3://{output_bucket}"},
            "HumanLoopConfig": {
                "WorkteamArn": team_arn(account, TEAM),
                "HumanTaskUiArn": template_arn(account, TEMPLATE),
                "TaskTitle": f"Review of {name}",
                "TaskDescription": "Please check what the model predicted.",
                "TaskCount": task_count,
                "TaskAvailabilityLifetimeInSeconds": lifetime_seconds,
            },
        }
        if source := _SOURCES[task_type]:
            request["HumanLoopRequestSource"] = {"AwsManagedHumanLoopRequestSource": source}
        if conditions is not None:
            config = {"HumanLoopActivationConditions": conditions}
            request["HumanLoopActivationConfig"] = {"HumanLoopActivationConditionsConfig": config}
        created = self._client("sagemaker").create_flow_definition(**request)
        if task is not None:
            self.describe_task(name, task)
        return str(created["FlowDefinitionArn"])

    def fail(self, name: str, reason: str) -> None:
        """Makes a flow definition fail, as Amazon A2I does when it cannot make its resources. It starts no loop then.

        Args:
            name: The name of the flow definition.
            reason: The FailureReason.

        Raises:
            SandboxError: There is no flow definition with that name.
        """
        path = f"/_sandbox/flow-definitions/{quote(name, safe='')}/fail?{urlencode({'region': self._region})}"
        self._control.call("POST", path, {"reason": reason})

    def describe_task(self, name: str, task: TaskDescription) -> None:
        """Sets what the tasks of a flow definition ask of a worker, for the console's page.

        Args:
            name: The name of the flow definition.
            task: The description.

        Raises:
            SandboxError: There is no flow definition with that name.
        """
        describe_task(self._control, self._region, name, task)

    def _create_bucket(self, name: str) -> None:
        s3 = self._client("s3")
        try:
            s3.head_bucket(Bucket=name)
        except s3.exceptions.ClientError:
            location: dict[str, Any] = {}
            # S3 rejects us-east-1 as a LocationConstraint: there, it is left out.
            if self._region != "us-east-1":
                location["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
            s3.create_bucket(Bucket=name, **location)


def describe_task(control: Control, region: str, name: str, task: TaskDescription) -> None:
    """Sets what the tasks of a flow definition ask of a worker: see `FlowDefinitions.describe_task`.

    Args:
        control: Calls the engine.
        region: The Region of the flow definition.
        name: The name of the flow definition.
        task: The description.

    Raises:
        SandboxError: There is no flow definition with that name.
    """
    path = f"/_sandbox/flow-definitions/{quote(name, safe='')}/task?{urlencode({'region': region})}"
    control.call("PUT", path, task.model_dump(mode="json", by_alias=True))


@dataclass(frozen=True)
class LoopState:
    """A human loop, as the service knows it.

    Attributes:
        name: The name.
        arn: The ARN.
        flow_definition_arn: The ARN of its flow definition.
        status: InProgress, Stopping, Completed, Failed or Stopped.
        created_at: When it was created, to the millisecond, in UTC.
        expires_at: When it fails, if it has too few answers until then.
        failure_code: Why it failed, for a failed loop.
        failure_reason: The reason in words, for a failed loop that has one.
        output_uri: Where its output is, or would be.
        task_count: How many answers it needs.
        source: The AI service that started it; None for a custom task.
        title: The title of the task.
        task: What the task asks of a worker, if its flow definition says so: see `console.worker_tasks.description`.
        input_content: What workers are shown.
        answers: The answers so far, each with `worker`, `content` and `submitted_at`.
    """

    name: str
    arn: str
    flow_definition_arn: str
    status: str
    created_at: datetime
    expires_at: datetime
    failure_code: str | None
    failure_reason: str | None
    output_uri: str
    task_count: int
    source: str | None
    title: str
    task: dict[str, Any] | None
    input_content: dict[str, Any]
    answers: list[dict[str, Any]]


class HumanLoops:
    """What workers and Amazon A2I do to human loops. Each method returns the loop as it is afterwards."""

    def __init__(self, control: Control, region: str) -> None:
        self._control = control
        self._region = region

    def list(self, status: str | None = None, limit: int | None = None) -> list[LoopState]:
        """Returns the loops of the sandbox, oldest first.

        Args:
            status: Only those with this status.
            limit: How many at most. Then they are without their input, and their answers without content.
        """
        query = {"status": status, "limit": limit}
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return [_loop_state(loop) for loop in self._control.call("GET", f"/_sandbox/loops?{given}")]

    def get(self, name: str) -> LoopState:
        """Returns one loop.

        Raises:
            SandboxError: There is no loop with that name.
        """
        return self._call("GET", name)

    def answer(
        self,
        name: str,
        content: Mapping[str, Any],
        *,
        worker: str | None = None,
        seconds_spent: float = 30.0,
    ) -> LoopState:
        """Submits the answer of one worker. The last answer that the flow definition asks for completes the loop.

        When this method has completed a loop, its `output.json` is in S3 and EventBridge has its event.

        Args:
            name: The loop's name.
            content: The answerContent, by crowd element. It is written to the output unchanged.
            worker: The workerId. None means the next of the sandbox's workers.
            seconds_spent: How long the worker took.

        Raises:
            SandboxError: There is no such loop, it has ended, the worker has answered already, or the output
                bucket does not exist.
        """
        answer = {"content": dict(content), "worker": worker, "seconds_spent": seconds_spent}
        return self._call("POST", name, "answer", answer)

    def fail(self, name: str, code: FailureCode | str, reason: str | None = None) -> LoopState:
        """Makes the loop fail.

        Args:
            name: The loop's name.
            code: ValidationError, Expired or InternalError. The API allows any other string.
            reason: The reason, as the service would word it.

        Raises:
            SandboxError: There is no such loop, or it has ended.
        """
        return self._call("POST", name, "fail", {"code": code, "reason": reason})

    def expire(self, name: str) -> LoopState:
        """Makes the loop fail with the code Expired, as if its time was over.

        Args:
            name: The loop's name.

        Raises:
            SandboxError: There is no such loop, or it has ended.
        """
        return self._call("POST", name, "expire")

    def refuse(self, operation: str, code: str, message: str = "", *, times: int = 1) -> None:
        """Makes the next calls of an operation fail, as a service under load does. See `sandbox.faults` for more.

        Args:
            operation: The operation, such as `StartHumanLoop` or `AnalyzeDocument`.
            code: The error code: ThrottlingException, ServiceQuotaExceededException, …
            message: The error message.
            times: How many calls fail. The SDK retries throttled calls, so one call of the SDK may use up several.
        """
        service = next((name for name in _SERVICES if operation in service_model(name).operation_names), A2I)
        fault = rule(Error(code, message), service=service, operation=operation, times=times)
        self._control.call("POST", "/_sandbox/faults", fault)

    def _call(self, method: str, name: str, action: str = "", body: Any = None) -> LoopState:
        path = "/".join(filter(None, ["/_sandbox/loops", quote(name, safe=""), action]))
        return _loop_state(self._control.call(method, f"{path}?{urlencode({'region': self._region})}", body))


class Events:
    """Events that repeat, get lost, or are not what they should be."""

    def __init__(self, control: Control, region: str) -> None:
        self._control = control
        self._region = region

    def deliver(self, detail: Mapping[str, Any]) -> None:
        """Sends a status change with this detail, in the same way as Amazon A2I, without checking it.

        Raises:
            SandboxError: EventBridge refused the event.
        """
        self._call("/_sandbox/events", {"detail": dict(detail)})

    def redeliver(self, loop_name: str) -> None:
        """Sends the event of an ended loop again: the same detail in a new event, as A2I may do.

        To change something between the end of a loop and its event (delete its output, say), `lose` the event first,
        make the change, and then call this.

        Raises:
            SandboxError: There is no such loop, or it has not ended.
        """
        self._call(f"/_sandbox/loops/{quote(loop_name, safe='')}/redeliver")

    def lose(self, times: int = 1) -> None:
        """Loses the next status changes on the way to EventBridge, as best-effort delivery allows."""
        self._call("/_sandbox/events/lose", {"times": times})

    def _call(self, path: str, body: Any = None) -> None:
        self._control.call("POST", f"{path}?{urlencode({'region': self._region})}", body)


def _loop_state(loop: dict[str, Any]) -> LoopState:
    times = {name: datetime.fromisoformat(loop[name]) for name in ("created_at", "expires_at")}
    return LoopState(**{**loop, **times})
