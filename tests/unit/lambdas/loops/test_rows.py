"""Rows that cannot be read: each reading door of the ledger skips and names them, and returns all others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow, plain_values
from tests.unit.lambdas.conftest import AWS, start_request
from tests.unit.odd_items import odd_items


def put(aws: AWS, **attributes: Any) -> None:
    item = {"humanLoopName": {"S": "odd"}, "createdAt": {"S": "2026"}, "status": {"S": "InProgress"}}
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item | attributes)


ODD = [
    ("attempt", {"S": "three"}, "attempt: Input should be a valid integer"),
    ("attempt", {"N": "1E+125"}, "attempt: Input should be less than or equal to 10000"),
    ("attempt", {"N": "1.5"}, "attempt: Input should be a valid integer"),
    ("reason", {"N": "5"}, "reason: Input should be a valid string"),
    ("inputLocation", {"B": b"x"}, "inputLocation: Input should be a valid string"),
    ("review", {"S": "good"}, "review: Input should be a valid dictionary"),
    ("waiting", {"S": "maybe"}, "waiting: Input should be a valid boolean"),
    ("taskType", {"S": "audio"}, "taskType: Input should be 'custom', 'textract' or 'rekognition'"),
    ("claim t Failed", {"S": "working"}, "claims.t Failed: Input should be a valid dictionary"),
    ("claim t Failed", {"M": {}}, "claims.t Failed.state: Field required"),
    ("claim t Failed", {"M": {"state": {"S": "working"}}}, "claims.t Failed.execution: Field required"),
    ("claim t Failed", {"M": {"state": {"S": "x"}, "execution": {"S": "e"}}}, "claims.t Failed.state: Input"),
]


@pytest.mark.parametrize(("attribute", "value", "problem"), ODD)
def test_odd_row_is_named_and_costs_no_other(aws: AWS, attribute: str, value: Any, problem: str) -> None:
    aws.add_row("good")
    put(aws, **{attribute: value})
    ledger = aws.ledger
    unreadable: list[UnreadableRow] = []
    with pytest.raises(UnreadableRow, match="human loop 'odd': its item") as raised:
        ledger.find("odd")
    assert problem in raised.value.problem
    assert list(ledger.find_all(["odd", "good"], unreadable.append)) == ["good"]
    assert [row.human_loop_name for row in ledger.select(unreadable=unreadable.append)] == ["good"]
    in_progress = ledger.select(status="InProgress", unreadable=unreadable.append)
    assert [row.human_loop_name for row in in_progress] == ["good"]
    assert [str(row) for row in unreadable] == [str(raised.value)] * 3


def test_lineage_ends_at_an_odd_row(aws: AWS) -> None:
    put(aws, attempt={"S": "three"})
    first = aws.add_row("first", next_loop_name="middle")
    aws.add_row("middle", previous_loop_name="first", next_loop_name="odd")
    last = aws.add_row("last", previous_loop_name="odd")
    unreadable: list[UnreadableRow] = []
    assert [row.human_loop_name for row in aws.ledger.restarts(first, unreadable.append)] == ["middle"]
    assert aws.ledger.lineage(last, unreadable.append) == [last]
    assert [row.key for row in unreadable] == ["odd", "odd"]
    # Whoever does not say what to do about it gets the error: a restart must not look like the last one.
    with pytest.raises(UnreadableRow):
        aws.ledger.restarts(first)


def test_tokens_of_the_wrong_type_are_an_error(aws: AWS) -> None:
    item = {"humanLoopName": {"S": "tokens loop"}, "taskTokens": {"L": [{"S": "token"}]}}
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item)
    with pytest.raises(UnreadableRow, match=r"'tokens loop': .* taskTokens: not a set"):
        aws.tokens.of("loop")


@given(item=odd_items())
def test_any_item_is_read_or_named(aws: AWS, item: dict[str, Any]) -> None:
    aws.clients["dynamodb"].put_item(TableName="ledger", Item=item)
    unreadable: list[UnreadableRow] = []
    found = aws.ledger.find_all(["odd"], unreadable.append)
    assert len(found) + len(unreadable) == ("status" in item)
    assert [row.human_loop_name for row in aws.ledger.select(unreadable=unreadable.append)] == list(found)
    assert aws.ledger.lineage(Loop(human_loop_name="b", previous_loop_name="odd"), unreadable.append)


def test_item_with_only_a_key_is_no_row(aws: AWS) -> None:
    aws.clients["dynamodb"].put_item(TableName="ledger", Item={"humanLoopName": {"S": "loop"}})
    assert aws.ledger.find("loop") is None
    aws.starter.start(start_request())
    assert aws.row().status == "InProgress"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"a\nb": {"X": "1"}}, r"a\nb: Dynamodb type X is not supported"),
        ({"claim a\n\x1b[2J": {"S": "x"}}, r"claims.a\n\x1B[2J: Input should be a valid dictionary"),
    ],
)
def test_name_of_an_attribute_stays_on_one_line(item: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnreadableRow) as unreadable:
        Loop.of({"humanLoopName": {"S": "odd"}, **item})
    assert unreadable.value.problem == problem


def test_value_that_dynamodb_does_not_have_is_named() -> None:
    item = {"humanLoopName": {"S": "odd"}, "attempt": {"X": "1"}}
    with pytest.raises(UnreadableRow, match="attempt: Dynamodb type X is not supported"):
        plain_values(item)
