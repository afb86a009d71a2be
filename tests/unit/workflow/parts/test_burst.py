"""Whether the retries of throttled functions outlast a burst of events."""

from __future__ import annotations

import heapq
import random

import pytest

from workflow.parts.failures import TRANSIENT

THROTTLED = TRANSIENT[0].to_dict()


@pytest.mark.parametrize("seconds", [0.3, 6.0])
def test_retries_outlast_a_burst_that_takes_minutes(seconds: float) -> None:
    """A thousand functions start at once; 16 may run. Each retry waits as Step Functions does with full jitter."""
    assert THROTTLED["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    chance = random.Random(1)
    waiting = [(0.0, task, 0) for task in range(1000)]  # when, which, after how many retries
    running: list[float] = []
    throttled_for_good = 0
    while waiting:
        now, task, retries = heapq.heappop(waiting)
        while running and running[0] <= now:
            heapq.heappop(running)
        if len(running) < 16:
            heapq.heappush(running, now + seconds)
        elif retries < THROTTLED["MaxAttempts"]:
            longest = THROTTLED["IntervalSeconds"] * THROTTLED["BackoffRate"] ** retries
            wait = chance.uniform(0, min(longest, THROTTLED["MaxDelaySeconds"]))
            heapq.heappush(waiting, (now + wait, task, retries + 1))
        else:
            throttled_for_good += 1
    assert throttled_for_good == 0
