"""The tasks of a sandbox that wait for workers, for the pages of the console."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from console.reviewers import SampleTask, Task
from console.worker_tasks.description import parse_description
from sandbox.a2i import id_of_worker
from sandbox.clients import HumanLoops, LoopState
from sandbox.errors import SandboxError
from sandbox.identity import ACCOUNT_ID
from sandbox.sample_flows import FLOW_DEFINITIONS, start_sample
from workflow.operations.stage_resources import StageResources

if TYPE_CHECKING:
    import boto3

    from sandbox.control import Control

__all__ = ["LocalReviewers"]

_WORKERS = 3


class LocalReviewers:
    """The tasks of a sandbox, and its workers: see `console.reviewers.Reviewers`.

    Args:
        control: Calls the sandbox's own routes.
        session: A session for the sandbox.
        stage: The stage whose function starts the samples.
    """

    def __init__(self, control: Control, session: boto3.Session, stage: str) -> None:
        self._session = session
        self._stage = stage
        self._region = session.region_name
        self._loops = HumanLoops(control, self._region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @cached_property
    def workers(self) -> Sequence[str]:
        """The ids of three workers."""
        return tuple(id_of_worker(number) for number in range(1, _WORKERS + 1))

    def waiting(self, limit: int) -> Sequence[Task]:
        """Returns the tasks that wait for answers, oldest first, without their input."""
        with _calling():
            found = self._loops.list("InProgress", limit)
        return [_task(loop) for loop in found if self._is_ours(loop)]

    def task(self, name: str) -> Task:
        """Returns a task, also one that has ended.

        Raises:
            SandboxError: There is no such loop.
        """
        with _calling():
            return _task(self._loops.get(name))

    def answer(self, name: str, worker: str, content: Mapping[str, Any], seconds_spent: float) -> Task:
        """Submits the answer of a worker. The last one completes the loop. Returns the task as it is then.

        Raises:
            SandboxError: There is no such loop, it has ended, or the worker has answered already.
        """
        with _calling():
            return _task(self._loops.answer(name, content, worker=worker, seconds_spent=seconds_spent))

    def fail(self, name: str, code: str, reason: str | None) -> None:
        """Makes the loop fail.

        Raises:
            SandboxError: There is no such loop, or it has ended.
        """
        with _calling():
            self._loops.fail(name, code, reason)

    def expire(self, name: str) -> None:
        """Makes the loop fail as if its time was over.

        Raises:
            SandboxError: There is no such loop, or it has ended.
        """
        with _calling():
            self._loops.expire(name)

    def stop(self, name: str) -> None:
        """Stops the loop, as whoever started it can.

        Raises:
            SandboxError: There is no such loop, or it has ended.
        """
        client = self._client("sagemaker-a2i-runtime")
        try:
            client.stop_human_loop(HumanLoopName=name)
        except client.exceptions.ClientError as error:
            raise SandboxError(error.response["Error"]["Message"]) from error

    def samples(self) -> Sequence[SampleTask]:
        """Returns the samples whose flow definitions exist."""
        pages = self._client("sagemaker").get_paginator("list_flow_definitions").paginate()
        existing = {flow["FlowDefinitionName"] for page in pages for flow in page["FlowDefinitionSummaries"]}
        return [
            SampleTask(name, flow.title, flow.workers)
            for name, flow in FLOW_DEFINITIONS.items()
            if name in existing
        ]

    def start(self, flow_definition: str, name: str | None = None) -> str:
        """Starts a loop about the sample of a flow definition. Returns the loop's name.

        Args:
            flow_definition: The name of the flow definition.
            name: The name of the loop. None makes one that no other loop has.

        Raises:
            SandboxError: There is no such sample, the stage has no bucket for its image, or the loop did not start.
        """
        if flow_definition not in FLOW_DEFINITIONS:
            raise SandboxError(
                f"no sample for flow definition {flow_definition!r}; use one of {', '.join(FLOW_DEFINITIONS)}"
            )
        resources = StageResources.find(self._stage, self._session)
        buckets = [arn.rpartition(":")[2] for arn in resources.parameters["DocumentBuckets"].split(",")]
        sample = FLOW_DEFINITIONS[flow_definition].sample
        name = name or f"{sample.name}-{secrets.token_hex(3)}"
        start_sample(
            self._client,
            self._region,
            function=resources.output("StartLoop"),
            document_bucket=None if buckets == ["-"] else buckets[0],
            flow_definition=flow_definition,
            name=name,
        )
        return name

    def _client(self, service: str) -> Any:
        """Returns a client. Creating one takes a while, and sessions are not for several threads at once."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(service)  # type: ignore[call-overload]
            return self._clients[service]

    def _is_ours(self, loop: LoopState) -> bool:
        """Returns whether a loop is in the sandbox's account and Region, where the workers are."""
        _, _, _, region, account, _ = loop.arn.split(":", 5)
        return (region, account) == (self._region, ACCOUNT_ID)


@contextmanager
def _calling() -> Iterator[None]:
    """Raises a SandboxError if the engine has ended while the console goes on."""
    try:
        yield
    except OSError as error:
        raise SandboxError("the local engine has stopped: start it again with `make local`") from error


def _task(loop: LoopState) -> Task:
    return Task(
        name=loop.name,
        flow_definition=loop.flow_definition_arn.rpartition("/")[2],
        title=loop.title,
        status=loop.status,
        created=loop.created_at,
        expires=loop.expires_at,
        source=loop.source,
        content=loop.input_content,
        description=None if loop.task is None else parse_description(loop.task),
        task_count=loop.task_count,
        answered_by=tuple(answer["worker"] for answer in loop.answers),
    )
