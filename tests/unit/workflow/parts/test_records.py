"""The steps that write the outcome of a status change, repeated or late: what a person has decided since stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.doubles import REGION
from tests.unit.steps import Run
from tests.unit.workflow.parts.test_claim import FIRST, Table, event
from tests.unit.workflow.parts.test_sizes import STATES

CLAIM = f"{FIRST} Failed"
STATE = {**event(), "decision": {"reason": "r"}, "failure": {"step": "s", "reason": "it failed"}}


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        yield Table(boto3.client("dynamodb", region_name=REGION))


def do(table: Table, step: str, run: Run) -> str:
    """Runs one step of an execution. Returns the next one."""
    return table.run(event(), run.execution, first=step, until=tuple(STATES.keys() - {step}), run=run).states[
        -1
    ]


@pytest.fixture
def recorded(table: Table) -> Run:
    """An execution that has recorded an escalation. Steps after that are still running."""
    variables: dict[str, Any] = {**table.run(event(), "arn:1").variables, "escalated": True}
    run = Run("arn:1", STATE, variables=variables)
    assert do(table, "Record escalation", run) != "Escalate"
    assert (table.row().outcome, table.row().claims[CLAIM]["state"]) == ("escalated", "done")
    return run


@pytest.mark.parametrize("outcome", ["closed", "restarted"])
@pytest.mark.parametrize("step", ["Record escalation", "Give claim back"])
def test_late_step_does_not_undo_what_a_person_decided(
    table: Table, recorded: Run, step: str, outcome: str
) -> None:
    table.ledger.settle(table.row(), outcome=outcome, reason="by Ana")
    before = table.row()
    # The answer of the first write was lost, so the execution has not set the variable.
    variables = recorded.variables | ({"recordedOutcome": ""} if step == "Record escalation" else {})
    assert do(table, step, Run("arn:1", STATE, variables=variables)) in ("Escalate", "Failed")
    assert table.row() == before


def test_outcome_is_recorded_again_if_the_answer_was_lost(table: Table, recorded: Run) -> None:
    run = Run("arn:1", STATE, variables={**recorded.variables, "recordedOutcome": ""})
    assert do(table, "Record escalation", run) != "Escalate"
    assert table.row().outcome == "escalated"


def test_claim_is_given_back_by_a_step_after_the_outcome(table: Table, recorded: Run) -> None:
    for _ in range(2):  # the answer of the first write was lost
        assert do(table, "Give claim back", Run("arn:1", STATE, variables=recorded.variables)) == "Failed"
        assert (table.row().outcome, table.row().claims[CLAIM]["state"]) == ("failed", "released")


def test_redrive_in_the_console_records_with_the_released_claim(table: Table) -> None:
    variables: dict[str, Any] = {**table.run(event(), "arn:1").variables, "escalated": True}
    do(table, "Give claim back", Run("arn:1", STATE, variables=variables))
    do(table, "Record escalation", Run("arn:1", STATE, variables=variables))
    assert (table.row().outcome, table.row().claims[CLAIM]["state"]) == ("escalated", "done")
