"""What the reviewer's pages need of the local engine, which implements it. A stage on AWS has workers of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from console.worker_tasks.description import TaskDescription

__all__ = ["Reviewers", "SampleTask", "Task"]


@dataclass(frozen=True)
class Task:
    """A human loop, as its workers see it.

    Attributes:
        name: The name of the loop.
        flow_definition: The name of its flow definition.
        title: The title of the task.
        status: InProgress, Stopping, Completed, Failed or Stopped.
        created: When the loop started.
        expires: When it fails, if it has too few answers until then.
        source: The AI service that started it; None for a custom task.
        content: The input of the loop.
        description: What the task asks of a worker; None if the flow definition does not say so.
        task_count: How many workers answer it, 1 to 3.
        answered_by: The workers who have answered.
    """

    name: str
    flow_definition: str
    title: str
    status: str
    created: datetime
    expires: datetime
    source: str | None
    content: Mapping[str, Any]
    description: TaskDescription | None
    task_count: int
    answered_by: tuple[str, ...]


@dataclass(frozen=True)
class SampleTask:
    """A sample that can be started.

    Attributes:
        flow_definition: The name of its flow definition.
        title: What it is about.
        workers: How many workers answer it.
    """

    flow_definition: str
    title: str
    workers: int


class Reviewers(Protocol):
    """The tasks of the local engine, and its workers.

    Methods raise an AfterloopError if there is no such loop, or if it has ended.
    """

    @property
    def workers(self) -> Sequence[str]:
        """The ids of three workers."""

    def waiting(self, limit: int) -> Sequence[Task]:
        """Returns up to so many tasks that wait for answers, oldest first, without their content."""

    def task(self, name: str) -> Task:
        """Returns a task, also one that has ended."""

    def answer(self, name: str, worker: str, content: Mapping[str, Any], seconds_spent: float) -> Task:
        """Submits the answer of a worker. The last one completes the loop. Returns the task as it is then."""

    def fail(self, name: str, code: str, reason: str | None) -> None:
        """Makes the loop fail."""

    def expire(self, name: str) -> None:
        """Makes the loop fail as if its time was over."""

    def stop(self, name: str) -> None:
        """Stops the loop, as whoever started it can."""

    def samples(self) -> Sequence[SampleTask]:
        """Returns the samples that can be started."""

    def start(self, flow_definition: str) -> str:
        """Starts a loop about the sample of a flow definition. Returns the loop's name."""
