"""Retry and Catch of states: what happens when an attempt fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sandbox.ministack_patches import evaluation
from sandbox.ministack_patches.walks import current

__all__ = ["wait_before", "with_retry_and_catch"]

_THROTTLED = "Lambda.TooManyRequestsException"
_MIN_PAUSE_SECONDS = 0.02
_MAX_PAUSE_SECONDS = 0.5
"""Before a throttled function is called again if waits are skipped: 13 s in 30 retries."""

_Result = tuple[Any, str | None]
"""The output of a state, and the name of the next one."""


def with_retry_and_catch(
    state: dict[str, Any],
    given: Any,
    context: dict[str, Any],
    attempt: Callable[[], _Result],
    *,
    give_up: Callable[[], None] = lambda: None,
) -> _Result:
    """Tries a Task, Parallel or Map until it succeeds, its error is caught, or it fails.

    The first retrier that matches the error decides; once it has used its attempts, there is no retry. Each redrive
    begins with no retries used.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)

    Args:
        state: The definition of the state.
        given: Its input.
        context: Its context object, of which `State.RetryCount` is set.
        attempt: Makes an attempt.
        give_up: Called before an error is caught or raised that is not retried.

    Raises:
        stepfunctions._ExecutionError: The error of the last attempt, which nothing catches.
    """
    from ministack.services import stepfunctions

    used: dict[int, int] = {}
    own = context["State"]
    while True:
        context["State"] = {**own, "RetryCount": sum(used.values())}
        try:
            return attempt()
        except stepfunctions._ExecutionError as error:
            # A missed heartbeat has two names.
            name = getattr(error, "handled_as", error.error)
            evaluation.record_failure(error, context)
            retrier, index = stepfunctions._find_matching_retrier(state.get("Retry", []), name, used)
            if retrier is not None:
                stepfunctions._scaled_sleep(wait_before(retrier, used.get(index, 0)))
                if error.error == _THROTTLED and not stepfunctions._SFN_WAIT_SCALE:
                    _wait_for_capacity(used.get(index, 0))
                used[index] = used.get(index, 0) + 1
                continue
            give_up()
            catcher = stepfunctions._find_matching_catcher(state.get("Catch", []), name)
            if catcher is None:
                raise
            language = stepfunctions._state_query_language(state, context)
            caught = {"Error": error.error, "Cause": error.cause}
            return stepfunctions._apply_catcher(catcher, given, context, language, caught), catcher["Next"]


def _wait_for_capacity(used: int) -> None:
    """Waits although waits are skipped: a function that has no worker free needs real time."""
    pause = min(_MIN_PAUSE_SECONDS * 2**used, _MAX_PAUSE_SECONDS)
    if (found := current()) is not None:
        found[1].sleep(pause)


def wait_before(retrier: dict[str, Any], used: int) -> float:
    """Returns the seconds before a retry.

    AWS: the wait grows by BackoffRate up to MaxDelaySeconds. With the JitterStrategy FULL, it is a random time between
    0 and that, so that tasks that failed together do not retry together.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: ignores both, and never waits longer than a minute.

    Args:
        retrier: The retrier.
        used: How many of its retries were made.
    """
    wait = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** used)
    wait = min(wait, retrier.get("MaxDelaySeconds", wait))
    return random.uniform(0, wait) if retrier.get("JitterStrategy") == "FULL" else wait  # noqa: S311
