"""The items of a Distributed Map. Each, or each batch of them, is an execution of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from console.executions.summary import seconds_of
from console.executions.views import ItemView, MapRunView
from workflow.operations.executions import ExecutionGone, Item, Visit, read_map_run
from workflow.publish.refused import in_words

__all__ = ["MAX_ITEMS", "execution_around", "map_run_of"]

MAX_ITEMS = 50
"""Executions of items that the page lists."""


def map_run_of(states: Any, visit: Visit | None, *, now: datetime) -> MapRunView | None:
    """Returns the items of a Distributed Map; None for other steps.

    Args:
        states: The client of Step Functions.
        visit: The visit to the step.
        now: The time.
    """
    if visit is None or visit.map_run is None:
        return None
    try:
        found = read_map_run(states, visit.map_run, limit=MAX_ITEMS)
    except ExecutionGone as error:
        return MapRunView(arn=visit.map_run, note=f"{error}.")
    except (BotoCoreError, ClientError) as error:
        return MapRunView(arn=visit.map_run, note=f"The items cannot be read: {in_words(error) or error}.")
    counts = {_STATUSES[name]: count for name, count in found.counts.items() if name in _STATUSES and count}
    unlisted = (
        "" if found.items or not counts else "Step Functions does not list executions of Express workflows."
    )
    return MapRunView(
        arn=found.arn,
        status=found.status,
        counts=counts,
        items=tuple(_item(one, now) for one in found.items),
        more=found.more,
        note=unlisted,
    )


def execution_around(states: Any, map_run: str | None) -> str | None:
    """Returns the ARN of the execution whose Distributed Map has the items that another one processes.

    Args:
        states: The client of Step Functions.
        map_run: The ARN of the Map Run. None: the execution processes no items.

    Returns:
        The ARN; None if there is no such execution, or if Step Functions does not say so.
    """
    if map_run is None:
        return None
    try:
        return read_map_run(states, map_run, limit=1).execution
    except (BotoCoreError, ClientError, ExecutionGone):
        return None


def _item(item: Item, now: datetime) -> ItemView:
    running = now if item.status == "RUNNING" else None
    return ItemView(
        name=item.name,
        arn=item.arn,
        status=item.status,
        seconds=seconds_of(item.started, item.stopped, running),
    )


_STATUSES = {
    "failed": "FAILED",
    "timedOut": "TIMED_OUT",
    "aborted": "ABORTED",
    "pendingRedrive": "PENDING_REDRIVE",
    "running": "RUNNING",
    "pending": "PENDING",
    "succeeded": "SUCCEEDED",
}
"""The names of a Map Run's counts → statuses of executions; PENDING has not started."""
