"""How long a Query of an index takes. The first test fails without the correction; the second compares both."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.ministack_patches import indexes as corrections

Query = Callable[[dict[str, Any]], Any]


@pytest.fixture
def as_before(ministack: None) -> Query:
    """The correction, and a table with an index. The fixture is MiniStack's own Query."""
    from ministack.services import dynamodb

    own = dynamodb._query
    corrections.correct()
    dynamodb._create_table(
        {
            "TableName": "table",
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in "kps"],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "index",
                    "KeySchema": [
                        {"AttributeName": "p", "KeyType": "HASH"},
                        {"AttributeName": "s", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    return own  # type: ignore[no-any-return]


def put(key: str, partition: str, sort: str, **more: str) -> None:
    from ministack.services import dynamodb

    item = {name: {"S": text} for name, text in {"k": key, "p": partition, "s": sort, **more}.items()}
    assert dynamodb._put_item({"TableName": "table", "Item": item})[0] == 200


def request(condition: str = "", **more: Any) -> dict[str, Any]:
    values = {":p": "a", **{name: text for name, text in (("l", "1"), ("h", "3")) if f":{name}" in condition}}
    return {
        "TableName": "table",
        "IndexName": "index",
        "KeyConditionExpression": f"#p = :p{condition and ' AND '}{condition}",
        "ExpressionAttributeNames": {"#p": "p"},
        "ExpressionAttributeValues": {f":{name.lstrip(':')}": {"S": text} for name, text in values.items()},
        **more,
    }


def pages(query: Query, first: dict[str, Any]) -> list[Any]:
    found = []
    data = first
    while True:
        status, _, body = query(data)
        assert status == 200, body
        found.append(json.loads(body))
        if "LastEvaluatedKey" not in found[-1]:
            return found
        data = {**first, "ExclusiveStartKey": found[-1]["LastEvaluatedKey"]}


def test_query_evaluates_only_the_items_of_its_page(
    as_before: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.services import dynamodb

    for number in range(200):
        put(f"k{number}", "a", f"{number:03}")
    evaluated = []
    evaluate = dynamodb._evaluate_condition
    monkeypatch.setattr(
        dynamodb,
        "_evaluate_condition",
        lambda *given, **more: evaluated.append(1) or evaluate(*given, **more),
    )
    _, _, body = dynamodb._query(request("s >= :l", Limit=5, ScanIndexForward=False))
    assert [item["s"]["S"] for item in json.loads(body)["Items"]] == ["199", "198", "197", "196", "195"]
    assert len(evaluated) <= 6


_TEXTS = st.sampled_from(["0", "1", "1\0", "2", "3", "30", "é"])
_ITEMS = st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("ab"), _TEXTS)


@given(
    items=st.lists(st.one_of(_ITEMS, st.sampled_from("uvwxyz")), max_size=14),
    condition=st.sampled_from(
        [
            "",
            "s = :l",
            "s > :l",
            "s >= :l",
            "s < :h",
            "s <= :h",
            "s BETWEEN :l AND :h",
            "begins_with(s, :h)",
            ":l <= s",
        ]
    ),
    limit=st.one_of(st.none(), st.integers(1, 4)),
    forward=st.booleans(),
    filtered=st.booleans(),
)
def test_query_answers_as_before(
    as_before: Query, items: list[Any], condition: str, limit: int | None, forward: bool, filtered: bool
) -> None:
    """Items are written, changed and deleted (those without keys of the index) between queries."""
    from ministack.services import dynamodb

    for key in "uvwxyz":
        dynamodb._delete_item({"TableName": "table", "Key": {"k": {"S": key}}})
    first = request(condition, ScanIndexForward=forward, **({"Limit": limit} if limit else {}))
    if filtered:
        first |= {"FilterExpression": "k <> :x"}
        first["ExpressionAttributeValues"] = {**first["ExpressionAttributeValues"], ":x": {"S": "v"}}
    for item in items:
        if isinstance(item, str):
            dynamodb._delete_item({"TableName": "table", "Key": {"k": {"S": item}}})
        else:
            put(*item)
        dynamodb._query(request())  # so that the order is kept from now on
    assert pages(dynamodb._query, first) == pages(as_before, first)


def test_page_without_limit_ends_at_1_mb(as_before: Query) -> None:
    from ministack.services import dynamodb

    for number in range(5):
        put(f"k{number}", "a", str(number), text="x" * 300_000)
    assert [page["Count"] for page in pages(dynamodb._query, request())] == [3, 2]
    assert pages(dynamodb._query, request()) == pages(as_before, request())
