"""A training job, and the AWS around it."""

from __future__ import annotations

from typing import Any

from sandbox.protocol import ServiceError
from sandbox.tenant import Tenant

__all__ = ["REQUEST", "FakeEffects"]

REQUEST: dict[str, Any] = {
    "TrainingJobName": "triage-1",
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image:latest", "TrainingInputMode": "File"},
    "InputDataConfig": [
        {
            "ChannelName": "reviews",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://reviews/a/"}},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://models/triage/"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
}


class FakeEffects:
    """Buckets, and a role that may do everything but what is denied."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {
            "reviews": {"a/1.json": b"{}", "b/2.json": b"{}"},
            "models": {},
        }
        self.events: list[dict[str, Any]] = []
        self.denied: set[str] = set()
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        if bucket not in self.buckets:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        self.buckets[bucket][key] = body

    async def keys(self, tenant: Tenant, bucket: str, prefix: str) -> list[str]:
        if bucket not in self.buckets:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        return [key for key in self.buckets[bucket] if key.startswith(prefix)]

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        self.events.append(event)

    def can_assume(self, role: str, arn: str) -> bool:
        return "sts:AssumeRole" not in self.denied

    def role_allows(self, role: str, action: str, resource: str, values: dict[str, str]) -> bool:
        self.asked.append((action, resource, values))
        return action not in self.denied
