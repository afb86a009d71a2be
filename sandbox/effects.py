"""How the sandbox's services use S3, IAM and EventBridge of the engine, within the same process."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge, s3

from sandbox.ministack_patches import roles
from sandbox.protocol import ServiceError
from sandbox.tenant import Tenant

__all__ = ["EngineEffects"]


class EngineEffects:
    """Calls S3 and EventBridge as another AWS service would."""

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        """Stores an object. The bucket's encryption, versioning and notifications apply.

        Raises:
            ServiceError: S3 refused the request, such as with NoSuchBucket.
        """
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        headers = {"content-type": kind, "content-length": str(len(body))}
        status, answer = await _s3(tenant, "PUT", bucket, key, headers, body)
        if status >= 300:
            raise _service_error(status, answer)

    async def get_object(self, tenant: Tenant, bucket: str, key: str) -> bytes | None:
        """Returns the content of an object, or None if the bucket or the key does not exist.

        Raises:
            ServiceError: S3 refused the request.
        """
        status, answer = await _s3(tenant, "GET", bucket, key, {}, b"")
        if status == 404:
            return None
        if status >= 300:
            raise _service_error(status, answer)
        return answer

    async def keys(self, tenant: Tenant, bucket: str, prefix: str) -> list[str]:
        """Returns keys that begin with a prefix, at most 1,000.

        Raises:
            ServiceError: S3 refused the request, such as with NoSuchBucket.
        """
        query = {"list-type": ["2"], "prefix": [prefix]}
        status, answer = await _s3(tenant, "GET", bucket, "", {}, b"", query)
        if status >= 300:
            raise _service_error(status, answer)
        return [html.unescape(key.decode()) for key in re.findall(rb"<Key>(.*?)</Key>", answer, re.DOTALL)]

    def can_assume(self, role: str, arn: str) -> bool:
        """Says whether SageMaker can assume a role for a job."""
        return roles.can_assume(role, "sagemaker.amazonaws.com", arn)

    def role_allows(self, role: str, action: str, resource: str, values: dict[str, str]) -> bool:
        """Says whether a role allows an action, with values of condition keys."""
        return roles.role_allows(role, action, resource, values)

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event to the default bus.

        Raises:
            ServiceError: EventBridge refused the event.
        """
        entry = {**event, "Detail": json.dumps(event["Detail"])}

        def put() -> tuple[int, Mapping[str, str], bytes]:
            with request_scope(tenant.account_id, tenant.region):
                # The PutEvents API refuses sources that begin with `aws.`. Only AWS services may send them.
                answer: tuple[int, Mapping[str, str], bytes] = eventbridge._put_events(
                    {"Entries": [entry]}, allow_aws_source=True
                )
                return answer

        # In a thread, because a rule's target may call the services of this event loop and wait for them.
        status, _, body = await asyncio.to_thread(put)
        answer = json.loads(body)
        if status >= 300:
            raise ServiceError(str(answer.get("__type", "InternalException")), str(answer.get("message")))
        if answer["FailedEntryCount"]:
            failure = answer["Entries"][0]
            raise ServiceError(failure["ErrorCode"], failure["ErrorMessage"])


async def _s3(
    tenant: Tenant,
    method: str,
    bucket: str,
    key: str,
    headers: dict[str, str],
    body: bytes,
    query: Mapping[str, list[str]] = {},
) -> tuple[int, bytes]:
    with request_scope(tenant.account_id, tenant.region):
        status, _, answer = await s3.handle_request(
            method, f"/{bucket}/{key}", headers, body, dict(query), internal=True
        )
    return int(status), answer


def _service_error(status: int, answer: bytes) -> ServiceError:
    code = re.search(rb"<Code>(.*?)</Code>", answer)
    message = re.search(rb"<Message>(.*?)</Message>", answer, re.DOTALL)
    return ServiceError(
        code.group(1).decode() if code else f"HTTP {status}", message.group(1).decode() if message else ""
    )
