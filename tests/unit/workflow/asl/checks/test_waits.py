"""Steps that wait longer than an execution of their machine can run."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.asl.checks.waits import problems_of_waits

TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}
DAY = 86_400


def found(*steps: dict[str, Any], limit: object = 100 * DAY) -> list[tuple[str | None, str, str]]:
    machine = {"TimeoutSeconds": limit, "States": {f"Step {n}": step for n, step in enumerate(steps, 1)}}
    return [
        (name, message.partition(", and ")[0], severity)
        for name, message, severity in problems_of_waits(machine)
    ]


@pytest.mark.parametrize(
    "steps",
    [
        [{"Type": "Wait", "Seconds": 99 * DAY}],
        [{"Type": "Wait", "SecondsPath": "$.seconds"}, {**TASK, "TimeoutSecondsPath": "$.seconds"}],
        [{**TASK, "TimeoutSeconds": "{% $seconds %}"}, {"Type": "Wait", "Timestamp": "2100-01-01T00:00:00Z"}],
        [{**TASK, "TimeoutSeconds": 50 * DAY}, {"Type": "Wait", "Seconds": 49 * DAY}],
        [TASK],
    ],
)
def test_wait_that_ends_before_the_execution_is_fine(steps: list[dict[str, Any]]) -> None:
    assert found(*steps) == []


def test_machine_without_a_timeout_has_no_such_problem() -> None:
    assert found({"Type": "Wait", "Seconds": 99_999_999}, limit=None) == []


def test_wait_that_is_as_long_as_an_execution_is_an_error() -> None:
    assert found({"Type": "Wait", "Seconds": 100 * DAY}) == [
        ("Step 1", "Seconds is 8,640,000 s (100.0 days)", "error")
    ]


def test_task_whose_timeout_cannot_be_reached_is_a_warning() -> None:
    inside = {"StartAt": "Inside", "States": {"Inside": {**TASK, "TimeoutSeconds": 99_999_999}}}
    step = {"Type": "Map", "ItemProcessor": inside}
    assert found(step) == [("Inside", "TimeoutSeconds is 99,999,999 s (1,157.4 days)", "warning")]


def test_steps_that_wait_too_long_together_are_a_warning() -> None:
    assert found(*[{**TASK, "TimeoutSeconds": 30 * DAY}] * 4) == [
        (None, "together, the steps can wait 10,368,000 s (120.0 days)", "warning")
    ]
