"""What the ledger knows of the human loops of a period: their volume, restarts and escalations.

Stored reviews tell of loops that people answered. Those that failed, expired, were never needed or are still
waiting are only in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.ledger import LoopStatus
from workflow.errors import AfterloopError
from workflow.operations.reviews_source import Period
from workflow.publish.aws_errors import explained

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
"""The statuses that the ledger knows, in the order in which they are told."""

_NEVER_STARTED = ("NotNeeded", "Refused")
_UNDECIDED = ("escalated", "failed")


@dataclass(frozen=True)
class LoopFacts:
    """Human loops of a period, by the day they were created.

    Attributes:
        loops: how many there are, those that were not needed or refused included.
        started: how many of them A2I was to start: nobody ever was to answer the others.
        by_status: loops by status.
        by_day: loops by day (YYYY-MM-DD), then by status.
        restarts: loops that are themselves a restart of another (attempt 2 and later).
        restarted: loops that were started anew under another name after they had failed.
        recovered: restarts that ended in a review.
        escalated: loops that were handed to a person to decide, whatever became of them then.
        undecided: those of them that still wait for a person.
        failure_codes: failed loops by their failure code.
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
    """The facts in ledger rows, each one human loop; attributes as the ledger writes them."""
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
        waits = outcome in _UNDECIDED
        undecided += waits
        # Rows of before there was escalatedAt tell it by what a person did.
        escalated += waits or outcome == "closed" or bool(row.get("escalatedAt") or row.get("closedAt"))
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
    """Rows of the loops that were created in the period, from the ledger's indexes: never a scan.

    Args:
        table_name: the stage's ledger.
        session: its credentials need `dynamodb:Query` on the table's indexes.
        period: which days.
        flow_definition_arn: of one flow definition; None for all.

    Raises:
        AfterloopError: if the ledger cannot be read.
    """
    table = session.resource("dynamodb").Table(table_name)
    # A time is longer than a day and so sorts after it: none of the day `until` is in between.
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
        raise AfterloopError(f"cannot read the ledger {table_name}: {explained(error) or error}") from error
