"""The claim of a status change, on a table: who gets it, and which events are not claimed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.loops.ledger import Ledger
from tests.unit.doubles import REGION, create_ledger_table
from tests.unit.steps import Steps

CREATED = "2026-03-04T05:06:07.890Z"
CLAIMED = ["Claim status change", "Route by status"]
UNCLAIMED = ["Claim status change", "Escalate unclaimed event"]


class Table:
    """The ledger's table and the machine's steps on it."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb", region_name=REGION)
        self.name = create_ledger_table(self.dynamodb)
        self.ledger = Ledger(self.dynamodb, self.name)
        self.steps = Steps(self.dynamodb, self.name)

    def items(self) -> dict[str, Any]:
        return {item["humanLoopName"]["S"]: item for item in self.dynamodb.scan(TableName=self.name)["Items"]}


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        yield Table()


def event(name: Any = "loop", status: str = "Completed", created: str = CREATED, **detail: Any) -> Any:
    return {"detail": {"humanLoopName": name, "humanLoopStatus": status, "creationTime": created, **detail}}


def test_claim_sets_outcome_processing_and_removes_earlier_reason(table: Table) -> None:
    table.steps.run(event(), "arn:1")
    table.ledger.release("loop", f"{CREATED} Completed", "arn:1", outcome="failed", reason="no output")
    assert table.steps.run(event(), "arn:2").states == CLAIMED

    loop = table.ledger.find("loop")
    assert loop is not None
    assert (loop.status, loop.outcome, loop.reason, loop.execution) == (
        "Completed",
        "processing",
        None,
        "arn:2",
    )
    assert [one.human_loop_name for one in table.ledger.select(outcome="processing")] == ["loop"]


@pytest.mark.parametrize(
    "name", ["tokens loop", "loop 2", "x" * 64, "loop-", "-loop", "loop\n", "läufe", "loop_2", ""]
)
def test_event_with_a_name_that_a2i_does_not_allow_writes_nothing(table: Table, name: str) -> None:
    run = table.steps.run(event(name), "arn:1")
    assert run.states == UNCLAIMED
    assert "$.detail.humanLoopName" in run.failure
    assert table.items() == {}


@pytest.mark.parametrize("name", ["loop", "LOOP--2", "x" * 63])
def test_names_that_a2i_allows_are_claimed(table: Table, name: str) -> None:
    assert table.steps.run(event(name), "arn:1").states == CLAIMED
    assert list(table.items()) == [name]
