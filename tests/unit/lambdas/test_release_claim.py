from __future__ import annotations

from typing import Any

import pytest

from lambdas import release_claim
from lambdas.reviews.errors import TransientServiceError
from tests.unit.lambdas.conftest import AWS, EXECUTION, Context, Logged

CLAIM = "2026-01-31T08:15:00.000Z Failed"
EVENT = {
    "source": "aws.states",
    "detail-type": "Step Functions Execution Status Change",
    "detail": {"executionArn": EXECUTION, "status": "ABORTED"},
}
STARTED_WITH = {
    "detail": {
        "humanLoopName": "loop",
        "creationTime": "2026-01-31T08:15:00.000Z",
        "humanLoopStatus": "Failed",
    }
}


@pytest.fixture
def claimed(function: AWS) -> AWS:
    function.add_row(
        status="Failed",
        outcome="processing",
        claims={CLAIM: {"state": "working", "execution": EXECUTION, "at": "2026-01-31T09:00:00.000Z"}},
    )
    return function


def test_handler_releases_the_claim_and_reports_the_loop(
    claimed: AWS, context: Context, logged: Logged
) -> None:
    claimed.describe_execution("ABORTED", STARTED_WITH)
    claimed.describe_history()
    claimed.accept_message()
    assert release_claim.handler(EVENT, context) == {
        "settled": True,
        "humanLoopName": "loop",
        "claim": CLAIM,
        "released": True,
        "answered": False,
        "escalated": True,
    }
    assert claimed.row().outcome == "failed"
    assert len(claimed.messages) == 1
    assert logged.about(humanLoopName="loop", execution=EXECUTION, released=True) == [
        "an execution ended without finishing"
    ]


def test_handler_asks_for_the_current_status(claimed: AWS, context: Context) -> None:
    # The event says ABORTED, but somebody has redriven the execution since.
    claimed.describe_execution("RUNNING", STARTED_WITH)
    assert release_claim.handler(EVENT, context) == {"settled": False}
    assert claimed.row().outcome == "processing"


def test_throttling_is_raised_so_that_lambda_retries(claimed: AWS, context: Context, logged: Logged) -> None:
    claimed.stubs["stepfunctions"].add_client_error("describe_execution", "ThrottlingException")
    with pytest.raises(TransientServiceError):
        release_claim.handler(EVENT, context)
    assert logged.about(execution=EXECUTION) == ["an execution ended without success"]


@pytest.mark.parametrize("event", [{}, {"detail": None}, {"detail": {"executionArn": 1}}])
def test_event_without_execution_is_refused(function: AWS, context: Context, event: Any) -> None:
    with pytest.raises(release_claim.NotAnExecution, match="executionArn"):
        release_claim.handler(event, context)
