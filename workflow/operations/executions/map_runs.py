"""The items of a Distributed Map, which are executions of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.reviews.times import in_utc
from workflow.operations.executions.model import ExecutionGone

__all__ = ["Item", "MapRun", "read_map_run"]


@dataclass(frozen=True)
class Item:
    """An execution that processes an item, or a batch of items.

    Attributes:
        arn: Its ARN.
        name: Its name.
        status: Its status, as Step Functions calls it.
        started: When it started.
        stopped: When it ended.
    """

    arn: str
    name: str
    status: str
    started: datetime
    stopped: datetime | None = None


@dataclass(frozen=True)
class MapRun:
    """What a Distributed Map did.

    Attributes:
        arn: The ARN of the Map Run.
        execution: The ARN of the execution with the Distributed Map.
        status: RUNNING, SUCCEEDED, FAILED or ABORTED.
        counts: How many executions there are of each status: total, pending, running, succeeded, failed, timedOut,
            aborted.
        items: The executions that need a look first: those that failed, then those that run, then the others.
        more: Whether there are more of them.
    """

    arn: str
    execution: str
    status: str
    counts: Mapping[str, int]
    items: Sequence[Item]
    more: bool


_ORDER = ("FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "RUNNING", "SUCCEEDED")


def read_map_run(states: Any, arn: str, *, limit: int = 50) -> MapRun:
    """Returns a Map Run, with some of its executions.

    Step Functions does not list executions of Express workflows, so that the items of such a Map are only counted.

    Args:
        states: The client of Step Functions.
        arn: The ARN of the Map Run.
        limit: How many executions to return at most, up to 999.

    Raises:
        ExecutionGone: Step Functions does not have it (any more).
        botocore.exceptions.ClientError: Other errors of Step Functions.
    """
    try:
        found = states.describe_map_run(mapRunArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFound", "InvalidArn"):
            raise ExecutionGone(
                f"Step Functions has no Map Run {arn}: it deletes executions 90 days after they end"
            ) from None
        raise
    counts = {name: int(count) for name, count in found["executionCounts"].items()}
    items = _items(states, arn, counts, limit + 1)
    return MapRun(
        arn=arn,
        execution=found["executionArn"],
        status=found["status"],
        counts=counts,
        items=items[:limit],
        more=len(items) > limit,
    )


def _items(states: Any, arn: str, counts: Mapping[str, int], limit: int) -> list[Item]:
    items: list[Item] = []
    for status in _ORDER:
        if len(items) >= limit or not counts.get(_COUNTS[status], 0):
            continue
        try:
            listed = states.list_executions(mapRunArn=arn, statusFilter=status, maxResults=limit - len(items))
        except ClientError as error:
            if error.response["Error"]["Code"] != "StateMachineTypeNotSupported":
                raise
            return []
        items += [
            Item(
                arn=one["executionArn"],
                name=one["name"],
                status=one["status"],
                started=in_utc(one["startDate"]),
                stopped=in_utc(one["stopDate"]) if one.get("stopDate") else None,
            )
            for one in listed["executions"]
        ]
    return items


_COUNTS = {
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
    "PENDING_REDRIVE": "pendingRedrive",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
}
"""Status → its name in the counts of a Map Run."""
