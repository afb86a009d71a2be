"""What `destroy` writes to the ledger about the executions that it stops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.doubles import create_ledger_table
from tests.unit.workflow.publish.conftest import MACHINE, NOW, Services
from workflow.publish.account import Account
from workflow.publish.stopping import release_claims

AT = "2026-01-31T08:15:00.000Z"
EVENT = {"detail": {"humanLoopName": "a", "creationTime": AT, "humanLoopStatus": "Completed"}}


def describes(services: Services, execution: str, given: Any) -> None:
    described = {
        "executionArn": execution,
        "stateMachineArn": MACHINE,
        "status": "ABORTED",
        "startDate": NOW,
        "input": given if isinstance(given, str) else json.dumps(given),
    }
    services.states.add_response("describe_execution", described, {"executionArn": execution})


def put_row(account: Account, *, state: str, **values: str) -> None:
    claim = {"state": {"S": state}, "execution": {"S": "e1"}, "at": {"S": AT}}
    row = {
        "humanLoopName": "a",
        "createdAt": AT,
        "loopCreatedAt": AT,
        "status": "Completed",
        **values,
    }
    item = {name: {"S": value} for name, value in row.items()} | {f"claim {AT} Completed": {"M": claim}}
    account.session.client("dynamodb").put_item(TableName="ledger", Item=item)


@pytest.fixture
def ledger(account: Account) -> Any:
    create_ledger_table(account.session.client("dynamodb"))
    return account.data.ledger("ledger")


def test_loop_whose_execution_was_in_a_later_step_is_marked(
    account: Account, services: Services, ledger: Any
) -> None:
    put_row(account, state="done", outcome="stored")
    services.states.add_client_error("describe_execution", "ThrottlingException")
    describes(services, "e1", EVENT)
    release_claims(account, "ledger", {"e1"}, "Ann destroyed the stage.")
    row = ledger.find("a")
    assert (row.outcome, row.claims[f"{AT} Completed"]["state"]) == ("failed", "released")
    assert row.reason == "Ann destroyed the stage. Later steps may not have run."
    assert row.escalated_at > AT


@pytest.mark.parametrize("given", ["not JSON", "{}", {"detail": {"humanLoopName": 1}}, EVENT])
def test_execution_without_a_claim_changes_nothing(
    account: Account, services: Services, ledger: Any, given: Any
) -> None:
    # The loop was restarted: there was nothing left to do.
    put_row(account, state="done", outcome="restarted", nextLoopName="b")
    before = ledger.find("a")
    describes(services, "e1", given)
    release_claims(account, "ledger", {"e1"}, "Ann destroyed the stage.")
    assert ledger.find("a") == before


def test_loop_that_was_being_processed_needs_no_description_of_its_execution(
    account: Account, services: Services, ledger: Any
) -> None:
    put_row(account, state="working", outcome="processing")
    release_claims(account, "ledger", {"e1"}, "Ann destroyed the stage.")
    assert (ledger.find("a").outcome, ledger.find("a").reason) == ("failed", "Ann destroyed the stage.")


def test_ledger_that_somebody_deleted_is_no_obstacle(account: Account) -> None:
    release_claims(account, "ledger", {"e1"}, "Ann destroyed the stage.")
