"""The whole state machine."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonata import Jsonata  # type: ignore[import-untyped]

from lambdas.loops.restart_policy import BackOff
from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.asl.walk import states
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


def test_no_wait_of_the_workflow_reaches_the_end_of_the_execution() -> None:
    """In seconds, if each step is retried as often and waits as long as it can, one after the other."""
    machine = build_definition()
    longest = float(BackOff.model_fields["max_seconds"].metadata[1].le)
    for _, state in states(machine):
        limit = state.get("TimeoutSeconds", 0)
        longest += limit
        for retry in state.get("Retry", ()):
            waits = [
                retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2) ** number
                for number in range(retry.get("MaxAttempts", 3))
            ]
            longest += sum(min(wait, retry.get("MaxDelaySeconds", wait)) + limit for wait in waits)
    year_of_step_functions = 365 * 24 * 3600
    assert longest < machine["TimeoutSeconds"] < year_of_step_functions


INVOKING = {
    name: state["Arguments"]["Payload"]
    for name, state in states(build_definition())
    if state.get("Resource") == "arn:aws:states:::lambda:invoke"
}


@pytest.mark.parametrize("name", sorted(INVOKING))
def test_step_passes_itself_to_its_function(name: str) -> None:
    context = {"Execution": {"Id": "arn:run"}, "State": {"Name": name, "RetryCount": 2}}
    given = {"detail": {"humanLoopName": "loop-1"}, "decision": {"nextFlowDefinition": "arn:flow"}}

    def evaluated(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: evaluated(one) for key, one in value.items()}
        program = Jsonata(re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL)[1])  # type: ignore[index]
        program.assign("states", {"input": given, "context": context})
        program.assign("ledgerKey", "loop-1")
        return program.evaluate({})

    payload = evaluated(INVOKING[name])
    assert payload["step"] == {"execution": "arn:run", "state": name, "retryCount": 2}
    assert len(payload) > 1
