"""The ledger: one DynamoDB item per human loop, and the only code that reads or writes it at run time.

The state machine writes to the same table by direct integrations (claims and outcomes, see
`workflow/parts/records.py`); the attribute names that both sides use are the fields of `Loop`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Ledger", "Loop", "LoopStatus", "Outcome", "TaskType", "now"]

LoopStatus = Literal["Starting", "InProgress", "Completed", "Failed", "Stopped", "NotNeeded", "Refused"]
"""Refused: A2I would not start it, and told the caller why. There is no loop, and the name is free again."""
Outcome = Literal["stored", "restarted", "escalated", "notified", "failed", "closed"]
TaskType = Literal["custom", "textract", "rekognition"]

_CLAIM = "claim "
_INDEXES = {"status": "by-status", "flowDefinitionArn": "by-flow-definition", "outcome": "by-outcome"}
_MOST_KEYS = 100
"""BatchGetItem takes no more."""


class Loop(BaseModel):
    """A human loop as the ledger knows it. Only the name is certain: a loop may be first heard of by its event.

    Times are ISO 8601 in UTC; locations are `s3://bucket/key`.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    human_loop_name: str
    """The key: unique in an account and Region."""
    flow_definition_arn: str | None = None
    """The human review workflow that it belongs to."""
    human_loop_arn: str | None = None
    """A2I's ARN of it."""
    status: str | None = None
    """NotNeeded: the activation conditions were not met. Refused: A2I would not start it, and the name is free
    again."""
    task_type: TaskType | None = None
    """custom, textract or rekognition."""
    created_at: str | None = None
    """When the row was opened; of a loop that was not started through Afterloop, its creation time."""
    updated_at: str | None = None
    """The last write."""
    attempt: int = 1
    """1 for the first loop of a lineage, 2 for its first restart, and so on."""
    max_attempts: int | None = None
    """How many attempts this lineage may have, if an operator said so."""
    root_loop_name: str | None = None
    """The first loop of the lineage."""
    previous_loop_name: str | None = None
    """The loop that this one is the restart of."""
    next_loop_name: str | None = None
    """The loop that this one was started again as."""
    input_location: str | None = None
    """The input, `s3://…`, as it was stored before the loop was started."""
    input_digest: str | None = None
    """SHA-256 of it: the same name with another input is refused."""
    outcome: str | None = None
    """What became of it."""
    reason: str | None = None
    """Why, in plain words."""
    review_location: str | None = None
    """The review record, `s3://…`."""
    output_location: str | None = None
    """A2I's `output.json`; of a loop that was not needed, the prediction."""
    execution: str | None = None
    """ARN of the last execution that worked on it."""
    failure_code: str | None = None
    """A2I's code for why it failed."""
    failure_reason: str | None = None
    """A2I's words for why it failed."""
    review: dict[str, Any] | None = None
    """The figures of the review."""
    waiting: bool | None = None
    """Whether a workflow waits for it."""
    answer: str | None = None
    """What became of the answer to a waiting workflow: delivered, or ended (the workflow had ended before)."""
    answered_at: str | None = None
    """When it was answered."""
    escalated_at: str | None = None
    """When a person was last called to decide what becomes of it; it stays when that is done."""
    note: str | None = None
    """Why a person closed it."""
    closed_by: str | None = None
    """Who closed it."""
    closed_at: str | None = None
    """When it was closed."""
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

    def find_all(self, human_loop_names: Sequence[str]) -> dict[str, Loop]:
        """The loops of those names (consistent reads) that the ledger knows, by name."""
        found = {}
        names = list(dict.fromkeys(human_loop_names))
        while names:
            keys, names = names[:_MOST_KEYS], names[_MOST_KEYS:]
            answer: Any = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": [_key(name) for name in keys], "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._table, []):
                loop = _loop(item)
                found[loop.human_loop_name] = loop
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            names += [key["humanLoopName"]["S"] for key in left]
        return found

    def open(self, loop: Loop) -> Loop | None:
        """Write a row for a loop that is about to start, unless there is one.

        A row that tells of a refused start does not count: nothing was started under its name. To a restart it does,
        unless it is the same restart's: whether a name is another's must not change from one try to the next.

        Returns:
            None when the row was written, otherwise the row that was there already, untouched.
        """
        moment = now()
        # Rows without createdAt would be missing in both indexes.
        row = loop.model_copy(update={"created_at": loop.created_at or moment, "updated_at": moment})
        same = {":previous": {"S": loop.previous_loop_name}} if loop.previous_loop_name else {}
        refused = "#status = :refused" + (" AND previousLoopName = :previous" if same else "")
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_attributes(row),
                ConditionExpression=f"attribute_not_exists(humanLoopName) OR ({refused})",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":refused": {"S": "Refused"}, **same},
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return self.find(loop.human_loop_name)
        return None

    def update(self, human_loop_name: str, *, only_while: tuple[str, ...] = (), **changes: Any) -> bool:
        """Set attributes (named as the fields of `Loop`) of a row; a value of None removes the attribute.

        Args:
            human_loop_name: The row.
            only_while: Change nothing unless the row's status is one of these.
            changes: The new values.

        Returns:
            False when there is no such row or `only_while` did not hold, so nothing was changed.
        """
        change = _Change(human_loop_name)
        change.set_all(changes)
        if only_while:
            change.only_if_in("status", sorted(only_while))
        return self._make(change)

    def settle(self, loop: Loop, claims: Collection[str] = (), **changes: Any) -> bool:
        """Set attributes of a row and mark claims of it as done, if nobody changed the row since it was read.

        Returns:
            False when somebody did, so nothing was changed.
        """
        change = _Change(loop.human_loop_name)
        change.set_all(changes)
        for claim in claims:
            change.set_state(claim, "done")
        if loop.updated_at:
            change.only_if_in("updatedAt", [loop.updated_at])
        return self._make(change)

    def release(self, human_loop_name: str, claim: str, execution: str, **changes: Any) -> bool:
        """Give back a claim that `execution` holds, so that the status change can be taken again.

        Args:
            human_loop_name: The row.
            claim: `creationTime status`.
            execution: ARN of the execution.
            changes: Attributes to set with it, named as the fields of `Loop`.

        Returns:
            False when that execution does not hold it (any more).
        """
        change = _Change(human_loop_name)
        change.set_all(changes)
        change.set_state(claim, "released")
        change.only_if_held(claim, execution)
        return self._make(change)

    def lineage(self, loop: Loop) -> list[Loop]:
        """The loops before this one, oldest first, and the loop itself. A row that is gone ends the walk."""
        return [*reversed(self._walk(loop, "previous_loop_name")), loop]

    def restarts(self, loop: Loop) -> list[Loop]:
        """The loops that this one was started again as, oldest first. A row that is gone ends the walk."""
        return self._walk(loop, "next_loop_name")

    def _walk(self, loop: Loop, link: str) -> list[Loop]:
        passed, seen, row = [], {loop.human_loop_name}, loop
        while (name := getattr(row, link)) and name not in seen and (found := self.find(name)):
            passed.append(row := found)
            seen.add(name)
        return passed

    def select(
        self,
        *,
        status: str | None = None,
        flow_definition_arn: str | None = None,
        outcome: str | None = None,
        created_before: str | None = None,
        newest_first: bool = False,
    ) -> Iterator[Loop]:
        """The loops for which all that is given holds, in the order of `created_at`.

        With a status, a flow definition or an outcome the loops are read from the index that has the fewest of them,
        as far as that is known, and come as they are read. With none of them the whole table is read first.
        """
        wanted = {"status": status, "flowDefinitionArn": flow_definition_arn, "outcome": outcome}
        given = {attribute: value for attribute, value in wanted.items() if value is not None}
        created = [] if created_before is None else [Key("createdAt").lte(created_before)]
        if not given:
            return self._scan(created, newest_first)
        # Few loops wait for a person or are under way; of the rest a flow definition has the fewer.
        by = next(
            attribute
            for attribute, is_narrow in (
                ("outcome", outcome in ("escalated", "failed")),
                ("status", status in ("Starting", "InProgress")),
                ("flowDefinitionArn", flow_definition_arn is not None),
                ("status", status is not None),
                ("outcome", True),
            )
            if is_narrow
        )
        key, where = Key(by).eq(given.pop(by)), [Attr(name).eq(value) for name, value in given.items()]
        return self._query(by, [key, *created], where, newest_first)

    def _query(
        self, by: str, key: Sequence[ConditionBase], where: Sequence[ConditionBase], newest_first: bool
    ) -> Iterator[Loop]:
        order = {"IndexName": _INDEXES[by], "ScanIndexForward": not newest_first}
        return self._read("query", order, key, where)

    def _scan(self, where: Sequence[ConditionBase], newest_first: bool) -> Iterator[Loop]:
        # Not every item of the table is the row of a loop.
        rows = self._read("scan", {}, [], [Attr("status").exists(), *where])
        yield from sorted(rows, key=lambda loop: loop.created_at or "", reverse=newest_first)

    def created(self) -> datetime:
        """When the table was made: what ended before, the stage cannot have missed."""
        return self._client.describe_table(TableName=self._table)["Table"]["CreationDateTime"]

    def _read(
        self,
        operation: Any,
        request: Mapping[str, Any],
        key: Sequence[ConditionBase],
        where: Sequence[ConditionBase],
    ) -> Iterator[Loop]:
        request = {"TableName": self._table, **request}
        builder = ConditionExpressionBuilder()
        for field, terms in (("KeyConditionExpression", key), ("FilterExpression", where)):
            if terms:
                built = builder.build_expression(functools.reduce(operator.and_, terms))
                request[field] = built.condition_expression
                request.setdefault("ExpressionAttributeNames", {}).update(built.attribute_name_placeholders)
                # DynamoDB refuses empty ExpressionAttributeValues, as for a scan for all rows with a status.
                if values := built.attribute_value_placeholders:
                    request.setdefault("ExpressionAttributeValues", {}).update(
                        (place, TypeSerializer().serialize(value)) for place, value in values.items()
                    )
        for page in self._client.get_paginator(operation).paginate(**request):
            for item in page["Items"]:
                yield _loop(item)

    def _make(self, change: _Change) -> bool:
        try:
            self._client.update_item(TableName=self._table, **change.request())
        except ClientError as error:
            if not _condition_failed(error):
                raise
            return False
        return True


