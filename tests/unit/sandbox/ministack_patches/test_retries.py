"""The waits before retries."""

from __future__ import annotations

import pytest

from sandbox.ministack_patches import retries


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        ({}, [1, 2, 4, 8, 16, 32, 64, 128]),
        ({"IntervalSeconds": 5, "BackoffRate": 3.0, "MaxDelaySeconds": 40}, [5, 15, 40, 40, 40, 40, 40, 40]),
    ],
)
def test_wait_grows_up_to_its_maximum(ministack, monkeypatch, given, waits):
    assert slept(monkeypatch, given, len(waits)) == waits


def test_jitter_spreads_the_waits(ministack, monkeypatch):
    waits = slept(monkeypatch, {"JitterStrategy": "FULL", "MaxDelaySeconds": 8}, 60)
    assert all(0 <= wait <= min(2**number, 8) for number, wait in enumerate(waits))
    assert len(set(waits)) == len(waits)
    assert min(waits) < 2
    assert max(waits) > 6


def slept(monkeypatch, given, times):
    """How long a task sleeps before each of its retries, and how long a state that waits for 3 s sleeps after it."""
    from ministack.services import stepfunctions

    sleeps = []
    monkeypatch.setattr(stepfunctions, "_scaled_sleep", sleeps.append)
    retries.correct()
    monkeypatch.setattr(stepfunctions, "_invoke_resource", refuse)
    retrier = {"ErrorEquals": ["States.ALL"], "MaxAttempts": times, **given}
    state = {"Type": "Task", "Resource": "nothing", "Retry": [retrier], "End": True}
    with pytest.raises(stepfunctions._ExecutionError):
        stepfunctions._execute_task(state, {}, {"events": []}, {"State": {}, "StateMachine": {"Id": "one"}})
    stepfunctions._scaled_sleep(3)
    assert sleeps.pop() == 3
    return sleeps


def refuse(resource, data):
    from ministack.services import stepfunctions

    raise stepfunctions._ExecutionError("Busy", "")
