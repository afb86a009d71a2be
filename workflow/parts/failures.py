"""Failures of a step: retry, notify a person, release the claim, and end the execution as failed.

Every Task retries transient errors (`TRANSIENT`) and catches all others (`caught`). Caught errors lead to the failed
end of the machine: **Escalate** → **Give claim back** → **Failed**.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambdas.loops.bounded import MAX_REASON
from workflow.asl.expressions import BOUNDED, bounded, jsonata
from workflow.asl.integration import integration_of
from workflow.asl.transient_errors import FUNCTION_DIED, OF_FUNCTIONS, OF_SERVICES, THROTTLED
from workflow.steps import Catch, Retry

__all__ = [
    "CAUSE",
    "ESCALATED",
    "FAILED_STEP",
    "FAILED_TASK",
    "FAILURE",
    "TRANSIENT",
    "caught",
    "caught_after_review",
    "error_text",
    "output_not_there_yet",
    "transient_of",
]

FAILED_STEP = "failedStep"
"""The workflow variable that holds the name of the step that failed."""
ESCALATED = "escalated"
"""The workflow variable that says whether SNS accepted the message about the failed step."""


MAX_CAUSE = 5000
"""Characters of a Cause that the state keeps. Step Functions takes up to 32,768."""


def error_text(failure: str) -> str:
    """An expression for a caught error as text, at most 2,000 characters: a message contains it several times.

    The Cause of a function's error is JSON with the message inside. It is looked for as text, and never parsed: Step
    Functions truncates a long Cause, any service can send text that only looks like JSON, and an error in a Catch ends
    the execution.
    """
    # Up to the first quotation mark that no backslash escapes. Not `(a|b)*`: in some engines, its depth is limited.
    quoted = r"""/^\s*"([^\\"]*(?:\\.[^\\"]*)*)/"""
    plain = "$found.groups[0]"
    # \u0001 stands for a backslash until all other escapes are read.
    for escaped, text in (
        (r"\\\\", r"\u0001"),
        (r"\\\"", r"\""),
        (r"\\n", r"\n"),
        (r"\\t", r"\t"),
        (r"\u0001", r"\\"),
    ):
        plain = f"$replace({plain}, '{escaped}', '{text}')"
    return (
        f"({BOUNDED} $failure := {failure}; $cause := $bounded($failure.Cause, {MAX_CAUSE});"
        f""" $found := $match($substringAfter($cause, '"errorMessage":'), {quoted});"""
        " $bounded($bounded($failure.Error, 200) & ': ' &"
        f" ($substring($cause, 0, 1) = '{{' and $exists($found) ? {plain} : $cause), {MAX_REASON}))"
    )


CAUSE = error_text("$states.input.failure")
"""The error that `caught` added to the state, as text."""


def output_not_there_yet(*, attempts: int, first_wait: int) -> Retry:
    """The retry of an output that does not exist yet when its event arrives.

    Args:
        attempts: How often the step is tried again.
        first_wait: The longest wait before the first retry, in seconds. It doubles with each retry, up to 90 seconds.
            The actual waits are half of that on average.
    """
    return _retry(["OutputMissing"], attempts=attempts, first_wait=first_wait, max_wait=90)


def _retry(errors: Sequence[str], *, attempts: int, max_wait: int, first_wait: int = 2) -> Retry:
    return Retry(
        error_equals=list(errors),
        interval_seconds=first_wait,
        backoff_rate=2.0,
        max_attempts=attempts,
        max_delay_seconds=max_wait,
        jitter_strategy="FULL",
    )


FAILURE = (
    f"{{'Error': $states.errorOutput.Error, 'Cause': {bounded('$states.errorOutput.Cause', MAX_CAUSE)}}}"
)
"""The caught error, in a Catch. The Cause is shortened, so that the state with it stays below its limit."""


def _transient(service: str | None) -> list[Retry]:
    """The retries of transient errors that a service can raise; None for all services."""

    def of(*errors: str) -> list[str]:
        return [error for error in errors if service in (None, _RAISED_BY.get(error, service))]

    retries = (
        # With full jitter, about half an hour in all: more than the time that a burst of events needs its share of a
        # busy account. Ten retries last five minutes.
        (of(*THROTTLED), 30, 120),
        (of(*FUNCTION_DIED), 2, 60),
        (of(*OF_FUNCTIONS, *OF_SERVICES, "States.Timeout"), 5, 60),
    )
    return [_retry(errors, attempts=attempts, max_wait=wait) for errors, attempts, wait in retries if errors]


_RAISED_BY = {
    **dict.fromkeys((*THROTTLED, *FUNCTION_DIED, *OF_FUNCTIONS), "lambda"),
    **{error: error.partition(".")[0].lower() for error in OF_SERVICES},
}
"""Error → the only service whose calls raise it, as a Resource names the service."""

TRANSIENT = _transient(None)
"""The retries of transient errors, with exponential backoff and full jitter so that executions that failed together do
not retry together.

The workflow's own Tasks share this list: it does no harm that it names errors of services that a Task does not call.
"""


def transient_of(resource: str) -> list[Retry]:
    """The retries of `TRANSIENT` that can apply to a Task with this resource.

    Without the errors of other services, a step takes a third less of the 1 MiB that a definition can have: a large
    machine has hundreds of the user's steps.
    """
    called = integration_of({"Resource": resource})
    # The ARN of a function or of an activity is no integration.
    return _transient(called.service) if called else TRANSIENT


FAILED_TASK = _retry(["States.TaskFailed"], attempts=2, max_wait=60, first_wait=5)
"""An extra retry for the user's steps: they can call any service, and its transient errors are not listed here."""


def caught(step: str, next_step: Any, *, state: str = "$states.input") -> Catch:
    """The Catch of a JSONata step: any error that remains after its retries. Adds `$.failure`.

    Args:
        step: The step's name.
        next_step: The next step after the error.
        state: An expression for the state that gets the failure: an object that leaves room for it.
    """
    return Catch(
        error_equals=["States.ALL"],
        assign={FAILED_STEP: step},
        output=jsonata(f"$merge([{state}, {{'failure': {FAILURE}}}])"),
        next_step=next_step,
    )


def caught_after_review(step: str, next_step: Any) -> Catch:
    """The Catch of a post-review step, in either query language. The next step gets only the error as its input.

    The user's steps may have changed the state's data in any way, so the next step cannot rely on it.
    """
    return Catch(error_equals=["States.ALL"], assign={FAILED_STEP: step}, next_step=next_step)
