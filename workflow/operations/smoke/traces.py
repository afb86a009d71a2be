"""What a run of the smoke test creates, and how a later run finds and removes it.

Each run has a mark, from which the names of all that it creates follow. Its queue is created first and deleted last: as
long as there is a queue, a run is under way, or was killed.
"""

from __future__ import annotations

import re
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.operations.sample_executions import SampleExecutions, Status
from workflow.operations.smoke.listening import QUEUE_PREFIX, Listener
from workflow.operations.smoke.real_rule import remove_loop

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["OUTCOMES", "loop_names", "loop_of_rule", "new_mark", "remove_leftovers", "tags"]

OUTCOMES: dict[Status, str] = {"Completed": "stored", "Failed": "escalated", "Stopped": "notified"}
"""Status of a loop → the outcome in the ledger."""

MAX_RUN_SECONDS = 3600
"""No run takes so long: an older queue belongs to one that was killed."""

_STAGE, _BUCKET, _RULE = "afterloop:smoke-stage", "afterloop:smoke-bucket", "afterloop:smoke-rule"

_QUEUE = re.compile(rf"{QUEUE_PREFIX}([0-9a-f]{{8}})")
"""Queues of runs. A stage called `smoke` has others that begin like these."""


def new_mark() -> str:
    """The mark of a new run."""
    return uuid.uuid4().hex[:8]


def tags(stage: str, output_bucket: str, *, through_rule: bool) -> dict[str, str]:
    """The tags of a run's queue: what a later run has to know to remove the rest."""
    return {_STAGE: stage, _BUCKET: output_bucket, _RULE: str(through_rule).lower()}


def loop_names(mark: str, version: int) -> dict[Status, str]:
    """The names of a run's loops, by status.

    Args:
        mark: The mark of the run.
        version: 0 for the first version of the state machine that the run tests, 1 for the second.
    """
    ending = f"-{version + 1}" if version else ""
    return {status: f"smoke-{mark}-{status.lower()}{ending}" for status in OUTCOMES}


def loop_of_rule(mark: str) -> str:
    """The name of the loop that a run starts at A2I."""
    return f"smoke-{mark}-rule"


def remove_leftovers(resources: StageResources, session: boto3.Session, output_bucket: str) -> list[str]:
    """Removes what runs left behind that were killed more than an hour ago.

    Args:
        resources: The published stage.
        session: The session of the run.
        output_bucket: The output bucket of the runs of earlier versions of Afterloop, which did not note it.

    Returns:
        The names of the queues of these runs.
    """
    sqs = session.client("sqs")
    removed = []
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=QUEUE_PREFIX)
    for url in [url for page in pages for url in page.get("QueueUrls", [])]:
        if run := _QUEUE.fullmatch(url.rpartition("/")[2]):
            # Another run may be removing it at the same time.
            with suppress(sqs.exceptions.QueueDoesNotExist):
                if _remove(resources, session, url, run[1], output_bucket):
                    removed.append(run[0])
    return removed


def _remove(
    resources: StageResources, session: boto3.Session, url: str, mark: str, output_bucket: str
) -> bool:
    sqs = session.client("sqs")
    listener = Listener(resources, session, mark)
    created = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["CreatedTimestamp"])["Attributes"]
    noted = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    is_own = noted[_STAGE] == resources.stage if _STAGE in noted else bool(listener.subscriptions())
    if not is_own or time.time() - float(created["CreatedTimestamp"]) < MAX_RUN_SECONDS:
        return False
    samples = SampleExecutions(resources, session, noted.get(_BUCKET, output_bucket))
    if noted.get(_RULE) == "true":
        remove_loop(session, loop_of_rule(mark))
        samples.forget(loop_of_rule(mark))
    for version in (0, 1):
        for loop in loop_names(mark, version).values():
            with suppress(ClientError):  # The bucket of that run may be gone, and must not keep the rest.
                samples.remove(loop)
    listener.remove(url)
    return True
