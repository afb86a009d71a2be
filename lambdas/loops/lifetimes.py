"""How long a loop can be open: as long as its flow definition lets workers accept its task, and then answer it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

__all__ = ["GRACE", "MAX_LOOP_AGE", "Lifetimes"]

MAX_LOOP_AGE = timedelta(days=30)
"""The age up to which a loop can be in progress: a flow definition gives workers at most 30 days (API reference,
HumanLoopConfig, TaskAvailabilityLifetimeInSeconds). The first run of the reconciler reads A2I's list back to then."""

TIME_LIMIT = timedelta(hours=1)
"""How long a worker has for a task, by default (API reference, HumanLoopConfig, TaskTimeLimitInSeconds)."""

GRACE = timedelta(hours=1)
"""How late A2I may expire a loop. It does not say how often it looks."""


class Lifetimes:
    """The lifetimes of loops by flow definition, each read once. Make another object for another run."""

    def __init__(self, sagemaker: SageMakerClient) -> None:
        self._sagemaker = sagemaker
        self._known: dict[str, timedelta] = {}

    def of(self, flow_definition: str) -> timedelta:
        """Returns after how long a loop should have ended. A2I's maximum, if the flow definition cannot be read.

        Args:
            flow_definition: ARN of the flow definition.
        """
        if flow_definition not in self._known:
            self._known[flow_definition] = self._read(flow_definition) + GRACE
        return self._known[flow_definition]

    def _read(self, flow_definition: str) -> timedelta:
        try:
            found = self._sagemaker.describe_flow_definition(
                FlowDefinitionName=flow_definition.rpartition("/")[2]
            )
        except (BotoCoreError, ClientError):
            return MAX_LOOP_AGE + TIME_LIMIT  # it was deleted, or may not be read
        config = found.get("HumanLoopConfig", {})
        available = config.get("TaskAvailabilityLifetimeInSeconds")
        limit = config.get("TaskTimeLimitInSeconds")
        return (timedelta(seconds=available) if available else MAX_LOOP_AGE) + (
            timedelta(seconds=limit) if limit else TIME_LIMIT
        )
