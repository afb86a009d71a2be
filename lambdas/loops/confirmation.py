"""Asks A2I whether a loop ended as its row says, before a waiting workflow gets the answer.

A row is written by executions, and an execution believes its event. Whoever may start an execution
(`states:StartExecution`), or may write to the ledger, could otherwise answer in place of the reviewers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.loops.identity import is_about
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient

    from lambdas.loops.loop import Loop
    from lambdas.reviews.record import ReviewRecord

__all__ = ["STATUS_OF_OUTCOME", "NotConfirmed", "NotEnded", "confirm_end", "expect_review_of"]

STATUS_OF_OUTCOME = {"stored": "Completed", "notified": "Stopped", "escalated": "Failed"}
"""The outcomes that follow from how a loop ended, and how that was. A person decides the others."""

_CLOSE = "`python deploy.py loops close` ends the wait with HumanReview.Failed."


class NotEnded(ValueError):
    """A waiting workflow cannot be notified, because the ledger does not show how the loop ended or was restarted."""


class NotConfirmed(NotEnded):
    """A waiting workflow was not notified, because A2I does not say that the loop ended as the ledger says."""


def confirm_end(loop: Loop, a2i: AugmentedAIRuntimeClient) -> None:
    """Compares a row with what A2I says about its loop.

    Args:
        loop: A row with an outcome of `STATUS_OF_OUTCOME`.
        a2i: For DescribeHumanLoop.

    Raises:
        NotConfirmed: They do not agree. The message says what a person can do.
    """
    expected = STATUS_OF_OUTCOME[str(loop.outcome)]
    said, output = _ended(loop, a2i)
    if said is None and expected != "Completed":
        return  # deleted, or never started: the workflow gets an error, and nobody's answer
    if said != expected:
        raise NotConfirmed(_explained(loop, expected, said))
    if expected == "Completed" and output != loop.output_location:
        raise NotConfirmed(
            _explained(loop, f"{expected} with the output {loop.output_location!r}", f"the output {output!r}")
        )


def expect_review_of(loop: Loop, record: ReviewRecord) -> None:
    """Compares a stored review with its row. Whoever may start an execution can have another review stored there.

    Raises:
        NotConfirmed: The review is about another loop, or was made from another output.
    """
    if (record.human_loop_name, record.output_location) != (loop.name, loop.output_location):
        raise NotConfirmed(
            f"Human loop {loop.human_loop_name!r}: the review at {loop.review_location!r} was made from "
            f"{record.output_location!r} of human loop {record.human_loop_name!r}, not from "
            f"{loop.output_location!r}. So the workflow that waits for it was not answered. Earlier versions of the "
            f"object are in the bucket of reviews. {_CLOSE}"
        )


def _ended(loop: Loop, a2i: AugmentedAIRuntimeClient) -> tuple[str | None, str | None]:
    """The status of the loop in A2I, and the location of its output. None if A2I does not have the loop."""
    try:
        found = a2i.describe_human_loop(HumanLoopName=loop.name)
    except a2i.exceptions.ResourceNotFoundException:
        return None, None
    if not is_about(loop, timestamp(found["CreationTime"])):
        return None, None  # another loop, which got the name after this one was deleted
    return found["HumanLoopStatus"], found.get("HumanLoopOutput", {}).get("OutputS3Uri")


def _explained(loop: Loop, expected: str, said: str | None) -> str:
    a2i = f"A2I says {said}" if said else "A2I does not have the loop"
    return (
        f"Human loop {loop.human_loop_name!r}: the ledger says {expected}, but {a2i}. So the workflow that waits for "
        f"it was not answered. Find out who started the execution {loop.execution!r}. {_CLOSE}"
    )
