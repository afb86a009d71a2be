"""The whole state machine."""

from __future__ import annotations

import pytest

from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.machine import build_definition


def test_every_status_that_ends_a_loop_has_a_branch() -> None:
    route = build_definition()["States"]["Route by status"]
    assert [rule["StringEquals"] for rule in route["Choices"]] == list(TERMINAL_STATUSES)
    assert route["Default"] == "Unknown status"


@pytest.mark.parametrize(
    ("state", "shortest", "longest"),
    [
        pytest.param("Collect review", 120, 300, id="completed loop has an output"),
        pytest.param("Keep answers", 5, 10, id="stopped loop may never have an output"),
    ],
)
def test_wait_for_missing_output_fits_the_branch(state: str, shortest: int, longest: int) -> None:
    """In seconds, with the longest waits that the jitter allows."""
    step = build_definition()["States"][state]
    (retry,) = [one for one in step["Retry"] if one["ErrorEquals"] == ["OutputMissing"]]
    waits = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** number, retry["MaxDelaySeconds"])
        for number in range(retry["MaxAttempts"])
    ]
    assert shortest <= sum(waits) <= longest
    # The function counts a refused review only at the last try.
    assert f"RetryCount >= {retry['MaxAttempts']}" in str(step["Arguments"])
