"""Shifts: what is said while new executions move, and when they were moved back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from workflow.errors import DeploymentError
from workflow.publish.shift_alarms import unguarded
from workflow.publish.shifts import ShiftWatch, shift_in_progress
from workflow.publish.stacks import Event, Stack
from workflow.stack import LIVE_ALIAS
from workflow.stack.stages import Shift, Stage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CANARY = {"ShiftType": "CANARY", "ShiftPercent": "10", "ShiftMinutes": "30"}
ALARM = "Aborting deployment. The following CloudWatch alarms are in an 'ALARM' state: [{}]."
ERROR = DeploymentError("x", resource=LIVE_ALIAS, cause="c", status="UPDATE_ROLLBACK_COMPLETE")


def event(status: str, reason: str = "") -> Event:
    return Event(
        id=status, at=NOON, resource=LIVE_ALIAS, type="T", physical_id="p", status=status, reason=reason
    )


def watching(weights: dict[str, int], parameters: dict[str, str] = CANARY, **ends: list[str]) -> Any:
    machines, progress = Mock(), Mock()
    machines.weights.return_value = weights
    machines.executions.side_effect = lambda version, status, since: ends.get(f"{status}_{version[-1]}", [])
    watch = ShiftWatch(machines, "m", parameters, progress, clock=lambda: NOON)
    watch.event(event("UPDATE_IN_PROGRESS"))
    watch.look()
    return watch, machines, [call.args[0] for call in progress.step.call_args_list]


@pytest.mark.parametrize(
    ("parameters", "weight", "then"),
    [
        (CANARY, 10, "all of them"),
        ({**CANARY, "ShiftType": "LINEAR"}, 10, "20 %"),
        ({**CANARY, "ShiftType": "LINEAR"}, 90, "all of them"),
    ],
)
def test_step_says_how_many_go_where_and_until_when(
    parameters: dict[str, str], weight: int, then: str
) -> None:
    watch, _, steps = watching({"m:8": weight, "m:7": 100 - weight}, parameters)
    watch.look()
    assert steps == [
        f"Version 8 gets {weight} % of new executions until 12:30 UTC, then {then}; CloudFormation continues if you "
        "stop watching"
    ]


def test_nothing_is_said_of_a_move_all_at_once() -> None:
    assert watching({"m:8": 10, "m:7": 90}, {"ShiftType": "ALL_AT_ONCE"})[2] == []


def test_shift_that_an_alarm_ended_is_explained() -> None:
    ends = {
        "FAILED_8": ["second", "first"],
        "SUCCEEDED_8": ["e"],
        "ABORTED_7": ["f"],
        "SUCCEEDED_7": ["g"] * 8,
    }
    watch, machines, _ = watching({"m:8": 10, "m:7": 90}, **ends)
    watch.event(event("UPDATE_FAILED", ALARM.format("a")))
    machines.weights.return_value = {"m:7": 100}
    assert str(watch.explained(ERROR)) == (
        "the shift was taken back because the alarm a went off; 2 of 3 executions that ended on version 8 failed, 1 of "
        "9 executions that ended on version 7 failed; the first one is first; new executions go to version 7 (100 %), "
        "and the stack was rolled back"
    )


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (ALARM.format("a, b"), "the shift was taken back because the alarms a, b went off; new executions"),
        ("drift detected", "somebody else ended the shift, as a rollback does; new executions"),
        ("Resource update cancelled", "somebody else ended the shift, as a rollback does; new executions"),
        ("Not \n allowed", "the shift failed: Not allowed; new executions"),
    ],
)
def test_end_of_a_shift_is_explained_without_numbers(reason: str, said: str) -> None:
    watch, machines, _ = watching({"m:8": 10, "m:7": 90})
    machines.executions.side_effect = ClientError(
        {"Error": {"Code": "StateMachineDoesNotExist"}}, "ListExecutions"
    )
    watch.event(event("UPDATE_FAILED", reason))
    assert str(watch.explained(ERROR)).startswith(said)


def test_other_failures_are_not_explained_as_a_shift() -> None:
    watch, _, _ = watching({"m:7": 100})
    watch.event(event("UPDATE_COMPLETE"))
    assert watch.explained(ERROR) is ERROR


@pytest.mark.parametrize(
    ("status", "weights", "found"),
    [
        ("UPDATE_IN_PROGRESS", {"m:8": 10, "m:7": 90}, True),
        ("UPDATE_IN_PROGRESS", {"m:7": 100}, False),
        ("UPDATE_COMPLETE", {"m:8": 10, "m:7": 90}, False),
    ],
)
def test_shift_is_in_progress_while_two_versions_share_executions(
    status: str, weights: dict[str, int], found: bool
) -> None:
    account = Mock()
    account.machines.weights.return_value = weights
    stack = Stack("s", "arn", status, outputs={"StateMachine": "m"})
    assert shift_in_progress(account, stack) == (weights if found else None)


def test_alarms_that_cannot_end_a_shift_are_warned_about() -> None:
    stage = Stage(name="dev", region="us-east-1", output_buckets=("out",))
    account = Mock(region="us-east-1")
    account.alarm_states.return_value = {"good": "OK", "on": "ALARM"}
    assert unguarded(stage, account) == []
    stage = stage.model_copy(update={"shift": Shift(alarms=("good", "on", "none"))})
    assert unguarded(stage, account) == [
        "stage dev: shift.alarms: alarm 'on' is in ALARM, so a shift would be taken back at once",
        "stage dev: shift.alarms: alarm 'none' does not exist in us-east-1, so it cannot end a shift",
    ]
    account.alarm_states.side_effect = ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeAlarms")
    assert unguarded(stage, account) == []
