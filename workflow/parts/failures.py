"""Failures of a step: retry, notify a person, release the claim, and end the execution as failed.

Every Task retries transient errors (`TRANSIENT`) and catches all others (`caught`). Caught errors lead to the failed
end of the machine: **Escalate** → **Give claim back** → **Failed**.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow.asl.expressions import jsonata
from workflow.asl.transient_errors import FUNCTION_DIED, OF_FUNCTIONS, OF_SERVICES, THROTTLED
from workflow.steps import Catch, Retry

__all__ = ["CAUSE", "FAILED_STEP", "FAILED_TASK", "TRANSIENT", "caught", "caught_after_review", "error_text"]

FAILED_STEP = "failedStep"
"""The workflow variable that holds the name of the step that failed."""


def error_text(failure: str) -> str:
    """An expression for a caught error as text, at most 2,000 characters: a message contains it several times.

    The Cause of a function's error is JSON with the message inside. Step Functions truncates a long Cause, which is
    then not valid JSON and is shown as it is.
    """
    return (
        f"($failure := {failure}; $substring($failure.Error & ': ' & ("
        '$contains($failure.Cause, /^\\{.*"errorMessage".*\\}$/)'
        " ? $parse($failure.Cause).errorMessage : $failure.Cause), 0, 2000))"
    )


CAUSE = error_text("$states.input.failure")
"""The error that `caught` added to the state, as text."""


def _retry(errors: Sequence[str], *, attempts: int, max_wait: int, first_wait: int = 2) -> Retry:
    return Retry(
        error_equals=list(errors),
        interval_seconds=first_wait,
        backoff_rate=2.0,
        max_attempts=attempts,
        max_delay_seconds=max_wait,
        jitter_strategy="FULL",
    )


TRANSIENT = [
    _retry(THROTTLED, attempts=10, max_wait=120),
    _retry(FUNCTION_DIED, attempts=2, max_wait=60),
    _retry([*OF_FUNCTIONS, *OF_SERVICES, "States.Timeout"], attempts=5, max_wait=60),
]
"""The retries of transient errors, with exponential backoff and full jitter so that executions that failed together do
not retry together.

All Tasks share this list: it does no harm that it names errors of services that a Task does not call.
"""

FAILED_TASK = _retry(["States.TaskFailed"], attempts=2, max_wait=60, first_wait=5)
"""An extra retry for the user's steps: they can call any service, and its transient errors are not listed here."""


def caught(step: str, next_step: Any) -> Catch:
    """The Catch of a JSONata step: any error that remains after its retries. Adds `$.failure`."""
    return Catch(
        error_equals=["States.ALL"],
        assign={FAILED_STEP: step},
        output=jsonata("$merge([$states.input, {'failure': $states.errorOutput}])"),
        next_step=next_step,
    )


def caught_after_review(step: str, next_step: Any) -> Catch:
    """The Catch of a post-review step, in either query language. The next step gets only the error as its input.

    The user's steps may have changed the state's data in any way, so the next step cannot rely on it.
    """
    return Catch(error_equals=["States.ALL"], assign={FAILED_STEP: step}, next_step=next_step)
