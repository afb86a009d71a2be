"""How far the reconciler has read lists that only grow, such as A2I's list of loops.

A mark is an item of the ledger's table with one time in it: everything created before that was dealt with. Without it,
each run would read the whole list again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lambdas.reviews.times import moment_of, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Marks"]


class Marks:
    """The marks of a stage. Methods raise `ClientError` if DynamoDB refuses a call."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, what: str) -> datetime | None:
        """Returns how far a list was read; None if it never was, or if the item is odd: then it is read again.

        Args:
            what: Which list, such as the ARN of a flow definition.
        """
        return self._time(what, "readUntil")

    def open_since(self, what: str) -> datetime | None:
        """Returns when the oldest of what was still open began, according to the last run; None if that is unknown."""
        return self._time(what, "openSince")

    def _time(self, what: str, attribute: str) -> datetime | None:
        answer = self._client.get_item(TableName=self._table, Key=_key(what), ConsistentRead=True)
        return moment_of(answer.get("Item", {}).get(attribute, {}).get("S"))

    def advance(self, what: str, until: datetime, open_since: datetime | None = None) -> None:
        """Records how far a list was read. A mark never goes back: another reconciler may have read more.

        Args:
            what: Which list.
            until: Everything before that was dealt with.
            open_since: When the oldest of what is still open began.
        """
        also = {":since": {"S": timestamp(open_since)}} if open_since else {}
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=_key(what),
                UpdateExpression=f"SET readUntil = :until{', openSince = :since' if also else ''}",
                ConditionExpression="NOT readUntil >= :until",
                ExpressionAttributeValues={":until": {"S": timestamp(until)}, **also},
            )


def _key(what: str) -> Any:
    # The name of a loop never contains a space, so this key cannot be the key of a row.
    return {"humanLoopName": {"S": f"read {what}"}}
