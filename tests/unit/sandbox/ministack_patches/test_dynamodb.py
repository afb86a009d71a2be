"""What DynamoDB refuses. Each test fails without the correction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ministack_patches import dynamodb as corrections


@pytest.fixture
def table(ministack: None) -> str:
    from ministack.services import dynamodb

    corrections.correct()
    dynamodb._create_table(
        {
            "TableName": "table",
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    return "table"


def call(operation: str, **request: Any) -> str | None:
    """Calls an operation on the table. Returns the message of its error, if any."""
    from ministack.services import dynamodb

    status, _, body = getattr(dynamodb, operation)({"TableName": "table", **request})
    return None if status == 200 else str(json.loads(body)["message"])


VALUES = {"ExpressionAttributeValues": {":v": {"S": "a"}}}


@pytest.mark.parametrize(
    ("operation", "request_", "problem"),
    [
        (
            "_scan",
            {"FilterExpression": "status = :v"},
            "Invalid FilterExpression: Attribute name is a reserved",
        ),
        (
            "_query",
            {"KeyConditionExpression": "k = :v AND name = :v"},
            "Invalid KeyConditionExpression: Attribute",
        ),
        ("_scan", {"FilterExpression": "= :v"}, "Invalid FilterExpression: Syntax error"),
        ("_scan", {"FilterExpression": "begins_with(a, :v)"}, None),
        ("_query", {"KeyConditionExpression": "k = :v"}, None),
    ],
)
def test_invalid_expression_is_refused_without_items(table, operation, request_, problem):
    found = call(operation, **request_, **VALUES)
    assert found is None if problem is None else str(found).startswith(problem)


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("SET a = :v, a = :v", ("[a]", "[a]")),
        ("SET a = :v REMOVE a.b", ("[a]", "[a, b]")),
        ("SET l[0] = :v, l[0].b = :v", ("[l, [0]]", "[l, [0], b]")),
        ("SET a = :v, b = if_not_exists(a, :v) REMOVE c", None),
    ],
)
def test_update_of_overlapping_paths_is_refused(table, expression, paths):
    key = {"k": {"S": "a"}}
    found = call("_update_item", Key=key, UpdateExpression=expression, **VALUES)
    if paths is None:
        assert found is None
    else:
        assert str(found).endswith(f"path one: {paths[0]}, path two: {paths[1]}")
