"""Queries of the ledger's indexes: which index has the rows, and DynamoDB's expressions for them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeSerializer

__all__ = ["IndexQuery", "expressions"]

_INDEXES = {"status": "by-status", "flowDefinitionArn": "by-flow-definition", "outcome": "by-outcome"}


@dataclass(frozen=True)
class IndexQuery:
    """Rows with given values, sorted by `createdAt`, as one index of the ledger has them.

    Attributes:
        by: The attribute of the index. DynamoDB finds the rows with its value, and reads no others.
        value: Its value.
        where: Other attributes with their values. DynamoDB reads the rows without them, and leaves them out.
        first: The lowest `createdAt`; None for no limit.
        last: The highest `createdAt`; None for no limit.
        newest_first: Whether the highest `createdAt` comes first.
    """

    by: str
    value: str
    where: Mapping[str, str]
    first: str | None = None
    last: str | None = None
    newest_first: bool = False

    @classmethod
    def of(
        cls,
        *,
        status: str | None = None,
        flow_definition_arn: str | None = None,
        outcome: str | None = None,
        first: str | None = None,
        last: str | None = None,
        newest_first: bool = False,
    ) -> IndexQuery:
        """Returns the query of the index that is likely to have the fewest rows for these values, of one or more."""
        wanted = {"status": status, "flowDefinitionArn": flow_definition_arn, "outcome": outcome}
        given = {attribute: value for attribute, value in wanted.items() if value is not None}
        # Few loops need a person or are in progress. For the others, a flow definition is the best choice.
        by = next(
            attribute
            for attribute, is_narrow in (
                ("outcome", outcome in ("processing", "escalated", "failed")),
                ("status", status in ("Starting", "InProgress")),
                ("flowDefinitionArn", flow_definition_arn is not None),
                ("status", status is not None),
                ("outcome", True),
            )
            if is_narrow
        )
        return cls(by, given.pop(by), given, first, last, newest_first)

    def request(self) -> dict[str, Any]:
        """Returns the parameters of DynamoDB's Query."""
        key: list[ConditionBase] = [Key(self.by).eq(self.value)]
        if self.first is not None and self.last is not None:
            # A key has one condition.
            key.append(Key("createdAt").between(self.first, self.last))
        elif self.first is not None:
            key.append(Key("createdAt").gte(self.first))
        elif self.last is not None:
            key.append(Key("createdAt").lte(self.last))
        return {
            "IndexName": _INDEXES[self.by],
            "ScanIndexForward": not self.newest_first,
            **expressions(
                KeyConditionExpression=key,
                FilterExpression=[Attr(name).eq(value) for name, value in self.where.items()],
            ),
        }


def expressions(**expressions: Sequence[ConditionBase]) -> dict[str, Any]:
    """Returns the parameters for expressions, each of conditions that must all be true."""
    request: dict[str, Any] = {}
    builder = ConditionExpressionBuilder()
    for name, terms in expressions.items():
        if terms:
            built = builder.build_expression(functools.reduce(operator.and_, terms))
            request[name] = built.condition_expression
            request.setdefault("ExpressionAttributeNames", {}).update(built.attribute_name_placeholders)
            # DynamoDB refuses empty ExpressionAttributeValues, as for a scan for all rows with a status.
            if values := built.attribute_value_placeholders:
                request.setdefault("ExpressionAttributeValues", {}).update(
                    (place, TypeSerializer().serialize(value)) for place, value in values.items()
                )
    return request
