"""The A2I-compatible service: flow definitions, human loops, and how loops end.

It is independent of HTTP and of the engine: `sandbox.app` calls it, and it acts through `Effects`. It runs on one
event loop, so code without `await` cannot be interrupted.

Some behavior is open in the API's model and documentation. Here:

- *Repeated names.* A loop keeps its name until it is deleted, even after it has ended ("unique within the Region in
  your account"). A request with the same name, input and flow definition is a repetition: it returns the same ARN.
  Any other request with the name gets a ConflictException, which is documented for "the same name as another active
  human loop but has different input data".
- *Output location.* `HumanLoopOutput` has the location from the start, as on AWS. The events of failed and stopped
  loops have it, too, whether or not there is an object.
- *Order.* By default, lists are in ascending order of creation time, with ten items on a page.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from lambdas.reviews.event import DETAIL_TYPE, SOURCE, TERMINAL_STATUSES
from lambdas.reviews.times import timestamp
from sandbox.activation import check_conditions
from sandbox.errors import SandboxError
from sandbox.protocol import ServiceError
from sandbox.tenant import Tenant

__all__ = [
    "Answer",
    "Effects",
    "FlowDefinition",
    "HumanLoop",
    "HumanLoopService",
    "id_of_worker",
    "page_of",
]

_DEFAULT_PAGE = 10
_DEFAULT_LIFETIME_SECONDS = 864_000  # ten days: the default of CreateFlowDefinition for a private workforce
_EXPIRED = "The task expired before enough workers had answered it."

_log = logging.getLogger(__name__)


class _Listed(Protocol):
    """What lists of the API have: something with a name that was created at some time."""

    name: str
    created: datetime


_T = TypeVar("_T", bound=_Listed)


class Effects(Protocol):
    """What the service does to the rest of AWS."""

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        """Stores an object in S3.

        Raises:
            ServiceError: S3 refused the request, such as with NoSuchBucket.
        """

    async def get_object(self, tenant: Tenant, bucket: str, key: str) -> bytes | None:
        """Returns the content of an object, or None if there is no such object."""

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event with the keys Source, DetailType, Detail (an object) and Resources to the default bus."""


@dataclass
class FlowDefinition:
    """A human review workflow.

    Attributes:
        tenant: The account and Region.
        name: The name.
        created: When it was created.
        request: The request of CreateFlowDefinition.
        task: What its tasks ask of a worker, as `console.worker_tasks.description` has it. On AWS, that is in a worker
            task template.
        failure_reason: Why it failed, if it did. Then it starts no loops.
    """

    tenant: Tenant
    name: str
    created: datetime
    request: dict[str, Any]
    task: dict[str, Any] | None = None
    failure_reason: str | None = None

    @property
    def arn(self) -> str:
        """The ARN."""
        return self.tenant.arn("flow-definition", self.name)

    @property
    def source(self) -> str | None:
        """The AwsManagedHumanLoopRequestSource of a built-in task, None for a custom task."""
        source: str | None = self.request.get("HumanLoopRequestSource", {}).get(
            "AwsManagedHumanLoopRequestSource"
        )
        return source

    @property
    def conditions(self) -> str | None:
        """The HumanLoopActivationConditions, as JSON."""
        config = self.request.get("HumanLoopActivationConfig", {}).get(
            "HumanLoopActivationConditionsConfig", {}
        )
        conditions: str | None = config.get("HumanLoopActivationConditions")
        return conditions

    @property
    def task_count(self) -> int:
        """How many workers answer each loop: 1 to 3."""
        return int(self.request.get("HumanLoopConfig", {}).get("TaskCount", 1))

    @property
    def title(self) -> str:
        """The TaskTitle."""
        return str(self.request.get("HumanLoopConfig", {}).get("TaskTitle", self.name))

    @property
    def lifetime_seconds(self) -> int:
        """How long a loop waits for answers."""
        config = self.request.get("HumanLoopConfig", {})
        return int(config.get("TaskAvailabilityLifetimeInSeconds", _DEFAULT_LIFETIME_SECONDS))

    @property
    def output_path(self) -> str:
        """The S3OutputPath without a trailing slash."""
        return str(self.request["OutputConfig"]["S3OutputPath"]).rstrip("/")


