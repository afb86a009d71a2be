"""The human-loop service: flow definitions, human loops, and how they end.

It knows nothing of HTTP nor of the engine: `sandbox.app` calls it, and it acts through `Effects`. All of it
runs on one event loop, so a line without `await` cannot be interrupted.

What the API's model and documentation leave open is decided here:

- *Same name again.* A loop holds its name until it is deleted, also after it has ended ("unique within the
  Region in your account"). The same name with the same input and flow definition is the same request made
  again and returns the same ARN, because ConflictException is documented for "the same name as another active
  human loop but has different input data". With anything else it is a ConflictException.
- *Output location.* `HumanLoopOutput` names where the output will be from the start, as the service does, and
  so do the events of loops that failed or were stopped, whether or not something is stored there.
- *Order.* Lists are ascending by creation time unless asked otherwise, ten to a page.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from lambdas.reviews.event import DETAIL_TYPE, SOURCE, TERMINAL_STATUSES
from sandbox.activation import check_conditions
from sandbox.errors import SandboxError
from sandbox.protocol import ServiceError, iso_time

__all__ = [
    "Answer",
    "Effects",
    "FlowDefinition",
    "HumanLoop",
    "HumanLoopService",
    "Tenant",
]

_DEFAULT_PAGE = 10
_DEFAULT_LIFETIME_SECONDS = 864_000  # ten days, A2I's default for a private workforce
_EXPIRED = "The task expired before enough workers had answered it."

_log = logging.getLogger(__name__)
_T = TypeVar("_T", "FlowDefinition", "HumanLoop")


@dataclass(frozen=True)
class Tenant:
    """Whose resources: AWS keeps accounts and Regions apart."""

    account_id: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """The ARN of one of its SageMaker resources."""
        return f"arn:aws:sagemaker:{self.region}:{self.account_id}:{kind}/{name}"


class Effects(Protocol):
    """What the service does to the rest of AWS."""

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        """Stores an object in S3.

        Raises:
            ServiceError: such as NoSuchBucket.
        """

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event to the default bus: keys Source, DetailType, Detail (an object), Resources."""


@dataclass
class FlowDefinition:
    """A human review workflow. `request` is what CreateFlowDefinition was given."""

    tenant: Tenant
    name: str
    created: datetime
    request: dict[str, Any]

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.tenant.arn("flow-definition", self.name)

    @property
    def source(self) -> str | None:
        """AwsManagedHumanLoopRequestSource of a built-in task, None of a custom one."""
        source: str | None = self.request.get("HumanLoopRequestSource", {}).get(
            "AwsManagedHumanLoopRequestSource"
        )
        return source

    @property
    def conditions(self) -> str | None:
        """HumanLoopActivationConditions, a JSON text."""
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
    def lifetime_seconds(self) -> int:
        """How long a loop waits for its answers."""
        config = self.request.get("HumanLoopConfig", {})
        return int(config.get("TaskAvailabilityLifetimeInSeconds", _DEFAULT_LIFETIME_SECONDS))

    @property
    def output_path(self) -> str:
        """S3OutputPath without its last slash."""
        return str(self.request["OutputConfig"]["S3OutputPath"]).rstrip("/")


@dataclass(frozen=True)
class Answer:
    """What one worker submitted.

    Attributes:
        content: the answerContent, as the worker's form sends it.
        worker_id: the workerId.
        accepted: when the worker took the task.
        submitted: when the worker submitted the answer.
    """

    content: dict[str, Any]
    worker_id: str
    accepted: datetime
    submitted: datetime

    @property
    def seconds_spent(self) -> float:
        """Time from acceptance to submission, to the millisecond."""
        return round((self.submitted - self.accepted).total_seconds(), 3)


