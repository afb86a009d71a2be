"""Task tokens of workflows that wait for human loops, in a table of their own.

Whoever has a token can answer in place of the reviewers. So only the functions that answer may read the table, and the
state machine may not: whatever an execution is given, it cannot write or read there.

Earlier versions kept tokens in the ledger's table, in items with the key `tokens <humanLoopName>`. A workflow waits for
days, so tokens are still found there. None is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.loops.ledger import now
from lambdas.loops.rows import UnreadableRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["UNDECIDED", "Tokens"]

UNDECIDED = ("processing", "failed")
"""Outcomes that are not final: an execution is processing the status change, or will when it is redriven. Then it looks
for tokens."""


class Tokens:
    """Task tokens by human loop. A loop can have several: a waiting workflow that is redriven gets a new token.

    Args:
        client: For DynamoDB.
        table: The table of the tokens.
        ledger_table: The table of the ledger.
    """

    def __init__(self, client: DynamoDBClient, table: str, ledger_table: str) -> None:
        self._client = client
        self._table = table
        self._ledger_table = ledger_table

    def keep(self, human_loop_name: str, token: str) -> bool:
        """Stores a token if an execution of Afterloop is still going to look for it.

        Returns:
            False if the token was not stored: the loop's end is recorded, the loop was restarted, was refused or was
            not needed, or the ledger has no such row.
        """
        # The token comes first: if the row says that a workflow waits, the token must exist.
        self._add(human_loop_name, [token])
        try:
            self._client.update_item(
                TableName=self._ledger_table,
                Key=_key(human_loop_name),
                UpdateExpression="SET waiting = :true, updatedAt = :now",
                ConditionExpression="attribute_exists(humanLoopName) AND attribute_not_exists(nextLoopName)"
                " AND NOT #status IN (:notNeeded, :refused)"
                f" AND (attribute_not_exists(outcome) OR outcome IN ({', '.join(f':{one}' for one in UNDECIDED)}))",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":true": {"BOOL": True},
                    ":now": {"S": now()},
                    ":notNeeded": {"S": "NotNeeded"},
                    ":refused": {"S": "Refused"},
                    **{f":{outcome}": {"S": outcome} for outcome in UNDECIDED},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            self.forget(human_loop_name, token)
            return False
        return True

    def of(self, human_loop_name: str) -> list[str]:
        """Returns the tokens of the workflows that wait for a loop (consistent reads).

        Raises:
            UnreadableRow: An item is not a set of tokens.
        """
        self._move_earlier(human_loop_name)
        return self._read(self._table, _key(human_loop_name))

    def forget(self, human_loop_name: str, token: str) -> None:
        """Removes a token, and the item if it was the last one."""
        self._remove(self._table, _key(human_loop_name), [token])

    def _move_earlier(self, human_loop_name: str) -> None:
        """Moves tokens that an earlier version kept in the ledger's table."""
        key = _key(f"tokens {human_loop_name}")  # The name of a loop never contains a space.
        if tokens := self._read(self._ledger_table, key):
            self._add(human_loop_name, tokens)
            self._remove(self._ledger_table, key, tokens)

    def _read(self, table: str, key: Any) -> list[str]:
        answer = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
        kept = answer.get("Item", {}).get("taskTokens", {"SS": []})
        if "SS" not in kept:
            raise UnreadableRow(key["humanLoopName"]["S"], "taskTokens: not a set of strings")
        return sorted(kept["SS"])

    def _add(self, human_loop_name: str, tokens: list[str]) -> None:
        self._client.update_item(
            TableName=self._table,
            Key=_key(human_loop_name),
            UpdateExpression="ADD taskTokens :tokens",
            ExpressionAttributeValues={":tokens": {"SS": tokens}},
        )

    def _remove(self, table: str, key: Any, tokens: list[str]) -> None:
        try:
            self._client.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="DELETE taskTokens :tokens",
                ConditionExpression="attribute_exists(taskTokens)",
                ExpressionAttributeValues={":tokens": {"SS": tokens}},
            )
            # DynamoDB has no empty sets. Another workflow may add its token between the two calls.
            self._client.delete_item(
                TableName=table, Key=key, ConditionExpression="attribute_not_exists(taskTokens)"
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            pass


def _key(human_loop_name: str) -> Any:
    return {"humanLoopName": {"S": human_loop_name}}