def now() -> str:
    """This moment as the ledger writes times: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Change:
    """One conditional update of a row. It never makes a row."""

    def __init__(self, human_loop_name: str) -> None:
        self._name = human_loop_name
        self._sets = ["#updatedAt = :now"]
        self._removes: list[str] = []
        self._conditions = ["attribute_exists(humanLoopName)"]
        self._names = {"#updatedAt": "updatedAt"}
        self._values: dict[str, Any] = {":now": {"S": now()}}

    def set_all(self, changes: Mapping[str, Any]) -> None:
        for field, value in changes.items():
            attribute = to_camel(field)
            self._names[f"#{attribute}"] = attribute
            if value is None:
                self._removes.append(f"#{attribute}")
            else:
                self._values[f":{attribute}"] = TypeSerializer().serialize(value)
                self._sets.append(f"#{attribute} = :{attribute}")

    def set_state(self, claim: str, state: str) -> None:
        place = self._claim(claim)
        self._values[f":{state}"] = {"S": state}
        self._sets.append(f"{place}.#state = :{state}")

    def only_if_in(self, attribute: str, values: Sequence[str]) -> None:
        self._names["#only"] = attribute
        places = {f":only{number}": {"S": value} for number, value in enumerate(values)}
        self._values |= places
        self._conditions.append(f"#only IN ({', '.join(places)})")

    def only_if_held(self, claim: str, execution: str) -> None:
        place = self._claim(claim)
        self._names["#execution"] = "execution"
        self._values |= {":execution": {"S": execution}, ":working": {"S": "working"}}
        self._conditions.append(f"{place}.#execution = :execution AND {place}.#state = :working")

    def _claim(self, claim: str) -> str:
        self._names["#state"] = "state"
        for place, name in self._names.items():
            if name == _CLAIM + claim:
                return place
        place = f"#claim{len(self._names)}"
        self._names[place] = _CLAIM + claim
        return place

    def request(self) -> dict[str, Any]:
        removes = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        return {
            "Key": _key(self._name),
            "UpdateExpression": f"SET {', '.join(self._sets)}{removes}",
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }


def _key(human_loop_name: str) -> Any:
    return {"humanLoopName": {"S": human_loop_name}}


def _attributes(loop: Loop) -> dict[str, Any]:
    plain = loop.model_dump(by_alias=True, exclude_none=True, exclude={"claims"})
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}


def _loop(item: Mapping[str, Any]) -> Loop:
    plain = {name: _plain(TypeDeserializer().deserialize(value)) for name, value in item.items()}
    plain["claims"] = {
        name.removeprefix(_CLAIM): value for name, value in plain.items() if name.startswith(_CLAIM)
    }
    return Loop.model_validate(plain)


def _plain(value: Any) -> Any:
    """DynamoDB's numbers as Python's own, so that a row can be written as JSON."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
