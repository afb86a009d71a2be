"""What the workflow does when a step fails: try again, tell a person, give the claim back, end red.

Every Task retries what passes by itself (`TRANSIENT`) and catches the rest (`caught`) into the one red
end of the machine (`red_end`): **Escalate** → **Give claim back** → **Failed**.
"""

from __future__ import annotations

from typing import Any

from workflow.asl.expressions import jsonata
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

TRANSIENT = [
    # A function that is throttled is a queue: it may take a while, and there is no hurry.
    Retry(
        error_equals=["Lambda.TooManyRequestsException"],
        interval_seconds=2,
        backoff_rate=2.0,
        max_attempts=10,
        max_delay_seconds=120,
        jitter_strategy="FULL",
    ),
    # The function died, or ran out of time: once more may help, many times would not.
    Retry(
        error_equals=["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"],
        interval_seconds=2,
        backoff_rate=2.0,
        max_attempts=2,
        max_delay_seconds=60,
        jitter_strategy="FULL",
    ),
    Retry(
        error_equals=[
            "TransientServiceError",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            "DynamoDB.InternalServerError",
            "DynamoDB.InternalServerErrorException",
            "DynamoDB.ProvisionedThroughputExceededException",
            "DynamoDB.RequestLimitExceeded",
            "DynamoDB.ThrottlingException",
            "DynamoDB.SdkClientException",
            "SNS.InternalErrorException",
            "SNS.ThrottledException",
            "SNS.SdkClientException",
            "States.Timeout",
        ],
        interval_seconds=2,
        backoff_rate=2.0,
        max_attempts=5,
        max_delay_seconds=60,
        jitter_strategy="FULL",
    ),
]
"""What passes by itself, with growing waits and full jitter, so that a crowd of executions does not come back as one.

One definition for all Tasks: names of services that a Task does not call never occur there.
"""

ONCE_MORE = Retry(
    error_equals=["States.TaskFailed"],
    interval_seconds=5,
    backoff_rate=2.0,
    max_attempts=2,
    max_delay_seconds=60,
    jitter_strategy="FULL",
)
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
