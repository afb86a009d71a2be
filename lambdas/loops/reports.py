"""Which executions that ended were reported to a person, so that each end has one message.

Step Functions reports an end at least once, Lambda repeats a call that failed, and the reconciler may look at the same
execution. Whoever sends the message takes it first, in a conditional write to an item of the ledger's table. If the
sender dies before it has noted that the message is sent, the next call takes it over, and may then send it again:
nobody can know whether SNS has accepted it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Reports"]

ABANDONED_AFTER = timedelta(minutes=1)
"""When a sender has certainly ended: the timeout of the function that sends most messages. Lambda repeats a function
that failed after a minute at the earliest."""


class Reports:
    """The reports of a stage. Methods raise `ClientError` if DynamoDB refuses a call."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, execution: str, ended: str) -> bool:
        """Takes the message about the end of an execution, for one minute.

        Args:
            execution: Its ARN.
            ended: When it ended. An execution that was redriven ends again.

        Returns:
            False if it was sent, or if another call is sending it.
        """
        moment = datetime.now(UTC)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(execution),
                UpdateExpression="SET takenAt = :now, endedAt = :ended REMOVE reportedAt",
                ConditionExpression=(
                    "(attribute_not_exists(reportedAt) AND (attribute_not_exists(takenAt) OR takenAt <= :abandoned))"
                    " OR (attribute_exists(endedAt) AND endedAt <> :ended)"
                ),
                ExpressionAttributeValues={
                    ":now": {"S": timestamp(moment)},
                    ":ended": {"S": ended},
                    ":abandoned": {"S": timestamp(moment - ABANDONED_AFTER)},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def note_sent(self, execution: str) -> None:
        """Records that the message was sent."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(execution),
            UpdateExpression="SET reportedAt = :now",
            ExpressionAttributeValues={":now": {"S": timestamp(datetime.now(UTC))}},
        )

    def was_sent(self, execution: str, ended: str) -> bool:
        """Returns whether the message about that end was sent."""
        item: Any = self._client.get_item(
            TableName=self._table, Key=_key(execution), ConsistentRead=True
        ).get("Item", {})
        # Items of an earlier version do not have the time of the end.
        return "reportedAt" in item and item.get("endedAt", {}).get("S", ended) == ended

    def sent_at(self, execution: str) -> str | None:
        """Returns when the message about the end of an execution was sent; None if it was not, or not by a function."""
        item: Any = self._client.get_item(TableName=self._table, Key=_key(execution)).get("Item", {})
        at = item.get("reportedAt", {}).get("S")
        return at if isinstance(at, str) else None


def _key(execution: str) -> Any:
    # The name of a loop never contains a space, so this key cannot be the key of a row.
    return {"humanLoopName": {"S": f"reported {execution}"}}