@dataclass(frozen=True)
class Answer:
    """The answer of one worker.

    Attributes:
        content: The answerContent, as the worker's form sends it.
        worker_id: The workerId.
        accepted: When the worker accepted the task.
        submitted: When the worker submitted the answer.
    """

    content: dict[str, Any]
    worker_id: str
    accepted: datetime
    submitted: datetime

    @property
    def seconds_spent(self) -> float:
        """The time from acceptance to submission, to the millisecond."""
        return round((self.submitted - self.accepted).total_seconds(), 3)


@dataclass
class HumanLoop:
    """A human loop."""

    flow: FlowDefinition
    name: str
    created: datetime
    input_content: dict[str, Any]
    input_text: str
    status: str = "InProgress"
    failure_code: str | None = None
    failure_reason: str | None = None
    answers: list[Answer] = field(default_factory=list)
    expiry: asyncio.TimerHandle | None = None
    completing: bool = False
    """Whether all answers are in and the output is being written. Then nothing else can end the loop."""

    @property
    def tenant(self) -> Tenant:
        """The account and Region of the flow definition."""
        return self.flow.tenant

    @property
    def arn(self) -> str:
        """The ARN."""
        return self.tenant.arn("human-loop", self.name)

    @property
    def expires(self) -> datetime:
        """When it fails as Expired, if there are too few answers until then."""
        return self.created + timedelta(seconds=self.flow.lifetime_seconds)

    @property
    def output_uri(self) -> str:
        """The location of the output.

        The layout of the key is documented; the time in it is the creation time of the loop:
        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-output-data.html
        """
        created = f"{self.created:%Y/%m/%d/%H/%M/%S}"
        return f"{self.flow.output_path}/{self.flow.name}/{created}/{self.name}/output.json"

    def output(self) -> dict[str, Any]:
        """Returns the content of `output.json`."""
        document: dict[str, Any] = {
            "flowDefinitionArn": self.flow.arn,
            "humanAnswers": [_human_answer(answer, self.tenant) for answer in self.answers],
            "humanLoopName": self.name,
            "inputContent": self.input_content,
        }
        if self.flow.source:
            document["awsManagedHumanLoopRequestSource"] = self.flow.source
        return document

    def event(self) -> dict[str, Any]:
        """Returns the event for the current status."""
        return {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Resources": [self.arn],
            "Detail": {
                "creationTime": timestamp(self.created),
                "failureCode": self.failure_code,
                "failureReason": self.failure_reason,
                "flowDefinitionArn": self.flow.arn,
                "humanLoopArn": self.arn,
                "humanLoopName": self.name,
                "humanLoopOutput": {"outputS3Uri": self.output_uri},
                "humanLoopStatus": self.status,
            },
        }


def _human_answer(answer: Answer, tenant: Tenant) -> dict[str, Any]:
    issuer = f"https://cognito-idp.{tenant.region}.amazonaws.com/{tenant.region}_sandbox01"
    subject = str(uuid.uuid5(uuid.NAMESPACE_OID, answer.worker_id))
    return {
        "acceptanceTime": timestamp(answer.accepted),
        "answerContent": answer.content,
        "submissionTime": timestamp(answer.submitted),
        "timeSpentInSeconds": answer.seconds_spent,
        "workerId": answer.worker_id,
        "workerMetadata": {
            "identityData": {"identityProviderType": "Cognito", "issuer": issuer, "sub": subject}
        },
    }


