"""How long state machines wait before a retry."""

from __future__ import annotations

import random
import threading
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Applies MaxDelaySeconds and JitterStrategy to the waits before retries.

    AWS: the wait grows by BackoffRate up to MaxDelaySeconds. With the JitterStrategy FULL, it is a random time between
    0 and that, so that tasks that failed together do not retry together.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: ignores both, and never waits longer than a minute.
    """
    from ministack.services import stepfunctions

    find, sleep = stepfunctions._find_matching_retrier, stepfunctions._scaled_sleep
    # The wait that MiniStack computes from the retrier right after it has found it, and the one to use instead.
    waits = threading.local()

    def find_and_note(retriers: Any, error: str, counts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, counts)
        if retrier is not None:
            interval, rate = retrier.get("IntervalSeconds", 1), retrier.get("BackoffRate", 2.0)
            wait = interval * rate ** counts.get(index, 0)
            waits.computed = min(wait, 60)
            wait = min(wait, retrier.get("MaxDelaySeconds", wait))
            waits.instead = random.uniform(0, wait) if retrier.get("JitterStrategy") == "FULL" else wait  # noqa: S311
        return retrier, index

    def sleep_instead(seconds: float) -> None:
        computed, waits.computed = getattr(waits, "computed", None), None
        sleep(waits.instead if seconds == computed else seconds)

    stepfunctions._find_matching_retrier = find_and_note
    stepfunctions._scaled_sleep = sleep_instead
