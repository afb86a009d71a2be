"""What the human-loop service does to the rest of the engine: S3 and EventBridge, called in this process."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge, s3

from sandbox.a2i import Tenant
from sandbox.protocol import ServiceError

__all__ = ["EngineEffects"]


class EngineEffects:
    """S3 and EventBridge of the engine, as another AWS service uses them."""

    async def put_object(self, tenant: Tenant, bucket: str, key: str, body: bytes) -> None:
        """Stores a JSON object; the bucket's own encryption, versioning and notifications apply.

        Raises:
            ServiceError: S3 refused, such as NoSuchBucket.
        """
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        status, answer = await _s3(tenant, "PUT", bucket, key, headers, body)
        if status >= 300:
            raise _refused(status, answer)

    async def get_object(self, tenant: Tenant, bucket: str, key: str) -> bytes | None:
        """The object's content, or None when bucket or key are not there.

        Raises:
            ServiceError: S3 refused.
        """
        status, answer = await _s3(tenant, "GET", bucket, key, {}, b"")
        if status == 404:
            return None
        if status >= 300:
            raise _refused(status, answer)
        return answer

    async def put_event(self, tenant: Tenant, event: dict[str, Any]) -> None:
        """Sends an event to the default bus. Only services themselves may send `aws.*` sources.

        Raises:
            ServiceError: EventBridge refused.
        """
        entry = {**event, "Detail": json.dumps(event["Detail"])}

        def put() -> tuple[int, Mapping[str, str], bytes]:
            with request_scope(tenant.account_id, tenant.region):
                answer: tuple[int, Mapping[str, str], bytes] = eventbridge._put_events(
                    {"Entries": [entry]}, allow_aws_source=True
                )
                return answer

        # In a thread: a rule's target may call back into this very event loop.
        status, _, body = await asyncio.to_thread(put)
        answer = json.loads(body)
        if status >= 300:
            raise ServiceError(str(answer.get("__type", "InternalException")), str(answer.get("message")))
        if answer["FailedEntryCount"]:
            failure = answer["Entries"][0]
            raise ServiceError(failure["ErrorCode"], failure["ErrorMessage"])


async def _s3(
    tenant: Tenant, method: str, bucket: str, key: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    with request_scope(tenant.account_id, tenant.region):
        status, _, answer = await s3.handle_request(
            method, f"/{bucket}/{key}", headers, body, {}, internal=True
        )
    return int(status), answer


def _refused(status: int, answer: bytes) -> ServiceError:
    code = re.search(rb"<Code>(.*?)</Code>", answer)
    message = re.search(rb"<Message>(.*?)</Message>", answer, re.DOTALL)
    return ServiceError(
        code.group(1).decode() if code else f"HTTP {status}", message.group(1).decode() if message else ""
    )
