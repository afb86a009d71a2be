"""A double of the engine's tasks, with the samples, for tests of the reviewer's pages."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from console.reviewers import SampleTask, Task
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox.errors import SandboxError
from sandbox.protocol import camel_case
from sandbox.sample_flows import FLOW_DEFINITIONS

__all__ = ["WaitingTasks", "written"]

_SOURCES = {"textract": TEXTRACT, "rekognition": REKOGNITION, "custom": None}
_PARAMETERS = {"textract": "document", "rekognition": "image"}


def written(answer: Any) -> str:
    """Returns an answer as A2I writes it into output.json."""
    return json.dumps(answer, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_DRAWN: list[tuple[dict[str, Task], dict[tuple[str, str], bytes]]] = []
"""The tasks and their images, which take a while to draw."""


class WaitingTasks:
    """Tasks, one for each sample, named like its flow definition. `connection` reads their images.

    Attributes:
        tasks: The tasks by name.
        answers: What was answered: name of the task, worker, answer, seconds.
        ended: How tasks were ended otherwise.
    """

    workers = ("w1", "w2", "w3")

    def __init__(self) -> None:
        self.connection: Any = SimpleNamespace(s3=self)
        self.reset()

    def reset(self) -> None:
        """Makes the tasks what they were at first."""
        self.tasks: dict[str, Task] = {}
        self.objects: dict[tuple[str, str], bytes] = {}
        self.answers: list[tuple[str, str, dict[str, Any], float]] = []
        self.ended: list[tuple[str, ...]] = []
        self.refusal: str | None = None
        if not _DRAWN:
            for name in FLOW_DEFINITIONS:
                self._add(name)
            _DRAWN.append((self.tasks.copy(), self.objects.copy()))
        self.tasks, self.objects = (made.copy() for made in _DRAWN[0])

    def _add(self, flow: str) -> None:
        sample = FLOW_DEFINITIONS[flow].sample
        if sample.task_type == "custom":
            content = sample.content(self, "documents")
        else:
            request = {_PARAMETERS[sample.task_type]: camel_case(sample.upload(self, "documents"))}
            content = {
                "aiServiceRequest": request,
                "selectedAiServiceResponse": camel_case(sample.prediction),
            }
        self.add(flow, content, _SOURCES[sample.task_type])

    def add(self, flow: str, content: Mapping[str, Any], source: str | None = None, **more: Any) -> None:
        known = FLOW_DEFINITIONS.get(flow)
        started = datetime(2026, 3, 1, tzinfo=UTC)
        task = Task(
            name=flow,
            flow_definition=flow,
            title=f"Review of {flow}",
            status="InProgress",
            created=started,
            expires=started + timedelta(hours=1),
            source=source,
            content=content,
            description=known.task if known else None,
            task_count=known.workers if known else 1,
            answered_by=(),
        )
        self.tasks[flow] = dataclasses.replace(task, **more)

    # The reviewers

    def waiting(self, limit: int) -> Sequence[Task]:
        return [task for task in self.tasks.values() if task.status == "InProgress"][:limit]

    def task(self, name: str) -> Task:
        if name not in self.tasks:
            raise SandboxError(f"Human loop {name} does not exist")
        return self.tasks[name]

    def answer(self, name: str, worker: str, content: Mapping[str, Any], seconds_spent: float) -> Task:
        if self.refusal:
            raise SandboxError(self.refusal)
        task = self.task(name)
        self.answers.append((name, worker, dict(content), seconds_spent))
        answered = (*task.answered_by, worker)
        status = "Completed" if len(answered) == task.task_count else "InProgress"
        self.tasks[name] = dataclasses.replace(task, answered_by=answered, status=status)
        return self.tasks[name]

    def fail(self, name: str, code: str, reason: str | None) -> None:
        self._end(name, "fail", code, reason or "")

    def expire(self, name: str) -> None:
        self._end(name, "expire")

    def stop(self, name: str) -> None:
        self._end(name, "stop")

    def _end(self, name: str, *how: str) -> None:
        self.ended.append((name, *how))
        self.tasks[name] = dataclasses.replace(self.task(name), status="Failed")

    def samples(self) -> Sequence[SampleTask]:
        return [SampleTask(name, flow.title, flow.workers) for name, flow in FLOW_DEFINITIONS.items()]

    def start(self, flow_definition: str) -> str:
        if flow_definition not in FLOW_DEFINITIONS:
            raise SandboxError(f"no sample for flow definition {flow_definition!r}")
        self._add(flow_definition)
        return flow_definition

    # S3

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        self.objects[Bucket, Key] = Body

    def get_object(self, *, Bucket: str, Key: str, Range: str | None = None) -> dict[str, Any]:  # noqa: N803
        body = self.objects[Bucket, Key]
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}
