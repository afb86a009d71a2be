"""Counts the human loops of a period in the ledger: their statuses, restarts and escalations.

Stored reviews exist only for loops that people answered. Loops that failed, expired, were not needed or are in
progress are only in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.loop import LoopStatus
from workflow.errors import AfterloopError
from workflow.operations.listing import NEEDS_ACTION
from workflow.operations.reviews_source import Period
from workflow.publish.refused import in_words

if TYPE_CHECKING:
    import boto3

__all__ = ["STATUSES", "LoopFacts", "count_loops", "ledger_rows"]

STATUSES: tuple[LoopStatus, ...] = (
    "Completed",
    "Failed",
    "Stopped",
    "InProgress",
    "Starting",
    "NotNeeded",
    "Refused",
)
"""The statuses in the ledger, in the order of the report."""

_NEVER_STARTED = ("NotNeeded", "Refused")


@dataclass(frozen=True)
class LoopFacts:
    """The human loops that were created in a period.

    Attributes:
        loops: The number of loops, including those that were not needed or refused.
        started: The number of loops without those that were not needed or refused.
        by_status: Loops by status.
        by_day: Loops by day (YYYY-MM-DD) and status.
        restarts: Loops that are a restart of another loop (attempt 2 and later).
        restarted: Loops that were restarted under another name.
        recovered: Restarts that ended with a review.
        escalated: Loops that were escalated to a person, whatever happened to them later.
        undecided: Escalated loops that still need action.
        failure_codes: Failed loops by failure code.
    """

    loops: int
    started: int
    by_status: Mapping[str, int]
    by_day: Mapping[str, Mapping[str, int]]
    restarts: int
    restarted: int
    recovered: int
    escalated: int
    undecided: int
    failure_codes: Mapping[str, int]


def count_loops(rows: Iterable[Mapping[str, Any]]) -> LoopFacts:
    """Counts the human loops in rows with the ledger's attribute names."""
    by_status: Counter[str] = Counter()
    by_day: dict[str, Counter[str]] = {}
    failure_codes: Counter[str] = Counter()
    loops = started = restarts = restarted = recovered = escalated = undecided = 0
    for row in rows:
        status = str(row.get("status") or "Unknown")
        loops += 1
        started += status not in _NEVER_STARTED
        by_status[status] += 1
        by_day.setdefault(str(row.get("createdAt", ""))[:10], Counter())[status] += 1
        if int(row.get("attempt") or 1) > 1:
            restarts += 1
            recovered += status == "Completed"
        outcome = row.get("outcome")
        restarted += outcome == "restarted"
        needs_action = outcome in NEEDS_ACTION
        undecided += needs_action
        # Rows from before `escalatedAt` was introduced show an escalation by its outcome or closing time.
        escalated += (
            needs_action or outcome == "closed" or bool(row.get("escalatedAt") or row.get("closedAt"))
        )
        if status == "Failed":
            failure_codes[str(row.get("failureCode") or "unknown")] += 1
    return LoopFacts(
        loops=loops,
        started=started,
        by_status=dict(by_status),
        by_day={day: dict(counts) for day, counts in by_day.items()},
        restarts=restarts,
        restarted=restarted,
        recovered=recovered,
        escalated=escalated,
        undecided=undecided,
        failure_codes=dict(failure_codes.most_common()),
    )


def ledger_rows(
    table_name: str, session: boto3.Session, period: Period, flow_definition_arn: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yields the rows of the loops that were created in the period, from the ledger's indexes, without a scan.

    Args:
        table_name: The name of the stage's ledger.
        session: A session with the permission `dynamodb:Query` on the table's indexes.
        period: The period.
        flow_definition_arn: The ARN of a flow definition; None for all.

    Raises:
        AfterloopError: The ledger cannot be read.
    """
    table = session.resource("dynamodb").Table(table_name)
    # Times of the day `until` are longer than the day itself, so they sort after it and are not in the range.
    created = Key("createdAt").between(str(period.first), str(period.until))
    if flow_definition_arn is None:
        queries = [("by-status", Key("status").eq(status) & created) for status in STATUSES]
    else:
        queries = [("by-flow-definition", Key("flowDefinitionArn").eq(flow_definition_arn) & created)]
    try:
        for index, condition in queries:
            arguments: dict[str, Any] = {
                "IndexName": index,
                "KeyConditionExpression": condition,
                "ProjectionExpression": "#status, createdAt, attempt, outcome, failureCode, escalatedAt, closedAt",
                "ExpressionAttributeNames": {"#status": "status"},
            }
            while True:
                page = table.query(**arguments)
                yield from page["Items"]
                if "LastEvaluatedKey" not in page:
                    break
                arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    except (ClientError, BotoCoreError) as error:
        raise AfterloopError(f"cannot read the ledger {table_name}: {in_words(error) or error}") from error
