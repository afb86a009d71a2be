"""Training jobs that train nothing: what SageMaker refuses, and how jobs run and end."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.validate import ParamValidator

from sandbox.protocol import ServiceError, operation
from sandbox.tenant import Tenant
from sandbox.training import TrainingJobs
from tests.unit.sandbox.training_jobs import REQUEST, FakeEffects

TENANT = Tenant("111122223333", "us-east-1")
ARN = "arn:aws:sagemaker:us-east-1:111122223333:training-job/triage-1"
JOB = {"TrainingJobName": "triage-1"}


async def at_once() -> None:
    await asyncio.sleep(0)


def started(effects: FakeEffects, *steps: Callable[[TrainingJobs], Any], request: Any = REQUEST) -> Any:
    """Starts a job, takes steps, and returns the description of the job when it has ended."""

    async def run() -> Any:
        jobs = TrainingJobs(effects, at_once)
        created = await jobs.create_training_job(TENANT, dict(request), lambda *_: None)
        assert created == {"TrainingJobArn": ARN}
        for step in steps:
            await step(jobs)
        while jobs._running:
            await asyncio.wait(jobs._running)
        return jobs.describe_training_job(TENANT, JOB)

    return asyncio.run(run())


def test_job_completes_with_an_archive_that_says_what_it_is() -> None:
    effects = FakeEffects()
    described = started(effects)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Completed", "Completed")
    seen = [one["Status"] for one in described["SecondaryStatusTransitions"]]
    assert seen == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    shape = operation("sagemaker", "DescribeTrainingJob").model.output_shape
    assert ParamValidator().validate(described, shape).generate_report() == ""
    (content,) = effects.buckets["models"].values()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        file = archive.extractfile("README.txt")
        assert file is not None
        text = file.read().decode()
    assert text.startswith("The local engine trains nothing.")
    assert "s3://reviews/a/1.json\n" in text
    assert "b/2.json" not in text


def test_events_have_the_statuses_as_sagemaker_sends_them() -> None:
    effects = FakeEffects()
    started(effects, request=REQUEST | {"Tags": [{"Key": "team", "Value": "triage"}]})
    assert [event["Detail"]["TrainingJobStatus"] for event in effects.events] == ["InProgress", "Completed"]
    last = effects.events[-1]
    assert (last["Source"], last["DetailType"]) == ("aws.sagemaker", "SageMaker Training Job State Change")
    assert last["Resources"] == [ARN]
    assert last["Detail"]["Tags"] == {"team": "triage"}
    assert isinstance(last["Detail"]["CreationTime"], int)


def test_role_is_asked_for_what_the_job_reads_and_writes() -> None:
    effects = FakeEffects()
    started(effects)
    assert effects.asked == [
        ("s3:ListBucket", "arn:aws:s3:::reviews", {"s3:prefix": "a/"}),
        ("s3:GetObject", "arn:aws:s3:::reviews/a/1.json", {}),
        ("s3:PutObject", "arn:aws:s3:::models/triage/triage-1/output/model.tar.gz", {}),
    ]


@pytest.mark.parametrize(
    ("denied", "bucket", "reason"),
    [
        (
            "s3:GetObject",
            "models",
            "ClientError: Data download failed: AccessDenied (403): s3://reviews/a/1.json",
        ),
        ("s3:PutObject", "models", "ClientError: Artifact upload failed: AccessDenied (403)"),
        ("", "none", "ClientError: Artifact upload failed: The specified bucket does not exist"),
    ],
)
def test_job_fails_with_a_reason(denied: str, bucket: str, reason: str) -> None:
    effects = FakeEffects()
    effects.denied = {denied}
    described = started(effects, request=REQUEST | {"OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/x"}})
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith(reason)
    assert effects.events[-1]["Detail"]["TrainingJobStatus"] == "Failed"


def test_stopped_job_ends_as_stopped() -> None:
    effects = FakeEffects()

    async def stop(jobs: TrainingJobs) -> None:
        await jobs.stop_training_job(TENANT, JOB)
        await jobs.stop_training_job(TENANT, JOB)

    described = started(effects, stop)
    assert described["TrainingJobStatus"] == "Stopped"
    statuses = [event["Detail"]["TrainingJobStatus"] for event in effects.events]
    assert statuses[-2:] == ["Stopping", "Stopped"]


async def again(jobs: TrainingJobs) -> None:
    await jobs.create_training_job(TENANT, dict(REQUEST), lambda *_: None)


async def twice_at_once(jobs: TrainingJobs) -> None:
    """Two requests look for their data at the same time."""
    given = REQUEST | {"TrainingJobName": "triage-2"}
    await asyncio.gather(*(jobs.create_training_job(TENANT, given, lambda *_: None) for _ in range(2)))


async def stop_ended(jobs: TrainingJobs) -> None:
    await asyncio.wait(jobs._running)
    await jobs.stop_training_job(TENANT, JOB)


async def stop_unknown(jobs: TrainingJobs) -> None:
    await jobs.stop_training_job(TENANT, {"TrainingJobName": "other"})


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        (again, "ResourceInUse", "names must be unique"),
        (twice_at_once, "ResourceInUse", "names must be unique"),
        (stop_ended, "ValidationException", "the training job is in status Completed"),
        (stop_unknown, "ValidationException", "Requested resource not found"),
    ],
)
def test_request_about_an_existing_job_is_refused(step: Any, code: str, message: str) -> None:
    with pytest.raises(ServiceError) as refused:
        started(FakeEffects(), step)
    assert refused.value.code == code
    assert message in refused.value.message


CHANNEL = REQUEST["InputDataConfig"][0]


def channel_at(uri: str) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return {"InputDataConfig": [{"ChannelName": "reviews", "DataSource": source}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TrainingJobName": "two words"}, "satisfy regular expression pattern"),
        ({"RoleArn": "training-role-without-arn"}, "'roleArn' failed to satisfy constraint"),
        ({"RoleArn": None}, "Value null at 'roleArn'"),
        ({"OutputDataConfig": None}, "Value null at 'outputDataConfig'"),
        ({"StoppingCondition": None}, "StoppingCondition is required"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "either TrainingImage or AlgorithmName"),
        ({"InputDataConfig": [CHANNEL, CHANNEL]}, "Channel names must be unique"),
        (channel_at("s3://reviews/c/"), 'No S3 objects found under S3 URL "s3://reviews/c/"'),
        (channel_at("s3://none/c/"), 'Error message from S3: "The specified bucket does not exist"'),
        ({"denied": "s3:ListBucket"}, 'Error message from S3: "Access Denied"'),
        ({"denied": "sts:AssumeRole"}, "Could not assume role arn:aws:iam::111122223333:role/training"),
    ],
)
def test_invalid_request_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    effects = FakeEffects()
    effects.denied = {change.get("denied", "")}
    given = {
        name: value for name, value in {**REQUEST, **change}.items() if name != "denied" and value is not None
    }
    with pytest.raises(ServiceError) as refused:
        started(effects, request=operation("sagemaker", "CreateTrainingJob").read(given))
    assert refused.value.code == "ValidationException"
    assert message in refused.value.message
    assert effects.events == []
