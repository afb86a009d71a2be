"""The ledger: one DynamoDB item per human loop, and the only code that reads or writes it at run time.

The state machine writes to the same table by direct integrations (claims and outcomes, see
`workflow/records.py`); the attribute names that both sides use are the fields of `Loop`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Ledger", "Loop", "LoopStatus", "Outcome", "TaskType", "now"]

LoopStatus = Literal["Starting", "InProgress", "Completed", "Failed", "Stopped", "NotNeeded"]
Outcome = Literal["stored", "restarted", "escalated", "notified", "failed"]
TaskType = Literal["custom", "textract", "rekognition"]

_CLAIM = "claim "


class Loop(BaseModel):
    """A human loop as the ledger knows it. Only the name is certain: a loop may be first heard of by its event.

    Times are ISO 8601 in UTC; locations are `s3://bucket/key`. `attempt` is 1 for the first loop of
    a lineage and counts up with each restart.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    human_loop_name: str
    flow_definition_arn: str | None = None
    human_loop_arn: str | None = None
    status: str | None = None
    task_type: TaskType | None = None
    created_at: str | None = None
    updated_at: str | None = None
    attempt: int = 1
    max_attempts: int | None = None
    root_loop_name: str | None = None
    previous_loop_name: str | None = None
    next_loop_name: str | None = None
    input_location: str | None = None
    input_digest: str | None = None
    outcome: str | None = None
    reason: str | None = None
    review_location: str | None = None
    output_location: str | None = None
    execution: str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    review: dict[str, Any] | None = None
    task_token: str | None = None
    claims: dict[str, dict[str, Any]] = {}
    """What was claimed of this loop, by `creationTime status`: state (working, done, released), execution, at."""

    @property
    def root(self) -> str:
        """The name of the loop that the lineage began with."""
        return self.root_loop_name or self.human_loop_name


class Ledger:
    """The ledger's table.

    Raises `botocore.exceptions.ClientError` for what DynamoDB refuses, but for failed conditions,
    which every method answers as its docstring says.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def find(self, human_loop_name: str) -> Loop | None:
        """The loop of that name (a consistent read), or None when the ledger does not know it."""
        answer = self._client.get_item(TableName=self._table, Key=_key(human_loop_name), ConsistentRead=True)
        return _loop(answer["Item"]) if "Item" in answer else None

    def open(self, loop: Loop) -> Loop | None:
        """Write a row for a loop that is about to start, unless there is one.

        Returns:
            None when the row was written, otherwise the row that was there already, untouched.
        """
        item = {**_attributes(loop), "updatedAt": {"S": now()}}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(humanLoopName)",
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return self.find(loop.human_loop_name)
        return None

    def update(self, human_loop_name: str, *, only_while: str | None = None, **changes: Any) -> bool:
        """Set attributes (named as the fields of `Loop`) of a row; a value of None removes the attribute.

        Args:
            human_loop_name: The row.
            only_while: Change nothing unless the row's status is this one.
            changes: The new values.

        Returns:
            False when `only_while` did not hold, so nothing was changed.
        """
        names = {"#updatedAt": "updatedAt"}
        values: dict[str, Any] = {":updatedAt": {"S": now()}}
        sets, removes = ["#updatedAt = :updatedAt"], []
        for field, value in changes.items():
            attribute = to_camel(field)
            names[f"#{attribute}"] = attribute
            if value is None:
                removes.append(f"#{attribute}")
            else:
                values[f":{attribute}"] = TypeSerializer().serialize(value)
                sets.append(f"#{attribute} = :{attribute}")
        request: dict[str, Any] = {}
        if only_while is not None:
            names["#while"] = "status"
            values[":while"] = {"S": only_while}
            request["ConditionExpression"] = "#while = :while"
        expression = "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else "")
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(human_loop_name),
                UpdateExpression=expression,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                **request,
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return False
        return True

    def release(self, human_loop_name: str, claim: str, execution: str) -> bool:
        """Give back a claim that `execution` holds, so that the status change can be taken again.

        Returns:
            False when that execution does not hold it (any more).
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(human_loop_name),
                UpdateExpression="SET #claim.#state = :released, updatedAt = :now",
                ConditionExpression="#claim.#execution = :execution AND #claim.#state = :working",
                ExpressionAttributeNames={
                    "#claim": _CLAIM + claim,
                    "#state": "state",
                    "#execution": "execution",
                },
                ExpressionAttributeValues={
                    ":released": {"S": "released"},
                    ":working": {"S": "working"},
                    ":execution": {"S": execution},
                    ":now": {"S": now()},
                },
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return False
        return True

    def lineage(self, loop: Loop) -> list[Loop]:
        """The loops before this one, oldest first, and the loop itself. A row that is gone ends the walk."""
        chain, seen = [loop], {loop.human_loop_name}
        while (previous := chain[0].previous_loop_name) and previous not in seen:
            seen.add(previous)
            row = self.find(previous)
            if row is None:
                break
            chain.insert(0, row)
        return chain

    def with_status(self, status: str, *, newest_first: bool = False) -> Iterator[Loop]:
        """All loops of a status, oldest first unless told otherwise."""
        return self._query("by-status", "status", status, newest_first)

    def of_flow_definition(self, flow_definition_arn: str, *, newest_first: bool = False) -> Iterator[Loop]:
        """All loops of a flow definition, oldest first unless told otherwise."""
        return self._query("by-flow-definition", "flowDefinitionArn", flow_definition_arn, newest_first)

    def everything(self) -> Iterator[Loop]:
        """All loops, in no order: a scan, which reads the whole table."""
        for page in self._client.get_paginator("scan").paginate(TableName=self._table):
            for item in page["Items"]:
                yield _loop(item)

    def _query(self, index: str, key: str, value: str, newest_first: bool) -> Iterator[Loop]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression="#key = :key",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":key": {"S": value}},
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            for item in page["Items"]:
                yield _loop(item)


def now() -> str:
    """This moment as the ledger writes times: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key(human_loop_name: str) -> Any:
    return {"humanLoopName": {"S": human_loop_name}}


def _attributes(loop: Loop) -> dict[str, Any]:
    plain = loop.model_dump(by_alias=True, exclude_none=True, exclude={"claims"})
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}


def _loop(item: Mapping[str, Any]) -> Loop:
    plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    plain["claims"] = {
        name.removeprefix(_CLAIM): value for name, value in plain.items() if name.startswith(_CLAIM)
    }
    return Loop.model_validate(plain)


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
