"""Workflows that wait for a human loop: stores their task tokens, moves them to restarts, and notifies the workflows.

    join     a workflow begins to wait: store its token, or notify it at once if the loop has already ended
    follow   a loop was restarted: its waiting workflows wait for the restart instead
    answer   a loop has ended and is not restarted: notify its waiting workflows

A token is removed only after its workflow was notified. After a crash between the two, the workflow is notified again,
and Step Functions ignores the second call. So no token is lost, and each workflow receives one answer.

A token allows its holder to answer in place of the reviewers. Tokens are therefore in a table of their own
(`lambdas.loops.tokens`). A row shows only whether a workflow waits.

The ledger says how a loop ended, but whoever may start an execution can make it say so. A2I is therefore asked before
an answer is handed over (`lambdas.loops.confirmation`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.loops import agreed_answer
from lambdas.loops.bounded import bounded
from lambdas.loops.confirmation import STATUS_OF_OUTCOME, NotEnded, confirm_end, expect_review_of
from lambdas.loops.ledger import Ledger, now
from lambdas.loops.loop import Loop
from lambdas.loops.tokens import UNDECIDED, Tokens
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import read_review

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["FAILED", "STOPPED", "Answered", "TokenUndeliverable", "WaitingWorkflows"]

STOPPED = "HumanReview.Stopped"
"""The error that a waiting workflow receives if the loop was stopped."""
FAILED = "HumanReview.Failed"
"""The error that a waiting workflow receives if the loop failed and is not restarted."""

MAX_CAUSE_CHARACTERS = 8_000
"""A quarter of the limit of SendTaskFailure (Step Functions API reference): a character has up to four bytes."""

_TASK_OVER = frozenset({"TaskDoesNotExist", "TaskTimedOut"})
"""Errors of SendTaskSuccess and SendTaskFailure if the waiting workflow has ended."""

_PERMANENT = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidOutput",
        "InvalidToken",
        "KmsAccessDeniedException",
        "KmsInvalidStateException",
        "ValidationException",
    }
)
"""Their errors that a retry does not fix."""

_NOT_ADMITTED = " (waiting_workflows in the stage's settings says which state machines may wait)"


class TokenUndeliverable(Exception):
    """A waiting workflow could not be notified, and a retry does not help. The message says why, without the token."""


@dataclass(frozen=True)
class Answered:
    """The number of waiting workflows that were notified, and of those that had already ended."""

    delivered: int = 0
    ended: int = 0


@dataclass(frozen=True)
class WaitingWorkflows:
    """The workflows that wait for loops. Methods raise `ClientError` if AWS refuses a call."""

    ledger: Ledger
    tokens: Tokens
    s3: S3Client
    stepfunctions: SFNClient
    a2i: AugmentedAIRuntimeClient

    def join(self, human_loop_name: str, token: str) -> None:
        """Lets a workflow wait for a loop, or for its last restart. Notifies it at once if the loop has ended.

        Raises:
            TokenUndeliverable: The loop has ended, and the workflow cannot be notified.
        """
        passed = set()
        while not self.tokens.keep(human_loop_name, token):
            loop = self.ledger.find(human_loop_name)
            passed.add(human_loop_name)
            if loop is None or loop.next_loop_name is None or loop.next_loop_name in passed:
                self._notify(human_loop_name, [token], loop)
                return
            human_loop_name = loop.next_loop_name

    def follow(self, human_loop_name: str) -> None:
        """Lets the workflows that wait for a loop wait for its restart instead. Can be repeated.

        Raises:
            NotEnded: The row has no next loop.
            TokenUndeliverable: The restart has ended, and a workflow cannot be notified.
        """
        tokens, loop = self.tokens.of(human_loop_name), self.ledger.find(human_loop_name)
        for token in tokens:
            if loop is None or loop.next_loop_name is None:
                raise NotEnded(f"Human loop {human_loop_name!r}: the ledger has no restart of it.")
            self.join(loop.next_loop_name, token)
            self.tokens.forget(human_loop_name, token)  # only now: a crash must not lose the token
        if loop is not None and loop.waiting:
            self.ledger.update(human_loop_name, waiting=False)

    def answer(self, human_loop_name: str) -> Answered:
        """Notifies the workflows that wait for a loop: they receive the review, or an error that they can catch.

        A workflow that has already ended is not an error; the row's `answer` records it (delivered or ended).

        Raises:
            NotEnded: A workflow waits, and the row does not show how the loop ended.
            TokenUndeliverable: A workflow cannot be notified. All others were. Its token is kept for a retry, unless
                Step Functions says that it is not a token.
        """
        # The row comes first: if its outcome is final, no token is added after that, and these are all.
        loop = self.ledger.find(human_loop_name)
        tokens = self.tokens.of(human_loop_name)
        answered = self._notify(human_loop_name, tokens, loop) if tokens else Answered()
        if loop is not None and loop.waiting and loop.outcome not in (None, *UNDECIDED):
            # If the status change failed meanwhile, more workflows may wait.
            self.ledger.update(human_loop_name, waiting=False, only_after=loop.outcome)
        return answered

    def _notify(self, human_loop_name: str, tokens: list[str], loop: Loop | None) -> Answered:
        try:
            result = self._result(human_loop_name, loop)
        except NotEnded:
            raise
        except (InvalidDocument, RecursionError, ValueError) as error:  # from JSON and locations
            where = loop and (loop.review_location or loop.output_location)
            raise TokenUndeliverable(
                f"A workflow that waits for human loop {human_loop_name!r} could not be notified: its review at "
                f"{where!r} cannot be read: {error}"
            ) from error
        sent: list[Literal["delivered", "ended"]] = []
        problems: list[TokenUndeliverable | ClientError] = []
        for token in tokens:
            try:
                sent.append(self._send(token, result))
            except ClientError as error:
                problems.append(_without_token(token, human_loop_name, error))
                if error.response["Error"]["Code"] == "InvalidToken":
                    self.tokens.forget(human_loop_name, token)  # every retry would fail
            else:
                self.ledger.update(human_loop_name, answer=sent[-1], answered_at=now())
                self.tokens.forget(human_loop_name, token)
        if problems:
            raise problems[0]
        return Answered(delivered=sent.count("delivered"), ended=sent.count("ended"))

    def _send(self, token: str, result: dict[str, Any]) -> Literal["delivered", "ended"]:
        try:
            if "output" in result:
                self.stepfunctions.send_task_success(taskToken=token, **result)
            else:
                self.stepfunctions.send_task_failure(taskToken=token, **result)
        except ClientError as error:
            if error.response["Error"]["Code"] in _TASK_OVER:
                return "ended"
            raise
        return "delivered"

    def _result(self, human_loop_name: str, loop: Loop | None) -> dict[str, Any]:
        """Returns what a waiting workflow receives: `output` of SendTaskSuccess, or else `error` and `cause`.

        Raises:
            NotConfirmed: A2I does not say that the loop ended so.
            NotEnded: The row does not show how the loop ended.
        """
        # No execution has claimed in such a row: what it says is from the start of the loop.
        if loop is not None and loop.status == "NotNeeded" and loop.output_location and not loop.claims:
            prediction = json.loads(self._read(loop.output_location))
            answer = agreed_answer.of_prediction(
                loop.human_loop_name, prediction, loop.output_location, attempt=loop.attempt
            )
            return {"output": agreed_answer.to_text(answer)}
        if loop is not None and loop.outcome in STATUS_OF_OUTCOME:
            confirm_end(loop, self.a2i)
        if loop is not None and loop.outcome == "stored" and loop.review_location:
            record = read_review(self._read(loop.review_location))
            expect_review_of(loop, record)
            review = agreed_answer.of_review(record, loop.review_location, attempt=loop.attempt)
            return {"output": agreed_answer.to_text(review)}
        if loop is not None and loop.outcome in ("notified", "escalated", "closed"):
            error = STOPPED if loop.outcome == "notified" else FAILED
            return {"error": error, "cause": bounded(_cause(loop), MAX_CAUSE_CHARACTERS)}
        raise NotEnded(f"Human loop {human_loop_name!r}: the ledger does not show how it ended.")

    def _read(self, location: str) -> bytes:
        bucket, key = S3Location.parse(location)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _cause(loop: Loop) -> str:
    name = loop.human_loop_name
    if loop.outcome == "notified":
        stored = (
            f" The answers given before that are in {loop.review_location}." if loop.review_location else ""
        )
        return f"Human loop {name} was stopped before the review was complete.{stored}"
    if loop.outcome == "closed":
        return f"Human loop {name} was closed by a person: {loop.note or 'no note'}"
    a2i = f" A2I says: {loop.failure_reason}" if loop.failure_reason else ""
    return f"Human loop {name} failed and is not restarted. {loop.reason or ''}{a2i}".rstrip()


def _without_token(token: str, human_loop_name: str, error: ClientError) -> TokenUndeliverable | ClientError:
    """Removes the token, which some messages quote, from an error that will be logged."""
    details = error.response["Error"]
    details["Message"] = details.get("Message", "").replace(token, "…")
    if details["Code"] not in _PERMANENT:
        return ClientError(error.response, error.operation_name)
    advice = _NOT_ADMITTED if details["Code"] in ("AccessDenied", "AccessDeniedException") else ""
    return TokenUndeliverable(
        f"A workflow that waits for human loop {human_loop_name!r} could not be notified: "
        f"{details['Code']}: {details['Message']}{advice}"
    )
