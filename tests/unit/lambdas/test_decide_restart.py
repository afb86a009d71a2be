from __future__ import annotations

from typing import Any

import pytest

from lambdas import decide_restart
from lambdas.reviews.errors import TransientServiceError
from tests.unit.lambdas.conftest import AWS, FLOW, Context


@pytest.fixture(autouse=True)
def fresh_settings(function: AWS) -> None:
    decide_restart.settings.cache_clear()


def decide(context: Context, key: str = "loop", **detail: Any) -> dict[str, Any]:
    event = {
        "detail": {"humanLoopName": "loop", "failureCode": "Expired", "humanLoopStatus": "Failed", **detail}
    }
    return decide_restart.handler({**event, "ledgerKey": key}, context)


def test_failed_loop_is_restarted(function: AWS, context: Context) -> None:
    function.add_row("first", created_at="2026-03-04T05:06:07.000Z", status="Failed", failure_code="Expired")
    function.add_row(
        attempt=2, previous_loop_name="first", input_location="s3://b/k", created_at="2026-03-05"
    )
    decision = decide(context)
    assert {key: decision[key] for key in ("action", "waitSeconds", "nextFlowDefinition")} == {
        "action": "restart",
        "waitSeconds": 120,
        "nextFlowDefinition": FLOW,
    }
    assert decision["lineage"] == [
        {
            "humanLoopName": "first",
            "attempt": 1,
            "status": "Failed",
            "createdAt": "2026-03-04T05:06:07.000Z",
            "failureCode": "Expired",
        },
        # The row has no failure code yet: it is the event's.
        {
            "humanLoopName": "loop",
            "attempt": 2,
            "status": "InProgress",
            "createdAt": "2026-03-05",
            "failureCode": "Expired",
        },
    ]


@pytest.mark.parametrize(("max_attempts", "action"), [(None, "escalate"), (4, "restart"), (1, "escalate")])
def test_attempts_of_the_lineage_override_the_rules(
    function: AWS, context: Context, max_attempts: int | None, action: str
) -> None:
    function.add_row(attempt=3, max_attempts=max_attempts, input_location="s3://b/k")
    assert decide(context)["action"] == action


def test_unknown_loop_is_escalated(function: AWS, context: Context) -> None:
    decision = decide(context, failureCode=None)
    assert decision["action"] == "escalate"
    assert decision["lineage"] == [
        {"humanLoopName": "loop", "attempt": 1, "status": "unknown", "createdAt": "unknown"}
    ]


def test_loop_whose_name_was_used_before_is_not_restarted_with_the_earlier_input(
    function: AWS, context: Context
) -> None:
    function.add_row(input_location="s3://b/k")
    function.add_row("loop@2026-03-05T05:06:07Z", status="Failed")
    decision = decide(context, key="loop@2026-03-05T05:06:07Z")
    assert (decision["action"], len(decision["lineage"])) == ("escalate", 1)
    assert decide(context)["action"] == "restart"


def test_throttled_ledger_is_transient(function: AWS, context: Context) -> None:
    function.clients["dynamodb"].delete_table(TableName="ledger")
    with pytest.raises(Exception, match="ResourceNotFoundException") as raised:
        decide(context)
    assert not isinstance(raised.value, TransientServiceError)


@pytest.mark.parametrize("next_flow", [FLOW, f"{FLOW}-experts", None])
def test_loop_that_a_person_restarted_is_not_escalated(
    function: AWS, context: Context, next_flow: str | None
) -> None:
    """Otherwise it needs action for ever: it cannot be restarted a second time."""
    function.add_row(attempt=20, next_loop_name="loop-attempt-21", input_location="s3://b/k")
    if next_flow:
        function.add_row("loop-attempt-21", flow_definition_arn=next_flow)
    decision = decide(context)
    assert (decision["action"], decision["waitSeconds"]) == ("restart", 0)
    assert decision["nextFlowDefinition"] == (next_flow or FLOW)
    assert decision["reason"] == "The loop was already restarted, as loop-attempt-21."


@pytest.mark.parametrize("code", [5, ["Expired"], {"code": "Expired"}, "x" * 60_000, "\ud800", True])
def test_odd_failure_code_is_escalated_in_few_words(function: AWS, context: Context, code: Any) -> None:
    decision = decide(context, failureCode=code, flowDefinitionArn=["odd"])
    assert decision["action"] == "escalate"
    assert len(decision["reason"]) <= decide_restart.MAX_DECISION_REASON
    assert len(decision["lineage"][0]["failureCode"].encode()) <= 4 * decide_restart.MAX_LISTED_CODE


def test_newest_attempts_of_a_long_lineage_are_listed(function: AWS, context: Context) -> None:
    for attempt in range(1, 26):
        function.add_row(
            "loop" if attempt == 25 else f"loop-{attempt}",
            attempt=attempt,
            previous_loop_name=f"loop-{attempt - 1}",
            status="Failed",
            failure_code="é" * 9_000,
        )
    lineage = decide(context)["lineage"]
    assert [one["attempt"] for one in lineage] == list(range(6, 26))
    assert all(len(one["failureCode"]) <= decide_restart.MAX_LISTED_CODE for one in lineage)
