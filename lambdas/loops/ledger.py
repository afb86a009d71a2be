"""The ledger: one DynamoDB item per human loop. At run time only this module, `waiting.py`,
`marks.py` and `reports.py` access the table.

The state machine writes to the same table with direct integrations (claims and outcomes, see
`workflow/parts/records.py`). `loop.py` has what an item holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from boto3.dynamodb.conditions import Attr, ConditionBase
from boto3.dynamodb.types import TypeSerializer
from pydantic.alias_generators import to_camel

from lambdas.loops import names as loop_names
from lambdas.loops.bounded import MAX_ATTRIBUTE, MAX_CALLER, bounded
from lambdas.loops.identity import is_about, own_key, own_keys
from lambdas.loops.index_query import IndexQuery, expressions
from lambdas.loops.loop import CLAIM, EXECUTION, OPERATOR, Loop, OperatorAction
from lambdas.loops.rows import UnreadableRow
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["MAX_OPERATOR_ACTIONS", "Ledger", "OnUnreadable", "RowPage", "now"]

OnUnreadable = Callable[[UnreadableRow], object]
"""Called with each row that is left out because it cannot be read. Whoever leaves out a row has to report it."""

_MAX_BATCH = 100
"""The limit of BatchGetItem."""
MAX_OPERATOR_ACTIONS = 50
"""Commands of operators that a row keeps, of 500 bytes each at most. The result of a claim, which has the whole row,
has at most 256 KB."""
_MAX_KEY = 2048
"""Bytes of a partition key ("Quotas in Amazon DynamoDB"). DynamoDB refuses to look for a longer one."""


@dataclass(frozen=True)
class RowPage:
    """Some rows of a query.

    Attributes:
        loops: The loops, in the order of the query.
        read: How many rows DynamoDB read for them: `where` leaves out some.
        end: DynamoDB's key of the last row that it read, from which the query continues; None at the end.
    """

    loops: list[Loop]
    read: int
    end: Mapping[str, Any] | None


def _raise(problem: UnreadableRow) -> NoReturn:
    raise problem


class Ledger:
    """The ledger's table.

    Methods raise `botocore.exceptions.ClientError` if DynamoDB refuses a call. A failed condition is not an error:
    the method's return value reports it. Methods that read one row raise `UnreadableRow` if it cannot be read; methods
    that read several leave it out, and call `unreadable` with it.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def find(self, human_loop_name: str) -> Loop | None:
        """Returns the loop with that name (a consistent read), or None if the ledger has no such row.

        Raises:
            UnreadableRow: The row cannot be read.
        """
        if not _can_be_key(human_loop_name):
            return None
        answer = self._client.get_item(TableName=self._table, Key=_key(human_loop_name), ConsistentRead=True)
        item = answer.get("Item", {})
        # Other items of the table, such as tokens, have no status.
        return Loop.of(item) if "status" in item else None

    def find_all(self, human_loop_names: Sequence[str], unreadable: OnUnreadable) -> dict[str, Loop]:
        """Returns the loops with those names (consistent reads), by name. Names without a row are left out."""
        found = {}
        # BatchGetItem refuses duplicate keys.
        names = [name for name in dict.fromkeys(human_loop_names) if _can_be_key(name)]
        while names:
            keys, names = names[:_MAX_BATCH], names[_MAX_BATCH:]
            answer: Any = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": [_key(name) for name in keys], "ConsistentRead": True}}
            )
            for loop in _loops(answer["Responses"].get(self._table, []), unreadable):
                found[loop.human_loop_name] = loop
            # DynamoDB returns at most 16 MB, and fewer items when it is throttled.
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            names += [key["humanLoopName"]["S"] for key in unprocessed]
        return found

    def find_loop(self, human_loop_name: str, created: str) -> Loop | None:
        """Returns the loop with that name and creation time (ISO 8601), or None if the ledger has no row of it.

        Raises:
            UnreadableRow: The row cannot be read.
        """
        return self.find_loops([(human_loop_name, created)], _raise).get((human_loop_name, created))

    def find_loops(
        self, loops: Sequence[tuple[str, str]], unreadable: OnUnreadable
    ) -> dict[tuple[str, str], Loop]:
        """Returns the loops with those names and creation times, by both. Loops without a row are left out.

        A second read is needed only for names that were used again (`lambdas.loops.identity`).
        """
        rows = self.find_all([name for name, _ in loops], unreadable)
        found = {
            (name, created): row
            for name, created in loops
            if (row := rows.get(name)) and is_about(row, created)
        }
        others = [loop for loop in loops if loop not in found and loop[0] in rows]
        own = self.find_all([key for loop in others for key in own_keys(*loop)], unreadable)
        for name, created in others:
            for key in own_keys(name, created):
                if (row := own.get(key)) and is_about(row, created):
                    found.setdefault((name, created), row)
        return found

    def open(self, loop: Loop) -> Loop | None:
        """Writes the row of a loop that is about to start, unless the name has a row.

        The row of a refused start is overwritten, because no loop has the name. A restart overwrites only its own
        refused row: otherwise a retry of the restart could find its name taken now and free a moment later.

        Returns:
            None if the row was written; otherwise the existing row, unchanged.
        """
        moment = now()
        # createdAt is the sort key of all indexes. They leave out rows without it.
        row = loop.model_copy(update={"created_at": loop.created_at or moment, "updated_at": moment})
        refused = "#status = :refused"
        values = {":refused": {"S": "Refused"}}
        if loop.previous_loop_name:
            refused += " AND previousLoopName = :previous"
            values[":previous"] = {"S": loop.previous_loop_name}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_attributes(row),
                ConditionExpression=f"attribute_not_exists(#status) OR ({refused})",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return self.find(loop.human_loop_name)
        return None

    def adopt(self, human_loop_name: str, created: datetime, flow_definition_arn: str) -> str | None:
        """Writes a row for a loop in progress that has none, so that it is open in the ledger.

        Either Afterloop did not start the loop, or the table was restored to a time before that. If the loop has the
        name of a restart of a loop that the ledger has, its row says so: the restart must not be made again.

        Returns:
            The key of the row; None if the loop has one by now.

        Raises:
            UnreadableRow: The row that has the name cannot be read.
        """
        at = timestamp(created)
        restart = self._as_restart(human_loop_name)
        for key in (human_loop_name, own_key(human_loop_name, at)):
            row = Loop(
                human_loop_name=key,
                flow_definition_arn=flow_definition_arn,
                status="InProgress",
                created_at=at,
                loop_created_at=at,
                **(restart if key == human_loop_name else {}),
            )
            existing = self.open(row)
            if existing is None:
                if row.previous_loop_name:
                    self.update(row.previous_loop_name, next_loop_name=key)
                return key
            if is_about(existing, at):
                return None
        return None

    def _as_restart(self, human_loop_name: str) -> dict[str, Any]:
        """Returns the attributes of a restart, from the row of the loop before it; none if there is no such row."""
        before = loop_names.restarted_from(human_loop_name)
        row = self.find(before[0]) if before else None
        if row is None or before is None or row.attempt != before[1]:
            return {}
        if row.next_loop_name not in (None, human_loop_name):
            return {}
        if loop_names.of_restart(row.root, row.attempt + 1) != human_loop_name:
            return {}
        return {
            "attempt": row.attempt + 1,
            "previous_loop_name": row.human_loop_name,
            "root_loop_name": row.root,
            **{
                name: getattr(row, name)
                for name in ("input_digest", "input_location", "max_attempts", "task_type")
            },
        }

    def update(
        self,
        human_loop_name: str,
        *,
        only_while: tuple[str, ...] = (),
        only_after: str | None = None,
        **changes: Any,
    ) -> bool:
        """Sets attributes of a row. A value of None removes the attribute.

        Args:
            human_loop_name: The row.
            only_while: Statuses. The row is changed only if it has one of them; without statuses, always.
            only_after: An outcome. The row is changed only if it has it; without an outcome, always.
            changes: The new values, named like the fields of `Loop`.

        Returns:
            False if nothing was changed: there is no such row, or it has another status or outcome.
        """
        only_if = {"status": only_while, "outcome": (only_after,) if only_after else ()}
        return self._write(
            human_loop_name, changes, only_if={name: values for name, values in only_if.items() if values}
        )

    def settle(
        self,
        loop: Loop,
        claims: Collection[str] = (),
        *,
        action: OperatorAction | None = None,
        **changes: Any,
    ) -> bool:
        """Sets attributes of a row and marks claims as done, if the row has not changed since it was read.

        Args:
            loop: The row, as it was read.
            claims: The claims.
            action: The command of an operator that does this; see `record_action`.
            changes: The new values, named like the fields of `Loop`.

        Returns:
            False if nothing was changed, because the row was changed in the meantime.
        """
        return self._write(
            loop.human_loop_name,
            changes,
            claims=dict.fromkeys(claims, "done"),
            unchanged=loop,
            action=_NewAction.of(loop, action) if action else None,
        )

    def update_figures(self, human_loop_name: str, review_location: str, figures: Mapping[str, Any]) -> bool:
        """Sets the figures of a review that was made again, and nothing else.

        Args:
            human_loop_name: The row.
            review_location: The review. The row is changed only if it points to it.
            figures: The figures (`lambdas.reviews.summary.ReviewSummary.ledger_figures`); None removes one.

        Returns:
            False if nothing was changed: there is no such row, or it points to no review or to another one.
        """
        # 15 digits, as in the figures that the state machine writes. DynamoDB takes no float.
        exact = {
            name: Decimal(f"{value:.15g}") if isinstance(value, float) else value
            for name, value in figures.items()
        }
        sets = [f"#review.#{name} = :{name}" for name, value in exact.items() if value is not None]
        removes = [f"#review.#{name}" for name, value in exact.items() if value is None]
        values = {
            f":{name}": TypeSerializer().serialize(value)
            for name, value in exact.items()
            if value is not None
        }
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(human_loop_name),
                UpdateExpression=f"SET {', '.join(sets)}"
                + (f" REMOVE {', '.join(removes)}" if removes else ""),
                ConditionExpression="#location = :location AND attribute_type(#review, :map)",
                ExpressionAttributeNames={
                    "#review": "review",
                    "#location": "reviewLocation",
                    **{f"#{name}": name for name in exact},
                },
                ExpressionAttributeValues={
                    **values,
                    ":location": {"S": review_location},
                    ":map": {"S": "M"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def release(
        self,
        human_loop_name: str,
        claim: str,
        execution: str,
        *,
        done_in: Loop | None = None,
        **changes: Any,
    ) -> bool:
        """Releases a claim that `execution` holds, so that another execution can process the status change.

        Args:
            human_loop_name: The row.
            claim: `creationTime status`.
            execution: ARN of the execution.
            done_in: The row as it was read, if the execution has marked the claim as done in it. The claim is
                released only if the row has not changed since.
            changes: Attributes to set at the same time, named like the fields of `Loop`.

        Returns:
            False if nothing was changed, because the execution does not hold the claim, or the row has changed.
        """
        return self._write(
            human_loop_name,
            changes,
            claims={claim: "released"},
            unchanged=done_in,
            held_by=execution,
            held_as="done" if done_in else "working",
        )

    def record_action(self, loop: Loop, action: OperatorAction) -> None:
        """Adds a command of an operator to a row, and removes the oldest ones of too many.

        It is written before the command does anything: otherwise a crash in between would hide who did it. So an entry
        says that the command was run, and not that it succeeded. Each entry is an attribute of its own, so that two
        operators who write at the same time lose none, and `updatedAt` stays, so that what else is written on the
        condition that the row has not changed still is.

        Args:
            loop: The row, as it was read. If there is none any more, nothing is written.
            action: The command.
        """
        new = _NewAction.of(loop, action)
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=_key(loop.human_loop_name),
                UpdateExpression="SET #newAction = :newAction"
                + (f" REMOVE {', '.join(new.removes)}" if new.removes else ""),
                ConditionExpression="attribute_exists(humanLoopName)",
                ExpressionAttributeNames=new.names,
                ExpressionAttributeValues=new.values,
            )

    def forget_executions(self, human_loop_name: str, executions: Sequence[str]) -> None:
        """Removes executions from a row (`Loop.executions`), so that it does not grow without end.

        Args:
            human_loop_name: The row. If there is none, nothing is written.
            executions: Their ARNs, at most 300: an expression has at most 4 KB.
        """
        names = {f"#e{number}": EXECUTION + arn for number, arn in enumerate(executions)}
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.update_item(
                TableName=self._table,
                Key=_key(human_loop_name),
                UpdateExpression=f"REMOVE {', '.join(names)}",
                ConditionExpression="attribute_exists(humanLoopName)",
                ExpressionAttributeNames=names,
            )

    def lineage(self, loop: Loop, unreadable: OnUnreadable = _raise) -> list[Loop]:
        """Returns the loops before this one, oldest first, and the loop itself.

        The walk stops at a missing row, and at one that cannot be read.

        Raises:
            UnreadableRow: A row cannot be read, and the caller did not pass `unreadable`.
        """
        return [*reversed(self._walk(loop, "previous_loop_name", unreadable)), loop]

    def restarts(self, loop: Loop, unreadable: OnUnreadable = _raise) -> list[Loop]:
        """Returns the restarts of this loop, oldest first. Stops as `lineage` does, and raises the same error."""
        return self._walk(loop, "next_loop_name", unreadable)

    def _walk(self, loop: Loop, link: str, unreadable: OnUnreadable) -> list[Loop]:
        passed, seen, row = [], {loop.human_loop_name}, loop
        try:
            # `seen` ends a walk in a circle, which a person who edits the table can make.
            while (name := getattr(row, link)) and name not in seen and (found := self.find(name)):
                passed.append(row := found)
                seen.add(name)
        except UnreadableRow as problem:
            unreadable(problem)
        return passed

    def select(
        self,
        *,
        status: str | None = None,
        flow_definition_arn: str | None = None,
        outcome: str | None = None,
        created_before: str | None = None,
        newest_first: bool = False,
        unreadable: OnUnreadable,
    ) -> Iterator[Loop]:
        """Yields the loops that match all given values, sorted by `created_at`.

        Rows that cannot be read are left out, and passed to `unreadable`, as in all methods that read several rows.

        With a status, a flow definition or an outcome, the loops come from the index that is likely to have the
        fewest matches, page by page. Otherwise the whole table is read first.
        """
        if (status, flow_definition_arn, outcome) == (None, None, None):
            # The table also has items with task tokens. Only rows of loops have a status.
            where: list[ConditionBase] = [Attr("status").exists()]
            if created_before is not None:
                where.append(Attr("createdAt").lte(created_before))
            rows = self._read("scan", expressions(FilterExpression=where), unreadable)
            yield from sorted(rows, key=lambda loop: loop.created_at or "", reverse=newest_first)
            return
        query = IndexQuery.of(
            status=status,
            flow_definition_arn=flow_definition_arn,
            outcome=outcome,
            last=created_before,
            newest_first=newest_first,
        )
        yield from self._read("query", query.request(), unreadable)

    def changed_since(self, time: str, unreadable: OnUnreadable) -> Iterator[Loop]:
        """Yields the rows that were written at this time or later, and those of loops that have not ended.

        Reads the whole table, in no order.
        """
        is_open = Attr("status").is_in(["Starting", "InProgress"])
        where = [Attr("status").exists(), Attr("updatedAt").gte(time) | is_open]
        yield from self._read("scan", expressions(FilterExpression=where), unreadable)

    def page(
        self,
        query: IndexQuery,
        unreadable: OnUnreadable,
        *,
        limit: int,
        after: Mapping[str, Any] | None = None,
    ) -> RowPage:
        """Returns some rows of a query, with one call of DynamoDB.

        Args:
            query: Which rows.
            unreadable: Called with the rows that cannot be read, which are left out.
            limit: How many rows DynamoDB reads at most; fewer if they have more than 1 MB.
            after: The `end` of the page before this one.
        """
        start: Any = {"ExclusiveStartKey": dict(after)} if after else {}
        answer = self._client.query(TableName=self._table, Limit=limit, **start, **query.request())
        loops = list(_loops(answer["Items"], unreadable))
        return RowPage(loops, answer["ScannedCount"], answer.get("LastEvaluatedKey"))

    def created(self) -> datetime:
        """Returns when the table was created. The stage cannot have missed a loop that ended before."""
        return self._client.describe_table(TableName=self._table)["Table"]["CreationDateTime"]

    def _read(self, operation: Any, request: Mapping[str, Any], unreadable: OnUnreadable) -> Iterator[Loop]:
        for page in self._client.get_paginator(operation).paginate(TableName=self._table, **request):
            yield from _loops(page["Items"], unreadable)

    def _write(
        self,
        human_loop_name: str,
        changes: Mapping[str, Any],
        *,
        claims: Mapping[str, str] = {},
        only_if: Mapping[str, Sequence[str]] = {},
        unchanged: Loop | None = None,
        held_by: str | None = None,
        held_as: str = "working",
        action: _NewAction | None = None,
    ) -> bool:
        """Updates a row in one conditional write. Never creates a row.

        Args:
            human_loop_name: The row.
            changes: New values by field of `Loop`; None removes the attribute.
            claims: New states of claims, by `creationTime status`.
            only_if: Attributes, each with the values it must have.
            unchanged: The row as it was read. The time of its last write, its outcome and the claims must be the same:
                the time alone is not enough, because the workflow writes the time at which it entered a state.
            held_by: The execution that must hold all of the claims.
            held_as: The state in which it must hold them.
            action: A command of an operator to add.

        Returns:
            False if a condition failed.
        """
        sets, removes, conditions = ["#updatedAt = :now"], [], ["attribute_exists(humanLoopName)"]
        names: dict[str, str] = {"#updatedAt": "updatedAt"}
        values: dict[str, Any] = {":now": {"S": now()}}
        for field, value in changes.items():
            attribute = to_camel(field)
            names[f"#{attribute}"] = attribute
            if value is None:
                removes.append(f"#{attribute}")
            else:
                values[f":{attribute}"] = _serialized(value)
                sets.append(f"#{attribute} = :{attribute}")
        for number, (claim, state) in enumerate(claims.items()):
            # A claim's name has spaces, colons and a dot, so it needs a placeholder.
            names |= {f"#claim{number}": CLAIM + claim, "#state": "state"}
            values[f":state{number}"] = {"S": state}
            sets.append(f"#claim{number}.#state = :state{number}")
            if held_by is not None:
                names["#execution"] = "execution"
                values |= {":holder": {"S": held_by}, ":held": {"S": held_as}}
                conditions.append(f"#claim{number}.#execution = :holder AND #claim{number}.#state = :held")
            elif unchanged is not None and (was := unchanged.claims.get(claim)):
                names["#execution"] = "execution"
                values |= {f":by{number}": {"S": was["execution"]}, f":was{number}": {"S": was["state"]}}
                conditions.append(
                    f"#claim{number}.#execution = :by{number} AND #claim{number}.#state = :was{number}"
                )
        if action is not None:
            names |= action.names
            values |= action.values
            sets.append("#newAction = :newAction")
            removes += action.removes
        if unchanged is not None:
            names["#outcome"] = "outcome"
            if unchanged.outcome is None:
                conditions.append("attribute_not_exists(#outcome)")
            else:
                values[":wasOutcome"] = {"S": unchanged.outcome}
                conditions.append("#outcome = :wasOutcome")
            if unchanged.updated_at:
                only_if = {**only_if, "updatedAt": [unchanged.updated_at]}
        for attribute, allowed in only_if.items():
            names[f"#{attribute}"] = attribute
            places = {f":{attribute}{number}": {"S": value} for number, value in enumerate(allowed)}
            values |= places
            conditions.append(f"#{attribute} IN ({', '.join(places)})")
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(human_loop_name),
                UpdateExpression=f"SET {', '.join(sets)}"
                + (f" REMOVE {', '.join(removes)}" if removes else ""),
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


@dataclass(frozen=True)
class _NewAction:
    """How an update adds a command of an operator to a row."""

    names: dict[str, str]
    values: dict[str, Any]
    removes: list[str]

    @classmethod
    def of(cls, loop: Loop, action: OperatorAction) -> _NewAction:
        action = action.model_copy(update={"by": bounded(action.by, MAX_CALLER)})
        kept = [one.key for one in loop.operator_actions if one.key != action.key]
        too_many = kept[: max(0, len(kept) + 1 - MAX_OPERATOR_ACTIONS)]
        removed = {f"#oldAction{number}": OPERATOR + key for number, key in enumerate(too_many)}
        names = {"#newAction": OPERATOR + action.key, **removed}
        return cls(names, {":newAction": _serialized(action.model_dump())}, list(removed))


def now() -> str:
    """Returns the current time as the ledger writes times: ISO 8601, UTC, milliseconds."""
    return timestamp(datetime.now(UTC))


def _can_be_key(human_loop_name: str) -> bool:
    """Whether an item can have this key. Names in events and in addresses of pages come from outside."""
    try:
        return 0 < len(human_loop_name.encode()) <= _MAX_KEY
    except UnicodeEncodeError:  # Half of a surrogate pair, which JSON can have.
        return False


def _key(human_loop_name: str) -> Any:
    return {"humanLoopName": {"S": human_loop_name}}


def _attributes(loop: Loop) -> dict[str, Any]:
    plain = loop.model_dump(
        by_alias=True, exclude_none=True, exclude={"claims", "executions", "operator_actions"}
    )
    return {name: _serialized(value) for name, value in plain.items()}


def _serialized(value: Any) -> Any:
    """Returns a value as DynamoDB's API takes it. An item has at most 400 KB, so each text in it is bounded."""
    return TypeSerializer().serialize(bounded(value, MAX_ATTRIBUTE) if isinstance(value, str) else value)


def _loops(items: Iterable[Mapping[str, Any]], unreadable: OnUnreadable) -> Iterator[Loop]:
    for item in items:
        if "status" not in item:
            continue  # not a row, as in `find`
        try:
            yield Loop.of(item)
        except UnreadableRow as problem:
            unreadable(problem)
