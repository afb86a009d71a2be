"""SageMaker's training jobs, as far as they can be tried without training: names, roles, data, statuses, events.

A job does not train. It goes through the statuses of a real one within a moment, reads what its channels name with the
permissions of its role, and writes an archive that says so where the model would be. It is independent of HTTP and of
the engine, as `sandbox.a2i` is.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html, API_DescribeTrainingJob,
API_StopTrainingJob; for the event,
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html. They do not have the
texts of messages and failure reasons, so those are not quoted.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from sandbox.a2i import page_of
from sandbox.protocol import ServiceError
from sandbox.tenant import Tenant

__all__ = ["ENDED", "TrainingEffects", "TrainingJobs", "in_milliseconds"]

ENDED = ("Completed", "Failed", "Stopped")
"""The statuses that a job keeps."""

_DETAIL_TYPE = "SageMaker Training Job State Change"
_MOMENT_SECONDS = 0.05
_PHASES = {
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
}
"""Secondary statuses between Starting and the end, with their messages."""

_LISTED_BY = {
    "CreationTimeAfter",
    "CreationTimeBefore",
    "MaxResults",
    "NameContains",
    "NextToken",
    "SortBy",
    "SortOrder",
    "StatusEquals",
}

_README = (
    "The local engine trains nothing. A training job with this configuration would have read these objects:\n"
)

Authorize = Callable[[str, str], None]
"""Raises a ServiceError unless the caller has permission for an action on a resource."""


class TrainingEffects(Protocol):
    """What training jobs do to the rest of AWS."""

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        """Stores an object. Raises ServiceError, such as NoSuchBucket."""

    async def keys(self, tenant: Tenant, bucket: str, prefix: str) -> list[str]:
        """Returns keys that begin with a prefix, at most 1,000. Raises ServiceError, such as NoSuchBucket."""

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event to the default bus."""

    def can_assume(self, role: str, arn: str) -> bool:
        """Says whether SageMaker can assume a role for a job."""

    def role_allows(self, role: str, action: str, resource: str, values: dict[str, str]) -> bool:
        """Says whether a role allows an action, with values of condition keys."""


@dataclass
class _Job:
    tenant: Tenant
    name: str
    request: dict[str, Any]
    created: datetime
    status: str = "InProgress"
    transitions: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    read: list[str] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def arn(self) -> str:
        return _arn(self.tenant, self.name)

    @property
    def artifact(self) -> str:
        path = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{path}/{self.name}/output/model.tar.gz"

    def enter(self, secondary: str, message: str) -> None:
        """Records a secondary status."""
        now = datetime.now(UTC)
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})

    def described(self) -> dict[str, Any]:
        """Returns the response of DescribeTrainingJob."""
        last = self.transitions[-1]
        started = next((one["StartTime"] for one in self.transitions if one["Status"] == "Downloading"), None)
        ended = last["StartTime"] if self.status in ENDED else None
        seconds = max(1, round((ended - started).total_seconds())) if ended and started else None
        completed = self.status == "Completed"
        found = {
            **{name: value for name, value in self.request.items() if name != "Tags"},
            "TrainingJobArn": self.arn,
            "ModelArtifacts": {"S3ModelArtifacts": self.artifact} if completed else None,
            "TrainingJobStatus": self.status,
            "SecondaryStatus": last["Status"],
            "FailureReason": self.reason,
            "CreationTime": self.created,
            "TrainingStartTime": started,
            "TrainingEndTime": ended,
            "LastModifiedTime": last["StartTime"],
            "SecondaryStatusTransitions": self.transitions,
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
        }
        return {name: value for name, value in found.items() if value is not None}


class _Failed(Exception):
    """The job fails. The text is its FailureReason."""


