"""What a test or a demonstration does to human loops: `sandbox.flow_definitions`, `.loops` and `.events`.

Starting, describing, listing, stopping and deleting loops is Amazon A2I's own API: use boto3's
`sagemaker-a2i-runtime` for that. Here is what happens to a loop from the other side: people answer, or they
do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.identity import ACCOUNT_ID
from sandbox.samples import REKOGNITION, TEXTRACT, TaskType

__all__ = ["Events", "FlowDefinitions", "HumanLoops", "LoopState"]

FailureCode = Literal["ValidationError", "Expired", "InternalError"]

_SOURCES = {"custom": None, "textract": TEXTRACT, "rekognition": REKOGNITION}
_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/service-role/AmazonSageMaker-HumanReview"


class FlowDefinitions:
    """Makes flow definitions (human review workflows) with SageMaker's API; boto3 lists and deletes them."""

    def __init__(self, client: Callable[[str], Any], region: str) -> None:
        self._client = client
        self._region = region

    def create(
        self,
        name: str,
        output_bucket: str,
        *,
        task_count: int = 1,
        prefix: str = "",
        task_type: TaskType = "custom",
        conditions: str | None = None,
        lifetime_seconds: int = 3600,
    ) -> str:
        """Creates a flow definition.

        Args:
            name: of the flow definition: lower-case letters, digits and hyphens, up to 63.
            output_bucket: bucket of its output; made if it does not exist.
            task_count: how many workers answer each loop, 1 to 3.
            prefix: of the output's keys, without slashes at its ends.
            task_type: what people review.
            conditions: activation conditions of a built-in task, a JSON text; without them every prediction
                is reviewed.
            lifetime_seconds: how long a loop waits for answers, before `lifetime_scale`.

        Returns:
            Its ARN.

        Raises:
            SandboxError: the task type is unknown.
            botocore.exceptions.ClientError: SageMaker refused: ResourceInUse, ValidationException.
        """
        if task_type not in _SOURCES:
            raise SandboxError(f"task_type: {task_type!r} is none of {', '.join(_SOURCES)}")
        self._make_bucket(output_bucket)
        base = f"arn:aws:sagemaker:{self._region}:{ACCOUNT_ID}"
        request: dict[str, Any] = {
            "FlowDefinitionName": name,
            "RoleArn": _ROLE,
            "OutputConfig": {"S3OutputPath": "/".join(filter(None, [f"s3://{output_bucket}", prefix]))},
            "HumanLoopConfig": {
                "WorkteamArn": f"{base}:workteam/private-crowd/reviewers",
                "HumanTaskUiArn": f"{base}:human-task-ui/{name}",
                "TaskTitle": f"Review of {name}",
                "TaskDescription": "Please check what the model predicted.",
                "TaskCount": task_count,
                "TaskAvailabilityLifetimeInSeconds": lifetime_seconds,
            },
        }
        source = _SOURCES[task_type]
        if source:
            request["HumanLoopRequestSource"] = {"AwsManagedHumanLoopRequestSource": source}
        if conditions is not None:
            config = {"HumanLoopActivationConditions": conditions}
            request["HumanLoopActivationConfig"] = {"HumanLoopActivationConditionsConfig": config}
        created = self._client("sagemaker").create_flow_definition(**request)
        return str(created["FlowDefinitionArn"])

    def _make_bucket(self, name: str) -> None:
        s3 = self._client("s3")
        try:
            s3.head_bucket(Bucket=name)
        except s3.exceptions.ClientError:
            elsewhere: dict[str, Any] = {}
            if self._region != "us-east-1":
                elsewhere["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
            s3.create_bucket(Bucket=name, **elsewhere)


@dataclass(frozen=True)
class LoopState:
    """A human loop, as the service knows it.

    Attributes:
        name: of the loop.
        arn: of the loop.
        flow_definition_arn: of its flow definition.
        status: InProgress, Stopping, Completed, Failed or Stopped.
        created_at: to the millisecond, UTC.
        failure_code: only when it failed.
        failure_reason: only when it failed, and a reason was given.
        output_uri: where its output is, or would be.
        task_count: how many answers it waits for in all.
        source: which AI service started it; None for a custom task.
        input_content: what people are shown, parsed.
        answers: so far: `worker`, `content`, `submitted_at` of each.
    """

    name: str
    arn: str
    flow_definition_arn: str
    status: str
    created_at: datetime
    failure_code: str | None
    failure_reason: str | None
    output_uri: str
    task_count: int
    source: str | None
    input_content: dict[str, Any]
    answers: list[dict[str, Any]]


class HumanLoops:
    """What people and Amazon A2I do to human loops. Each call returns the loop as it is afterwards."""

    def __init__(self, control: Control, region: str) -> None:
        self._control = control
        self._region = region

    def list(self) -> list[LoopState]:
        """All loops of the sandbox, oldest first."""
        return [_loop_state(loop) for loop in self._control.call("GET", "/_sandbox/loops")]

    def get(self, name: str) -> LoopState:
        """One loop.

        Raises:
            SandboxError: there is none of that name.
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
        """One worker answers. The last answer that the flow definition asks for completes the loop.

        Then `output.json` is in S3, and EventBridge has the event, before this returns.

        Args:
            name: of the loop.
            content: the answerContent, by crowd element; written to the output as it is.
            worker: the workerId; None for the next of the sandbox's own workers.
            seconds_spent: how long it took.

        Raises:
            SandboxError: there is no such loop, it has ended, this worker has answered already, or the
                output's bucket does not exist.
        """
        given = {"content": dict(content), "worker": worker, "seconds_spent": seconds_spent}
        return self._call("POST", name, "answer", given)

    def fail(self, name: str, code: FailureCode | str, reason: str | None = None) -> LoopState:
        """The loop fails.

        Args:
            name: of the loop.
            code: ValidationError, Expired, InternalError; another, as the API's type is a free text.
            reason: in the service's words.

        Raises:
            SandboxError: there is no such loop, or it has ended.
        """
        return self._call("POST", name, "fail", {"code": code, "reason": reason})

    def expire(self, name: str) -> LoopState:
        """Nobody answered in time: the loop fails with `Expired`, as it does by itself when its time is over.

        Raises:
            SandboxError: there is no such loop, or it has ended.
        """
        return self._call("POST", name, "expire")

    def refuse(self, operation: str, code: str, message: str = "", *, times: int = 1) -> None:
        """Lets the next calls of an operation fail, as a service under load does.

        Args:
            operation: such as `StartHumanLoop` or `AnalyzeDocument`.
            code: the error's code: ThrottlingException, ServiceQuotaExceededException, …
            message: of the error.
            times: how many calls. The SDK retries what is throttled, so one call of its may need several.
        """
        given = {"operation": operation, "code": code, "message": message or None, "times": times}
        self._control.call("POST", "/_sandbox/refusals", given)

    def _call(self, method: str, name: str, action: str = "", body: Any = None) -> LoopState:
        path = "/".join(filter(None, ["/_sandbox/loops", quote(name, safe=""), action]))
        return _loop_state(self._control.call(method, f"{path}?{urlencode({'region': self._region})}", body))


class Events:
    """What human loops tell EventBridge, and what may go wrong on the way."""

    def __init__(self, control: Control, region: str) -> None:
        self._control = control
        self._region = region

    def of(self, loop_name: str) -> list[dict[str, Any]]:
        """The events of a loop so far, oldest first: `source`, `detail_type`, `detail`, `resources`."""
        return list(self._call("GET", "/_sandbox/events", loop=loop_name))

    def deliver(
        self,
        detail: Mapping[str, Any],
        *,
        detail_type: str | None = None,
        source: str | None = None,
        resources: Sequence[str] = (),
    ) -> None:
        """Sends an event as Amazon A2I sends its own, whatever is in it.

        Args:
            detail: an object; EventBridge takes nothing else.
            detail_type: that of a status change unless given.
            source: `aws.sagemaker` unless given. `PutEvents` refuses `aws.*` to everybody else.
            resources: ARNs.

        Raises:
            SandboxError: EventBridge refused it.
        """
        event = {
            "detail": dict(detail),
            "detail_type": detail_type,
            "source": source,
            "resources": list(resources),
        }
        self._call("POST", "/_sandbox/events", event)

    def redeliver(self, loop_name: str) -> None:
        """Sends the event of an ended loop once more: the same detail in a new event, as happens to both.

        Also the way to put something between the end of a loop and its event: `lose` it, do what is to be
        done (take the output away, say), then send it.

        Raises:
            SandboxError: there is no such loop, or it has not ended.
        """
        self._call("POST", f"/_sandbox/loops/{quote(loop_name, safe='')}/redeliver")

    def lose(self, times: int = 1) -> None:
        """The next status changes are not told to EventBridge, as may happen to it on the way."""
        self._call("POST", "/_sandbox/events/lose", {"times": times})

    def _call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        return self._control.call(method, f"{path}?{urlencode({'region': self._region} | query)}", body)


def _loop_state(loop: dict[str, Any]) -> LoopState:
    return LoopState(**{**loop, "created_at": datetime.fromisoformat(loop["created_at"])})
