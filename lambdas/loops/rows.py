"""Items of the ledger's table as Python values, and the error of an item that cannot be read.

Anybody with access to the table can put anything into it. So every reader of the ledger expects an odd item: it costs
that item and nothing else, and it is reported by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lambdas.loops.visible import visible
from lambdas.reviews.errors import shortened

__all__ = ["UnreadableRow", "plain_values"]


MAX_PROBLEM = 300
"""Characters of what is wrong with an attribute. Its name can have 64 KB."""


class UnreadableRow(Exception):
    """An item of the ledger cannot be read. The message says which attribute is wrong, and what to do.

    Attributes:
        key: The key of the item. For a row, that is the loop's name.
        problem: Each attribute that is wrong, and why.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(
            f"human loop {shortened(key, 200)}: its item in the ledger's table cannot be read: {problem}; correct the "
            "item, or delete it"
        )
        self.key = key
        self.problem = problem

    @classmethod
    def of(cls, key: str, error: ValidationError) -> UnreadableRow:
        """Returns the error for an item that is not a row. Values are not quoted: an item can hold anything."""
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        words = [f"{visible('.'.join(map(str, one['loc'])), 100)}: {one['msg']}" for one in problems[:3]]
        if len(problems) > len(words):
            words.append(f"and {len(problems) - len(words)} more")
        return cls(key, "; ".join(words))


def plain_values(item: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the attributes of an item as JSON values: numbers as int or float, sets as lists, and of
    bytes only how many they are.

    Args:
        item: An item as DynamoDB's API returns it: `{"attempt": {"N": "1"}}`.

    Raises:
        UnreadableRow: An attribute is not a value of DynamoDB.
    """
    from boto3.dynamodb.types import TypeDeserializer  # boto3 is slow to import, and help does not need it.

    plain, values = {}, TypeDeserializer()
    for name, value in item.items():
        try:
            plain[name] = _plain(values.deserialize(value))
        except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise UnreadableRow(key_of(item), visible(f"{name}: {error}", MAX_PROBLEM)) from error
    return plain


def key_of(item: Mapping[str, Any]) -> str:
    """Returns the key of an item of the ledger's table."""
    return str(item["humanLoopName"]["S"])


def _plain(value: Any) -> Any:
    # DynamoDB's numbers are Decimals, which JSON does not have.
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, set):
        return sorted(map(_plain, value))
    if value is None or isinstance(value, str | bool):
        return value
    from boto3.dynamodb.types import Binary

    return {"bytes": len(value.value)} if isinstance(value, Binary) else value  # type: ignore[attr-defined]
