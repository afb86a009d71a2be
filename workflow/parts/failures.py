"""What the workflow does when a step fails: try again, tell a person, give the claim back, end red.

Every Task retries what passes by itself (`TRANSIENT`) and catches the rest (`caught`) into the one red
end of the machine (`red_end`): **Escalate** → **Give claim back** → **Failed**.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow.asl.expressions import jsonata
from workflow.asl.transient_errors import FUNCTION_DIED, OF_FUNCTIONS, OF_SERVICES, THROTTLED
from workflow.steps import Catch, Retry

__all__ = ["CAUSE", "FAILED_STEP", "ONCE_MORE", "TRANSIENT", "caught", "caught_after_review", "in_words"]

FAILED_STEP = "failedStep"
"""The workflow variable that holds the name of the step that failed."""


def in_words(failure: str) -> str:
    """An expression for a caught error in words, 2,000 characters at most: a message holds it several times.

    A function's error comes as JSON with the message inside; a long one has lost its end, and is no JSON.
    """
    return (
        f"($failure := {failure}; $substring($failure.Error & ': ' & ("
        '$contains($failure.Cause, /^\\{.*"errorMessage".*\\}$/)'
        " ? $parse($failure.Cause).errorMessage : $failure.Cause), 0, 2000))"
    )


CAUSE = in_words("$states.input.failure")
"""The error that `caught` has put into the state, in words."""


def _retry(errors: Sequence[str], *, attempts: int, longest_wait: int, first_wait: int = 2) -> Retry:
    return Retry(
        error_equals=list(errors),
        interval_seconds=first_wait,
        backoff_rate=2.0,
        max_attempts=attempts,
        max_delay_seconds=longest_wait,
        jitter_strategy="FULL",
    )


TRANSIENT = [
    _retry(THROTTLED, attempts=10, longest_wait=120),
    _retry(FUNCTION_DIED, attempts=2, longest_wait=60),
    _retry([*OF_FUNCTIONS, *OF_SERVICES, "States.Timeout"], attempts=5, longest_wait=60),
]
"""What passes by itself, with growing waits and full jitter, so that a crowd of executions does not come back as one.

One definition for all Tasks: names of services that a Task does not call never occur there.
"""

ONCE_MORE = _retry(["States.TaskFailed"], attempts=2, longest_wait=60, first_wait=5)
"""For the user's steps, which may call any service: what is transient there has a name that is not known here."""


def caught(step: str, next_step: Any) -> Catch:
    """The Catch of a JSONata step: everything that its retries did not mend, with the step's name."""
    return Catch(
        error_equals=["States.ALL"],
        assign={FAILED_STEP: step},
        output=jsonata("$merge([$states.input, {'failure': $states.errorOutput}])"),
        next_step=next_step,
    )


def caught_after_review(step: str, next_step: Any) -> Catch:
    """The Catch of a post-review step, in either query language: the next step gets the error, and that alone.

    What the user's steps have made of the state's data is theirs; the next step does not build on it.
    """
    return Catch(error_equals=["States.ALL"], assign={FAILED_STEP: step}, next_step=next_step)