class TrainingJobs:
    """The training jobs of all accounts and Regions.

    Args:
        effects: Calls other services.
        moment: How long each phase of a job takes.
    """

    def __init__(
        self,
        effects: TrainingEffects,
        moment: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(_MOMENT_SECONDS),
    ) -> None:
        self._effects = effects
        self._moment = moment
        self._jobs: dict[tuple[Tenant, str], _Job] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def create_training_job(
        self, tenant: Tenant, request: dict[str, Any], authorize: Authorize
    ) -> dict[str, Any]:
        """SageMaker's CreateTrainingJob."""
        arn = _arn(tenant, request["TrainingJobName"])
        authorize("iam:PassRole", request["RoleArn"])
        if "Tags" in request:
            authorize("sagemaker:AddTags", arn)
        _check_request(request)
        self._check_name(tenant, request)
        if not self._effects.can_assume(request["RoleArn"], arn):
            raise _invalid(
                f"Could not assume role {request['RoleArn']}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            )
        for channel in request.get("InputDataConfig", ()):
            await self._check_channel(tenant, request["RoleArn"], channel)
        # Another request can have come in between.
        self._check_name(tenant, request)
        name = request["TrainingJobName"]
        job = self._jobs[tenant, name] = _Job(tenant, name, request, datetime.now(UTC))
        job.enter("Starting", "Starting the training job")
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {"TrainingJobArn": arn}

    def describe_training_job(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """SageMaker's DescribeTrainingJob."""
        return self._job(tenant, request).described()

    def list_training_jobs(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """SageMaker's ListTrainingJobs, by the time of creation."""
        others = sorted(set(request) - _LISTED_BY)
        if others or request.get("SortBy", "CreationTime") != "CreationTime":
            what = ", ".join(others) or f"SortBy {request['SortBy']}"
            raise ServiceError("NotImplemented", f"The sandbox lists training jobs without {what}", 501)
        status, part = request.get("StatusEquals"), request.get("NameContains", "")
        jobs = [
            job
            for (owner, name), job in self._jobs.items()
            if owner == tenant and part in name and status in (None, job.status)
        ]
        page, token = page_of(jobs, request)
        return {"TrainingJobSummaries": [_summary(job) for job in page], "NextToken": token}

    async def stop_training_job(self, tenant: Tenant, request: dict[str, Any]) -> dict[str, Any]:
        """SageMaker's StopTrainingJob."""
        job = self._job(tenant, request)
        if job.status in ENDED:
            raise _invalid(f"The request was rejected because the training job is in status {job.status}.")
        if job.status == "InProgress":
            job.stopping.set()
            await self._change(job, "Stopping", "Stopping", "Stopping the training job")
        return {}

    async def _run(self, job: _Job) -> None:
        await self._emit(job)
        work = asyncio.ensure_future(self._phases(job))
        stopping = asyncio.ensure_future(job.stopping.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if job.stopping.is_set():
            work.cancel()
            await asyncio.wait({work})
            await self._change(job, "Stopped", "Stopped", "Training job stopped")
            return
        stopping.cancel()
        if (error := work.exception()) is None:
            await self._change(job, "Completed", "Completed", "Training job completed")
        else:
            job.reason = str(error) if isinstance(error, _Failed) else f"InternalServerError: {error}"
            await self._change(job, "Failed", "Failed", job.reason)

    async def _phases(self, job: _Job) -> None:
        for secondary, message in _PHASES.items():
            await self._moment()
            job.enter(secondary, message)
            if secondary == "Downloading":
                await self._download(job)
            elif secondary == "Uploading":
                await self._upload(job)
        await self._moment()

    async def _download(self, job: _Job) -> None:
        role = job.request["RoleArn"]
        for channel in job.request.get("InputDataConfig", ()):
            bucket, prefix = _location(channel)
            for key in await self._effects.keys(job.tenant, bucket, prefix) if bucket else ():
                if not self._effects.role_allows(role, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", {}):
                    raise _Failed(
                        f"ClientError: Data download failed: AccessDenied (403): s3://{bucket}/{key}"
                    )
                job.read.append(f"s3://{bucket}/{key}")

    async def _upload(self, job: _Job) -> None:
        bucket, _, key = job.artifact.removeprefix("s3://").partition("/")
        if not self._effects.role_allows(
            job.request["RoleArn"], "s3:PutObject", f"arn:aws:s3:::{bucket}/{key}", {}
        ):
            raise _Failed(f"ClientError: Artifact upload failed: AccessDenied (403): {job.artifact}")
        try:
            await self._effects.put_object(job.tenant, bucket, key, _archive(job))
        except ServiceError as error:
            raise _Failed(f"ClientError: Artifact upload failed: {error.message}") from None

    async def _change(self, job: _Job, status: str, secondary: str, message: str) -> None:
        job.status = status
        job.enter(secondary, message)
        await self._emit(job)

    async def _emit(self, job: _Job) -> None:
        tags = {tag["Key"]: tag["Value"] for tag in job.request.get("Tags", ())}
        detail = in_milliseconds(job.described()) | {"Tags": tags}
        event = {"Source": "aws.sagemaker", "DetailType": _DETAIL_TYPE, "Resources": [job.arn]}
        await self._effects.put_event(job.tenant, {**event, "Detail": detail})

    async def _check_channel(self, tenant: Tenant, role: str, channel: dict[str, Any]) -> None:
        """SageMaker looks for the data before it starts anything."""
        bucket, prefix = _location(channel)
        if not bucket:
            return
        arn, why = f"arn:aws:s3:::{bucket}", "Access Denied"
        found: list[str] = []
        if self._effects.role_allows(role, "s3:ListBucket", arn, {"s3:prefix": prefix}):
            try:
                found, why = await self._effects.keys(tenant, bucket, prefix), "There are no objects"
            except ServiceError as error:
                why = error.message
        if not found:
            raise _invalid(
                f'No S3 objects found under S3 URL "s3://{bucket}/{prefix}" given in input data source. Please ensure '
                f"that the bucket exists in the selected region ({tenant.region}), that objects exist under that S3 "
                f'prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}". Error '
                f'message from S3: "{why}"'
            )

    def _check_name(self, tenant: Tenant, request: dict[str, Any]) -> None:
        if (existing := self._jobs.get((tenant, request["TrainingJobName"]))) is not None:
            raise ServiceError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this "
                f"name already exists ({existing.arn})",
            )

    def _job(self, tenant: Tenant, request: dict[str, Any]) -> _Job:
        job = self._jobs.get((tenant, request["TrainingJobName"]))
        if job is None:
            raise _invalid("Requested resource not found.")
        return job


def in_milliseconds(value: Any) -> Any:
    """Returns a response with times as EventBridge and optimized integrations have them: milliseconds since 1970."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: in_milliseconds(member) for name, member in value.items()}
    return [in_milliseconds(member) for member in value] if isinstance(value, list) else value


def _check_request(request: dict[str, Any]) -> None:
    """Checks what the service's model does not say."""
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if name not in request and "ServerlessJobConfig" not in request:
            raise _invalid(f"{name} is required.")
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is not None and ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise _invalid("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    if len(set(names)) < len(names):
        raise _invalid("Channel names must be unique within a training job.")


def _summary(job: _Job) -> dict[str, Any]:
    described = job.described()
    kept = ("TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus")
    return {"TrainingJobName": job.name, **{key: described[key] for key in kept if key in described}}


def _arn(tenant: Tenant, name: str) -> str:
    return tenant.arn("training-job", name.lower())


def _location(channel: dict[str, Any]) -> tuple[str, str]:
    """Returns bucket and prefix of a channel; empty if its data is not in S3."""
    uri = channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
    bucket, _, prefix = uri.partition("://")[2].partition("/")
    return bucket, prefix


def _archive(job: _Job) -> bytes:
    text = (
        _README + "\n".join(job.read) + "\n\n" + json.dumps(in_milliseconds(job.described()), indent=2) + "\n"
    )
    content, made = text.encode(), io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        entry = tarfile.TarInfo("README.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
