"""The sample that a step is tried with."""

from __future__ import annotations

import pytest

from lambdas.reviews.summary import ReviewSummary
from workflow.operations import sample
from workflow.operations.trials import BRANCHES


@pytest.mark.parametrize("branch", ["completed", "stopped"])
def test_sample_has_all_fields_of_a_review(branch: str) -> None:
    state = sample.state(branch)
    assert ReviewSummary.model_validate(state["review"], by_alias=True)
    assert state["detail"]["humanLoopStatus"].lower() == branch


def test_failed_sample_is_escalated() -> None:
    state = sample.state("failed")
    assert state["decision"]["action"] == "escalate"
    assert "review" not in state


@pytest.mark.parametrize("branch", BRANCHES)
def test_sample_variables_are_those_of_the_workflow(branch: str) -> None:
    assert set(sample.variables(branch)) == {
        "ledgerKey",
        "claimAttribute",
        "flowDefinitionName",
        "recordedOutcome",
        "workflowWaiting",
    }
