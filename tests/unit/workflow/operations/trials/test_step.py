"""Steps are found by name, with what a trial of them needs."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.errors import AfterloopError
from workflow.machine import build_definition
from workflow.operations.trials import find_step, reached_in

PASS = {"Type": "Pass", "End": True}
INNER = {"StartAt": "In", "States": {"In": PASS}}


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": "Out", "QueryLanguage": "JSONata", "States": states}


@pytest.mark.parametrize(
    ("name", "branch"),
    [
        ("Claim status change", "completed"),
        ("Collect review", "completed"),
        ("Workflow waiting?", "completed"),
        ("Record restart", "failed"),
        ("Record escalation", "failed"),
        ("Keep answers", "stopped"),
    ],
)
def test_step_belongs_to_the_branch_that_leads_to_it(name: str, branch: str) -> None:
    assert find_step(build_definition(), name, {}).branch == branch


def test_states_of_a_branch_include_those_after_an_error() -> None:
    reached = reached_in(build_definition(), "completed")
    assert {"Collect review", "Handled", "Escalate", "Failed"} <= reached
    assert not {"Claim status change", "Keep answers", "Record restart"} & reached
    outer = {"Type": "Map", "ItemProcessor": INNER, "End": True}
    choice = {"Variable": "$.detail.humanLoopStatus", "StringEquals": "Stopped", "Next": "Out"}
    assert reached_in(machine(Route={"Type": "Choice", "Choices": [choice]}, Out=outer), "stopped") == {
        "Out",
        "In",
    }


def test_misspelled_step_is_suggested() -> None:
    with pytest.raises(
        AfterloopError, match=r"no step 'Colect review' in .*; did you mean 'Collect review'\?"
    ):
        find_step(build_definition(), "Colect review", {})


@pytest.mark.parametrize(
    ("outer", "needs"),
    [
        ({"Type": "Map", "ItemProcessor": INNER}, "it is in the Map 'Out': its input is an item"),
        ({"Type": "Parallel", "Branches": [INNER]}, None),
        (
            {"Type": "Parallel", "Branches": [INNER], "Arguments": {}},
            "it is in the Parallel 'Out', whose Arguments is its input",
        ),
    ],
)
def test_state_inside_another_is_found_and_may_need_an_input(
    outer: dict[str, Any], needs: str | None
) -> None:
    found = find_step(machine(Out=outer), "In", {"In": "post_review.py:3"})
    assert (found.needs_input, found.place, found.state["QueryLanguage"]) == (
        needs,
        "post_review.py:3",
        "JSONata",
    )


@pytest.mark.parametrize(
    ("state", "needs"),
    [
        (PASS, None),
        ({"Type": "Map"}, "it is a Map"),
        ({"Type": "Parallel"}, "it is a Parallel"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage"}, None),
        ({"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync"}, "it waits for a job"),
        ({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2"}, "it waits for a job"),
        (
            {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"},
            "it waits for a task token",
        ),
        ({"Type": "Task", "Resource": "arn:aws:states:us-east-1:1:activity:a"}, "it waits for an activity"),
    ],
)
def test_state_that_waits_needs_a_mock(state: dict[str, Any], needs: str | None) -> None:
    assert find_step(machine(Out=state), "Out", {}).needs_mock == needs
