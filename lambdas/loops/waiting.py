"""Workflows that wait for a human loop: their task tokens kept, taken along the lineage, and answered.

    join     a workflow begins to wait: its token is kept, or answered at once if the loop has ended already
    follow   a loop was started again: who waited for it waits for the next
    answer   a loop has ended for good: who waits for it is told

A token is answered first and forgotten then. A crash in between has it answered twice, and Step Functions takes the
first answer only; so every token is delivered once, and none is lost.

Whoever holds a token can answer in the people's name. So tokens lie in items of their own in the ledger's table,
away from the rows: no list, no message, and no execution that carries a row carries a token. All that a row tells
is whether somebody waits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.loops import agreed_answer
from lambdas.loops.ledger import Ledger, Loop, now
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import ReviewRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["FAILED", "STOPPED", "Answered", "NotEnded", "TokenUndeliverable", "Tokens", "WaitingWorkflows"]

STOPPED = "HumanReview.Stopped"
"""The error that a waiting workflow gets when the loop was stopped."""
FAILED = "HumanReview.Failed"
"""The error that it gets when the loop failed and is not started again."""

MOST_CAUSE_CHARACTERS = 32_768

_ENDED = frozenset({"TaskDoesNotExist", "TaskTimedOut"})
"""What SendTaskSuccess and SendTaskFailure say of a token whose task is over."""

_LASTING = frozenset(
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
"""What they say when trying again would not help."""


class TokenUndeliverable(Exception):
    """A waiting workflow could not be told, and trying again would not help. The text says why, without the token."""


class NotEnded(ValueError):
    """An answer was asked of a loop whose end is not recorded, or a successor of one that has none."""


@dataclass(frozen=True)
class Answered:
    """How many waiting workflows were told, and how many had ended before they could be."""

    delivered: int = 0
    ended: int = 0


@dataclass(frozen=True)
class _Message:
    """What a workflow is told: `output`, JSON text, or else an error with its cause."""

    output: str | None = None
    error: str = ""
    cause: str = ""


class Tokens:
    """Task tokens, by the loop that is waited for; any number, as a workflow that is run again has a new one."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def keep(self, human_loop_name: str, token: str) -> bool:
        """Keep a token, as long as an execution of the workflow is still going to look for it.

        Returns:
            False when none is: the loop's end is recorded, it was started again or was not needed, or there is
            no such row.
        """
        # The token first: once the row says that somebody waits, the token must be there to be found.
        self._client.update_item(
            TableName=self._table,
            Key=_tokens_key(human_loop_name),
            UpdateExpression="ADD taskTokens :token",
            ExpressionAttributeValues={":token": {"SS": [token]}},
        )
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"humanLoopName": {"S": human_loop_name}},
                UpdateExpression="SET waiting = :true, updatedAt = :now",
                # What failed in the workflow itself is run again, and its end recorded then.
                ConditionExpression="attribute_exists(humanLoopName) AND attribute_not_exists(nextLoopName)"
                " AND NOT #status IN (:notNeeded, :refused)"
                " AND (attribute_not_exists(outcome) OR outcome = :failed)",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":true": {"BOOL": True},
                    ":now": {"S": now()},
                    ":notNeeded": {"S": "NotNeeded"},
                    ":refused": {"S": "Refused"},
                    ":failed": {"S": "failed"},
                },
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            self.forget(human_loop_name, token)
            return False
        return True

    def of(self, human_loop_name: str) -> list[str]:
        """The tokens of those who wait for a loop (a consistent read)."""
        answer = self._client.get_item(
            TableName=self._table, Key=_tokens_key(human_loop_name), ConsistentRead=True
        )
        return sorted(answer.get("Item", {}).get("taskTokens", {}).get("SS", []))

    def forget(self, human_loop_name: str, token: str) -> None:
        """Remove a token, and the item with the last of them."""
        key: Any = _tokens_key(human_loop_name)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="DELETE taskTokens :token",
                ConditionExpression="attribute_exists(taskTokens)",
                ExpressionAttributeValues={":token": {"SS": [token]}},
            )
            self._client.delete_item(
                TableName=self._table, Key=key, ConditionExpression="attribute_not_exists(taskTokens)"
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise


@dataclass(frozen=True)
class WaitingWorkflows:
    """Raises `ClientError` for what AWS refuses, but where a docstring says otherwise."""

    ledger: Ledger
    tokens: Tokens
    s3: S3Client
    stepfunctions: SFNClient

    def join(self, human_loop_name: str, token: str) -> None:
        """A workflow begins to wait for a loop, or for the loop that it was last started again as.

        Raises:
            TokenUndeliverable: The loop has ended, and the workflow cannot be told.
        """
        passed = set()
        while not self.tokens.keep(human_loop_name, token):
            loop = self.ledger.find(human_loop_name)
            passed.add(human_loop_name)
            if loop is None or loop.next_loop_name is None or loop.next_loop_name in passed:
                self._tell(human_loop_name, [token], loop)
                return
            human_loop_name = loop.next_loop_name

    def follow(self, human_loop_name: str) -> None:
        """Let those who wait for a loop wait for the next, which its row names. Doing it twice does no harm.

        Raises:
            NotEnded: The row names no next loop.
            TokenUndeliverable: The next has ended, and a workflow cannot be told.
        """
        tokens, loop = self.tokens.of(human_loop_name), self.ledger.find(human_loop_name)
        for token in tokens:
            if loop is None or loop.next_loop_name is None:
                raise NotEnded(f"Human loop {human_loop_name!r}: the ledger does not tell what follows it.")
            self.join(loop.next_loop_name, token)
            self.tokens.forget(human_loop_name, token)  # not before: a token is always somewhere
        self._nobody_waits(loop)

    def answer(self, human_loop_name: str) -> Answered:
        """Tell all who wait for a loop how it ended: the review, or an error to catch.

        A workflow that has ended meanwhile is no error; the row keeps it as `answer` (delivered or ended).

        Raises:
            NotEnded: Somebody waits, and the row does not tell of an end.
            TokenUndeliverable: A workflow cannot be told. The others were, and its token is kept for another try,
                unless it is none.
        """
        tokens, loop = self.tokens.of(human_loop_name), self.ledger.find(human_loop_name)
        answered = self._tell(human_loop_name, tokens, loop) if tokens else Answered()
        self._nobody_waits(loop)
        return answered

    def _nobody_waits(self, loop: Loop | None) -> None:
        if loop is not None and loop.waiting:
            self.ledger.update(loop.human_loop_name, waiting=False)

    def _tell(self, human_loop_name: str, tokens: list[str], loop: Loop | None) -> Answered:
        message = self._message(human_loop_name, loop)
        ways: list[Literal["delivered", "ended"]] = []
        refusals: list[TokenUndeliverable | ClientError] = []
        for token in tokens:
            try:
                ways.append(self._send(token, message))
            except ClientError as error:
                refusals.append(_without(token, human_loop_name, error))
                if error.response["Error"]["Code"] == "InvalidToken":
                    self.tokens.forget(
                        human_loop_name, token
                    )  # nobody has it: another try would end the same
            else:
                self.ledger.update(human_loop_name, answer=ways[-1], answered_at=now())
                self.tokens.forget(human_loop_name, token)
        if refusals:
            raise refusals[0]
        return Answered(delivered=ways.count("delivered"), ended=ways.count("ended"))

    def _send(self, token: str, message: _Message) -> Literal["delivered", "ended"]:
        try:
            if message.output is not None:
                self.stepfunctions.send_task_success(taskToken=token, output=message.output)
            else:
                self.stepfunctions.send_task_failure(
                    taskToken=token, error=message.error, cause=message.cause[:MOST_CAUSE_CHARACTERS]
                )
        except ClientError as error:
            if error.response["Error"]["Code"] in _ENDED:
                return "ended"
            raise
        return "delivered"

    def _message(self, human_loop_name: str, loop: Loop | None) -> _Message:
        if loop is not None and loop.status == "NotNeeded" and loop.output_location:
            prediction = json.loads(self._read(loop.output_location))
            answer = agreed_answer.of_prediction(
                loop.human_loop_name, prediction, loop.output_location, attempt=loop.attempt
            )
            return _Message(agreed_answer.to_text(answer))
        if loop is not None and loop.outcome == "stored" and loop.review_location:
            record = ReviewRecord.model_validate_json(self._read(loop.review_location))
            review = agreed_answer.of_review(record, loop.review_location, attempt=loop.attempt)
            return _Message(agreed_answer.to_text(review))
        if loop is not None and loop.outcome == "notified":
            kept = (
                f" The answers given until then are in {loop.review_location}."
                if loop.review_location
                else ""
            )
            return _Message(
                error=STOPPED,
                cause=f"Human loop {loop.human_loop_name} was stopped before the people had finished.{kept}",
            )
        if loop is not None and loop.outcome in ("escalated", "closed"):
            return _Message(error=FAILED, cause=_why(loop))
        raise NotEnded(f"Human loop {human_loop_name!r}: the ledger does not tell how it ended.")

    def _read(self, location: str) -> bytes:
        place = S3Location.parse(location)
        return self.s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()


def _why(loop: Loop) -> str:
    if loop.outcome == "closed":
        return f"Human loop {loop.human_loop_name} was closed by a person: {loop.note or 'without a note'}"
    told = f" A2I says: {loop.failure_reason}" if loop.failure_reason else ""
    return f"Human loop {loop.human_loop_name} failed, and is not started again. {loop.reason or ''}{told}".rstrip()


def _tokens_key(human_loop_name: str) -> Any:
    # No loop's name has a space in it.
    return {"humanLoopName": {"S": f"tokens {human_loop_name}"}}


def _without(token: str, human_loop_name: str, error: ClientError) -> TokenUndeliverable | ClientError:
    """An error that is going to be logged and sent, without the token, which some messages quote."""
    told = error.response["Error"]
    told["Message"] = told.get("Message", "").replace(token, "…")
    if told["Code"] not in _LASTING:
        return ClientError(error.response, error.operation_name)
    return TokenUndeliverable(
        f"A workflow that waits for human loop {human_loop_name!r} could not be told of its end: "
        f"{told['Code']}: {told['Message']}"
    )


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