class HumanLoopService:
    """All flow definitions and human loops of a sandbox.

    Args:
        effects: How it reaches S3 and EventBridge.
        now: The clock.
    """

    def __init__(self, effects: Effects, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._effects = effects
        self._now = now
        self._flows: dict[tuple[Tenant, str], FlowDefinition] = {}
        self._loops: dict[tuple[Tenant, str], HumanLoop] = {}
        self._events_to_lose = 0
        # asyncio keeps only weak references to tasks, so a task without a reference may disappear while it runs.
        self._background: set[asyncio.Task[None]] = set()

    # Operations of SageMaker.

    def create_flow_definition(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """CreateFlowDefinition."""
        name = request["FlowDefinitionName"]
        if (tenant, name) in self._flows:
            arn = self._flows[tenant, name].arn
            raise ServiceError("ResourceInUse", f"Resource already in use: {arn}")
        flow = FlowDefinition(tenant, name, self._now(), request)
        _check_flow_definition(flow)
        self._flows[tenant, name] = flow
        return {"FlowDefinitionArn": flow.arn}

    def describe_flow_definition(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeFlowDefinition."""
        flow = self._flow(tenant, request["FlowDefinitionName"])
        kept = {key: value for key, value in flow.request.items() if key != "Tags"}
        return kept | _flow_summary(flow)

    def list_flow_definitions(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """ListFlowDefinitions."""
        flows = [flow for (owner, _), flow in self._flows.items() if owner == tenant]
        page, token = page_of(flows, request)
        return {"FlowDefinitionSummaries": [_flow_summary(flow) for flow in page], "NextToken": token}

    def delete_flow_definition(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteFlowDefinition. It is refused while there are active loops."""
        flow = self._flow(tenant, request["FlowDefinitionName"])
        active = [
            loop.name
            for loop in self._loops.values()
            if loop.flow is flow and loop.status not in TERMINAL_STATUSES
        ]
        if active:
            raise ServiceError("ResourceInUse", f"{flow.arn} has active human loops, such as {active[0]}")
        del self._flows[tenant, flow.name]
        return {}

    # Operations of the A2I runtime.

    def start_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """StartHumanLoop, for a custom task."""
        flow = self.flow_by_arn(tenant, request["FlowDefinitionArn"])
        if flow.source:
            raise _invalid(f"{flow.arn} is for {flow.source}. Start its human loops through that operation.")
        text = request["HumanLoopInput"]["InputContent"]
        try:
            content = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise _invalid(f"InputContent is not valid JSON: {error}") from None
        if not isinstance(content, dict):
            raise _invalid("InputContent is not a JSON object")
        return {"HumanLoopArn": self.start(flow, request["HumanLoopName"], content, text).arn}

    def describe_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeHumanLoop."""
        loop = self.loop(tenant, request["HumanLoopName"])
        return {
            "CreationTime": loop.created,
            "FailureCode": loop.failure_code,
            "FailureReason": loop.failure_reason,
            "FlowDefinitionArn": loop.flow.arn,
            "HumanLoopArn": loop.arn,
            "HumanLoopName": loop.name,
            "HumanLoopOutput": {"OutputS3Uri": loop.output_uri},
            "HumanLoopStatus": loop.status,
        }

    def list_human_loops(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """ListHumanLoops."""
        arn = request["FlowDefinitionArn"]
        loops = [loop for (owner, _), loop in self._loops.items() if owner == tenant and loop.flow.arn == arn]
        if not loops and not any(flow.arn == arn for flow in self._flows.values() if flow.tenant == tenant):
            raise ServiceError("ResourceNotFoundException", f"Flow definition {arn} does not exist")
        page, token = page_of(loops, request)
        summaries = [
            {
                "HumanLoopName": loop.name,
                "HumanLoopStatus": loop.status,
                "CreationTime": loop.created,
                "FailureReason": loop.failure_reason,
                "FlowDefinitionArn": loop.flow.arn,
            }
            for loop in page
        ]
        return {"HumanLoopSummaries": summaries, "NextToken": token}

    async def stop_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """StopHumanLoop. The loop is `Stopping` at once and `Stopped` soon after, with the answers so far."""
        loop = self.loop(tenant, request["HumanLoopName"])
        if loop.status in TERMINAL_STATUSES:
            raise _invalid(f"Human loop {loop.name} has ended. Its status is {loop.status}.")
        if loop.status == "InProgress" and not loop.completing:
            loop.status = "Stopping"
            self._in_background(lambda: self._stop(loop))
        return {}

    def delete_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteHumanLoop. Only a loop that has ended can be deleted."""
        loop = self.loop(tenant, request["HumanLoopName"])
        if loop.status not in TERMINAL_STATUSES:
            raise _invalid(f"Human loop {loop.name} is {loop.status}. Stop it before you delete it.")
        del self._loops[tenant, loop.name]
        return {}

    # For the operations of Textract and Rekognition, and for the sandbox's own routes.

    def flow_by_arn(self, tenant: Tenant, arn: str) -> FlowDefinition:
        """Returns the flow definition with an ARN, in the caller's account and Region.

        Raises:
            ServiceError: ValidationException. StartHumanLoop has no ResourceNotFoundException.
        """
        for (owner, _), flow in self._flows.items():
            if owner == tenant and flow.arn == arn:
                return flow
        raise _invalid(
            f"Flow definition {arn} does not exist in account {tenant.account_id}, {tenant.region}"
        )

    def describe_task(self, tenant: Tenant, name: str, task: dict[str, Any]) -> None:
        """Keeps what the tasks of a flow definition ask of a worker.

        Raises:
            ServiceError: ResourceNotFound.
        """
        self._flow(tenant, name).task = task

    def fail_flow_definition(self, tenant: Tenant, name: str, reason: str) -> None:
        """Makes a flow definition fail.

        Raises:
            ServiceError: ResourceNotFound.
        """
        self._flow(tenant, name).failure_reason = reason

    def start(self, flow: FlowDefinition, name: str, content: dict[str, Any], text: str) -> HumanLoop:
        """Starts a human loop, or returns the one that the same request has started.

        Args:
            flow: The flow definition.
            name: The loop's name, already checked.
            content: What workers review.
            text: A text that is equal for equal inputs.

        Raises:
            ServiceError: ConflictException; see the module's docstring.
        """
        if flow.failure_reason:
            raise _invalid(f"{flow.arn} is Failed. Only an Active flow definition starts human loops.")
        existing = self._loops.get((flow.tenant, name))
        if existing is not None:
            if existing.flow.arn == flow.arn and existing.input_text == text:
                return existing
            raise ServiceError(
                "ConflictException",
                f"Human loop {existing.arn} already exists with different input data or another flow definition",
            )
        loop = HumanLoop(flow, name, self._now(), content, text)
        loop.expiry = asyncio.get_running_loop().call_later(flow.lifetime_seconds, self._expire, loop)
        self._loops[flow.tenant, name] = loop
        return loop

    def loop(self, tenant: Tenant, name: str) -> HumanLoop:
        """Returns the loop with a name.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        try:
            return self._loops[tenant, name]
        except KeyError:
            where = f"in account {tenant.account_id}, {tenant.region}"
            raise ServiceError(
                "ResourceNotFoundException", f"Human loop {name} does not exist {where}"
            ) from None

    def loops(self) -> list[HumanLoop]:
        """Returns all loops, oldest first."""
        return sorted(self._loops.values(), key=lambda loop: (loop.created, loop.name))

    # Ends of loops.

    async def answer(
        self, loop: HumanLoop, content: dict[str, Any], worker_id: str | None, seconds_spent: float
    ) -> None:
        """Adds one worker's answer. The last one that the flow definition asks for completes the loop.

        Raises:
            SandboxError: The loop has ended, the worker has answered already, or the output cannot be written.
        """
        self._check_in_progress(loop)
        worker_id = worker_id or id_of_worker(len(loop.answers) + 1)
        if any(answer.worker_id == worker_id for answer in loop.answers):
            raise SandboxError(f"worker {worker_id} has already answered {loop.name}: use another worker")
        submitted = self._now()
        accepted = submitted - timedelta(seconds=seconds_spent)
        loop.answers.append(Answer(content, worker_id, accepted, submitted))
        if len(loop.answers) < loop.flow.task_count:
            return
        # Writing the output takes a while. Until it is done, no other request may end the loop.
        loop.completing = True
        try:
            await self._store_output(loop)
        except ServiceError as error:
            loop.answers.pop()
            loop.completing = False
            raise SandboxError(f"cannot write {loop.output_uri}: {error}") from error
        await self._end(loop, "Completed")

    async def fail(self, loop: HumanLoop, code: str, reason: str | None) -> None:
        """Ends the loop as Failed, without output.

        Raises:
            SandboxError: The loop has ended.
        """
        self._check_in_progress(loop)
        await self._end(loop, "Failed", code, reason)

    async def expire(self, loop: HumanLoop) -> None:
        """Ends the loop as if its time was over.

        Raises:
            SandboxError: The loop has ended.
        """
        await self.fail(loop, "Expired", _EXPIRED)

    def _expire(self, loop: HumanLoop) -> None:
        if loop.status == "InProgress" and not loop.completing:
            self._in_background(lambda: self.expire(loop))

    async def _stop(self, loop: HumanLoop) -> None:
        if loop.answers:
            try:
                await self._store_output(loop)
            except ServiceError as error:
                await self._end(loop, "Failed", "InternalError", f"The output cannot be written: {error}")
                return
        await self._end(loop, "Stopped")

    def _check_in_progress(self, loop: HumanLoop) -> None:
        if loop.status != "InProgress":
            raise SandboxError(f"human loop {loop.name} is {loop.status}: it cannot be answered or ended")
        if loop.completing:
            raise SandboxError(f"human loop {loop.name} has all its answers and is about to complete")

    async def _store_output(self, loop: HumanLoop) -> None:
        bucket, _, key = loop.output_uri.removeprefix("s3://").partition("/")
        body = json.dumps(loop.output(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        # JSON allows half of a surrogate pair as an escape, but UTF-8 cannot encode it. Write it as an escape.
        encoded = body.encode("utf-8", "backslashreplace")
        await self._effects.put_object(loop.tenant, bucket, key, encoded)

    async def _end(
        self, loop: HumanLoop, status: str, code: str | None = None, reason: str | None = None
    ) -> None:
        if loop.expiry:
            loop.expiry.cancel()
        loop.status, loop.failure_code, loop.failure_reason = status, code, reason
        if self._events_to_lose:
            self._events_to_lose -= 1
            return
        await self.emit(loop.tenant, loop.event())

    def _in_background(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await work()
            except Exception:
                _log.exception("cannot end a human loop")

        task = asyncio.create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Events.

    async def emit(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event."""
        await self._effects.put_event(tenant, event)

    def lose_events(self, times: int) -> None:
        """Loses the events of the next loops that end, as best-effort delivery allows."""
        self._events_to_lose = times

    def _flow(self, tenant: Tenant, name: str) -> FlowDefinition:
        try:
            return self._flows[tenant, name]
        except KeyError:
            arn = tenant.arn("flow-definition", name)
            raise ServiceError("ResourceNotFound", f"RecordNotFound: {arn}") from None


def _check_flow_definition(flow: FlowDefinition) -> None:
    if not re.fullmatch(r"s3://[^/]+(/.*)?", flow.output_path):
        raise _invalid(f"S3OutputPath {flow.output_path} is not an S3 URI")
    if flow.conditions is None:
        return
    if not flow.source:
        raise _invalid("HumanLoopActivationConditions are not available for custom task types")
    try:
        check_conditions(flow.conditions, flow.source)
    except ValueError as error:
        raise _invalid(f"HumanLoopActivationConditions: {error}") from None


def _flow_summary(flow: FlowDefinition) -> dict[str, Any]:
    return {
        "FlowDefinitionName": flow.name,
        "FlowDefinitionArn": flow.arn,
        "FlowDefinitionStatus": "Failed" if flow.failure_reason else "Active",
        "FailureReason": flow.failure_reason,
        "CreationTime": flow.created,
    }


def page_of(items: Sequence[_T], request: dict[str, Any]) -> tuple[list[_T], str | None]:
    """Returns a page of a list, and the token of the next page."""
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    descending = request.get("SortOrder") == "Descending"
    items = [
        item
        for item in items
        if (after is None or item.created >= after) and (before is None or item.created < before)
    ]
    items.sort(key=_position, reverse=descending)
    if "NextToken" in request:
        # The token is the position of the last item, not its index: items that are deleted meanwhile leave no gap.
        last = _read_token(request["NextToken"])
        items = [item for item in items if (_position(item) < last if descending else _position(item) > last)]
    size = request.get("MaxResults", _DEFAULT_PAGE)
    page = items[:size]
    return page, _write_token(_position(page[-1])) if len(items) > size else None


def _position(item: _Listed) -> tuple[str, str]:
    return item.created.isoformat(timespec="microseconds"), item.name


def _write_token(position: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        created, name = json.loads(base64.urlsafe_b64decode(token))
        return str(created), str(name)
    except (ValueError, TypeError):
        raise _invalid("NextToken is invalid") from None


def id_of_worker(number: int) -> str:
    """Returns the ID of the nth worker: sixteen hexadecimal digits, as A2I's are."""
    return hashlib.sha256(f"worker {number}".encode()).hexdigest()[:16]


# Python's parser accepts NaN and Infinity, which are not JSON.
def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid in JSON")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