@dataclass
class HumanLoop:
    """One review."""

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
    """All answers are in, and its output is being written: nothing else ends it now."""

    @property
    def tenant(self) -> Tenant:
        """Whose it is: the flow definition's owner."""
        return self.flow.tenant

    @property
    def arn(self) -> str:
        """Its ARN."""
        return self.tenant.arn("human-loop", self.name)

    @property
    def output_uri(self) -> str:
        """Where its output is written.

        The key layout is the documentation's, by the loop's creation time:
        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-output-data.html
        """
        created = f"{self.created:%Y/%m/%d/%H/%M/%S}"
        return f"{self.flow.output_path}/{self.flow.name}/{created}/{self.name}/output.json"

    def output(self) -> dict[str, Any]:
        """What `output.json` holds."""
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
        """The event of its present status."""
        return {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Resources": [self.arn],
            "Detail": {
                "creationTime": iso_time(self.created),
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
    digest = hashlib.sha256(answer.worker_id.encode()).hexdigest()
    subject = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    return {
        "acceptanceTime": iso_time(answer.accepted),
        "answerContent": answer.content,
        "submissionTime": iso_time(answer.submitted),
        "timeSpentInSeconds": answer.seconds_spent,
        "workerId": answer.worker_id,
        "workerMetadata": {
            "identityData": {"identityProviderType": "Cognito", "issuer": issuer, "sub": subject}
        },
    }


@dataclass
class _Refusal:
    """An error that the next calls of an operation get, for tests of how callers bear it."""

    operation: str
    error: ServiceError
    times: int


class HumanLoopService:
    """All flow definitions and human loops of a sandbox.

    Args:
        effects: how it reaches S3 and EventBridge.
        lifetime_scale: factor for TaskAvailabilityLifetimeInSeconds.
        stopping_seconds: how long a loop is `Stopping` before it is `Stopped`.
        now: the clock.
    """

    def __init__(
        self,
        effects: Effects,
        *,
        lifetime_scale: float = 1.0,
        stopping_seconds: float = 0.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.lifetime_scale = lifetime_scale
        self.stopping_seconds = stopping_seconds
        self._effects = effects
        self._now = now
        self._clear()

    def _clear(self) -> None:
        self._flows: dict[tuple[Tenant, str], FlowDefinition] = {}
        self._loops: dict[tuple[Tenant, str], HumanLoop] = {}
        self._events: list[tuple[Tenant, dict[str, Any]]] = []
        self._events_to_lose = 0
        self._refusals: list[_Refusal] = []
        self._background: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Forgets everything; nothing that was waiting happens any more."""
        for loop in self._loops.values():
            if loop.expiry:
                loop.expiry.cancel()
        for task in self._background:
            task.cancel()
        self._clear()

    # The operations of SageMaker.

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
        page, token = _page(flows, request)
        return {"FlowDefinitionSummaries": [_flow_summary(flow) for flow in page], "NextToken": token}

    def delete_flow_definition(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteFlowDefinition: refused while loops of it are in progress."""
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

    # The operations of the A2I runtime.

    def start_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """StartHumanLoop, for a custom task."""
        flow = self.flow_by_arn(tenant, request["FlowDefinitionArn"])
        if flow.source:
            raise _invalid(f"{flow.arn} reviews {flow.source}: start its human loops through that operation")
        text = request["HumanLoopInput"]["InputContent"]
        try:
            content = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise _invalid(f"InputContent is not JSON: {error}") from None
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
            raise ServiceError("ResourceNotFoundException", f"There is no flow definition {arn}")
        page, token = _page(loops, request)
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
        """StopHumanLoop: `Stopping` at once, `Stopped` a little later, with the answers given so far."""
        loop = self.loop(tenant, request["HumanLoopName"])
        if loop.status in TERMINAL_STATUSES:
            raise _invalid(f"The human loop {loop.name} has ended: its status is {loop.status}")
        if loop.status == "InProgress" and not loop.completing:
            loop.status = "Stopping"
            self._in_background(lambda: self._stop(loop))
        return {}

    def delete_human_loop(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteHumanLoop, of a loop that has ended."""
        loop = self.loop(tenant, request["HumanLoopName"])
        if loop.status not in TERMINAL_STATUSES:
            raise _invalid(f"The human loop {loop.name} is {loop.status}: stop it before you delete it")
        del self._loops[tenant, loop.name]
        return {}

    # What the operations of Textract and Rekognition, and the sandbox's own routes, build on.

    def flow_by_arn(self, tenant: Tenant, arn: str) -> FlowDefinition:
        """The flow definition of that ARN, in the caller's account and Region.

        Raises:
            ServiceError: ValidationException, as StartHumanLoop knows no ResourceNotFoundException.
        """
        for (owner, _), flow in self._flows.items():
            if owner == tenant and flow.arn == arn:
                return flow
        raise _invalid(f"There is no flow definition {arn} in account {tenant.account_id}, {tenant.region}")

    def start(self, flow: FlowDefinition, name: str, content: dict[str, Any], text: str) -> HumanLoop:
        """Starts a human loop, or finds the one that the same request has started.

        Args:
            flow: the flow definition.
            name: the loop's name, checked.
            content: what people review.
            text: what makes two inputs the same.

        Raises:
            ServiceError: ConflictException, see above.
        """
        existing = self._loops.get((flow.tenant, name))
        if existing is not None:
            if existing.flow.arn == flow.arn and existing.input_text == text:
                return existing
            raise ServiceError(
                "ConflictException",
                f"The human loop {existing.arn} exists, with other input data or another flow definition",
            )
        loop = HumanLoop(flow, name, self._now(), content, text)
        lifetime = flow.lifetime_seconds * self.lifetime_scale
        loop.expiry = asyncio.get_running_loop().call_later(lifetime, self._expire_in_background, loop)
        self._loops[flow.tenant, name] = loop
        return loop

    def loop(self, tenant: Tenant, name: str) -> HumanLoop:
        """The loop of that name.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        try:
            return self._loops[tenant, name]
        except KeyError:
            where = f"in account {tenant.account_id}, {tenant.region}"
            raise ServiceError(
                "ResourceNotFoundException", f"There is no human loop {name} {where}"
            ) from None

    def loops(self) -> list[HumanLoop]:
        """All loops, oldest first."""
        return sorted(self._loops.values(), key=lambda loop: (loop.created, loop.name))

    def refuse(self, operation: str, error: ServiceError, times: int) -> None:
        """Lets the next calls of an operation fail with this error."""
        self._refusals.append(_Refusal(operation, error, times))

    def check_refusal(self, operation: str) -> None:
        """Raises what `refuse` has laid out for this operation."""
        for refusal in self._refusals:
            if refusal.operation == operation:
                refusal.times -= 1
                if refusal.times <= 0:
                    self._refusals.remove(refusal)
                raise refusal.error

    # How loops end.

    async def answer(
        self, loop: HumanLoop, content: dict[str, Any], worker_id: str | None, seconds_spent: float
    ) -> None:
        """Adds one worker's answer; with the last that the flow definition asks for, the loop is Completed.

        Raises:
            SandboxError: it has ended, this worker has answered already, or the output cannot be stored.
        """
        self._in_progress(loop)
        worker_id = worker_id or _worker_id(len(loop.answers) + 1)
        if any(answer.worker_id == worker_id for answer in loop.answers):
            raise SandboxError(f"{worker_id} has answered {loop.name} already: name another worker")
        submitted = self._now()
        accepted = submitted - timedelta(seconds=seconds_spent)
        loop.answers.append(Answer(content, worker_id, accepted, submitted))
        if len(loop.answers) < loop.flow.task_count:
            return
        loop.completing = True
        try:
            await self._store_output(loop)
        except ServiceError as error:
            loop.answers.pop()
            loop.completing = False
            raise SandboxError(f"{loop.output_uri} cannot be written: {error}") from error
        await self._end(loop, "Completed")

    async def fail(self, loop: HumanLoop, code: str, reason: str | None) -> None:
        """Ends it as Failed, without output.

        Raises:
            SandboxError: it has ended.
        """
        self._in_progress(loop)
        await self._end(loop, "Failed", code, reason)

    async def expire(self, loop: HumanLoop) -> None:
        """Ends it as A2I ends a loop that people did not answer in time.

        Raises:
            SandboxError: it has ended.
        """
        await self.fail(loop, "Expired", _EXPIRED)

    def _expire_in_background(self, loop: HumanLoop) -> None:
        if loop.status == "InProgress" and not loop.completing:
            self._in_background(lambda: self.expire(loop))

    async def _stop(self, loop: HumanLoop) -> None:
        await asyncio.sleep(self.stopping_seconds)
        if loop.answers:
            try:
                await self._store_output(loop)
            except ServiceError as error:
                await self._end(loop, "Failed", "InternalError", f"The output cannot be written: {error}")
                return
        await self._end(loop, "Stopped")

    def _in_progress(self, loop: HumanLoop) -> None:
        if loop.status != "InProgress":
            raise SandboxError(f"the human loop {loop.name} is {loop.status}: nobody can answer or end it")
        if loop.completing:
            raise SandboxError(f"the human loop {loop.name} has all its answers and is about to complete")

    async def _store_output(self, loop: HumanLoop) -> None:
        bucket, key = _bucket_and_key(loop.output_uri)
        body = json.dumps(loop.output(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        # Half of a surrogate pair is no UTF-8, but its escape is JSON.
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
                _log.exception("a human loop could not be ended")

        task = asyncio.create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Events.

    async def emit(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event, and keeps it for `events`."""
        self._events.append((tenant, event))
        await self._effects.put_event(tenant, event)

    def events(self, loop_name: str | None = None) -> list[tuple[Tenant, dict[str, Any]]]:
        """The events sent so far, oldest first; of one loop, when named."""
        return [
            (tenant, event)
            for tenant, event in self._events
            if loop_name is None or event["Detail"].get("humanLoopName") == loop_name
        ]

    def lose_events(self, times: int) -> None:
        """Lets the next status changes go unreported, as may happen to what is delivered on best effort."""
        self._events_to_lose = times

    def _flow(self, tenant: Tenant, name: str) -> FlowDefinition:
        try:
            return self._flows[tenant, name]
        except KeyError:
            arn = tenant.arn("flow-definition", name)
            raise ServiceError("ResourceNotFound", f"RecordNotFound: {arn}") from None


def _check_flow_definition(flow: FlowDefinition) -> None:
    if not re.fullmatch(r"s3://[^/]+(/.*)?", flow.output_path):
        raise _invalid(f"S3OutputPath {flow.output_path} is not an s3:// location")
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
        "FlowDefinitionStatus": "Active",
        "CreationTime": flow.created,
    }


def _page(items: Sequence[_T], request: dict[str, Any]) -> tuple[list[_T], str | None]:
    """One page of a list, and the token of the next one."""
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    descending = request.get("SortOrder") == "Descending"
    items = [
        item
        for item in items
        if (after is None or item.created >= after) and (before is None or item.created < before)
    ]
    items.sort(key=_position, reverse=descending)
    if "NextToken" in request:
        last = _read_token(request["NextToken"])
        items = [item for item in items if (_position(item) < last if descending else _position(item) > last)]
    size = request.get("MaxResults", _DEFAULT_PAGE)
    page = items[:size]
    return page, _write_token(_position(page[-1])) if len(items) > size else None


def _position(item: FlowDefinition | HumanLoop) -> tuple[str, str]:
    return item.created.isoformat(timespec="microseconds"), item.name


def _write_token(position: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        created, name = json.loads(base64.urlsafe_b64decode(token))
        return str(created), str(name)
    except (ValueError, TypeError):
        raise _invalid("NextToken is not one that this operation has returned") from None


def _worker_id(number: int) -> str:
    """The id of the nth worker, in the form of A2I's: sixteen hexadecimal digits."""
    return hashlib.sha256(f"worker {number}".encode()).hexdigest()[:16]


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not in JSON")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
