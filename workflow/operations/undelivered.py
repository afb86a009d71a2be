"""Processes the events that EventBridge could not deliver, from the queue UndeliveredEvents.

A message of that queue has the event as its body, and in its attributes the rule, the target and the error ("Using
dead-letter queues to process undelivered events", Amazon EventBridge User Guide). Lambda also sends events there that
a function failed to process ("Dead-letter queues", AWS Lambda Developer Guide).

A message is deleted only after its event was delivered. The name of the execution follows from the message, so a
message that is read twice starts one execution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.event_text import detail_of, parsed
from lambdas.loops.ledger import now
from lambdas.reviews.errors import shortened
from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from workflow.operations.actions import Actions
from workflow.operations.client import MAX_CONNECTIONS, LoopsClient
from workflow.operations.redriving import identity_of
from workflow.operations.several import Interruption, Result, Results, explained, process, repeated
from workflow.operations.stage_loops import LoopError, StageLoops

__all__ = ["HELD_SECONDS", "Queued", "UndeliveredEvents"]

HELD_SECONDS = 300
"""How long a message that was read is hidden from other readers: longer than its event takes to be delivered, with
all repetitions of throttled calls. After a crash, it can be read again after this time."""

POLL_SECONDS = 1
"""Long polling. Without it, SQS asks only some of its servers, and can find a full queue empty."""

_BATCH = 10
"""The maximum of ReceiveMessage and of ChangeMessageVisibilityBatch."""

_EXECUTION_SOURCE = "aws.states"
_EXECUTION_DETAIL_TYPE = "Step Functions Execution Status Change"


@dataclass(frozen=True)
class Queued:
    """Approximate numbers of messages in the queue.

    Attributes:
        visible: Messages that can be read.
        held: Messages that somebody has read within the last minutes and not deleted.
    """

    visible: int
    held: int


@dataclass(frozen=True)
class _Message:
    id: str
    receipt: str
    body: str
    attributes: Mapping[str, str]

    @property
    def why(self) -> str:
        """Why the event was not delivered, in the words of EventBridge, or of Lambda for an event of a function."""
        eventbridge, function = ("ERROR_CODE", "ERROR_MESSAGE"), ("ErrorCode", "ErrorMessage")
        given = eventbridge if "ERROR_CODE" in self.attributes else function
        words = [self.attributes.get(name, "") for name in given]
        return " ".join(": ".join(filter(None, words)).split())[:500] or "unknown"


class UndeliveredEvents:
    """The queue of a stage.

    Methods raise `botocore.exceptions.ClientError` if the queue cannot be read.
    """

    def __init__(self, loops: StageLoops, client: LoopsClient, actions: Actions) -> None:
        self._loops = loops
        self._client = client
        self._actions = actions
        self._sqs: Any = loops.session.client("sqs", config=Config(max_pool_connections=MAX_CONNECTIONS))
        self._queue = loops.resources.output("UndeliveredEvents")

    def count(self) -> Queued:
        """Returns how many messages are in the queue."""
        visible, held = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        found = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=[visible, held])
        return Queued(int(found["Attributes"][visible]), int(found["Attributes"][held]))

    def process(
        self,
        interruption: Interruption,
        *,
        dry_run: bool,
        at_once: int,
        wait: bool = True,
        keep_going: bool = False,
        progress: Callable[[Results], object] = lambda so_far: None,
    ) -> Results:
        """Delivers the events, and deletes their messages.

        A message that cannot be understood stays in the queue. Its result is `skipped`, with the reason.

        Args:
            interruption: After it is requested, no event is delivered.
            dry_run: Deliver and delete nothing. The messages can be read again at once.
            at_once: How many events to process at the same time.
            wait: Whether to wait for the end of the executions; see `Actions.redrive`.
            keep_going: Continue even if the first events all fail.
            progress: Called after each message.
        """
        found = Results()

        def act(message: _Message) -> Result:
            deliver = self._delivery(message, interruption, wait=wait)
            return Result(message.id, "possible") if dry_run else deliver()

        with self._hold() as held:
            while not found.stopped and (batch := self._receive(max(at_once, _BATCH), held, interruption)):
                messages = {message.id: message for message in batch}
                results = process(
                    list(messages),
                    lambda name, messages=messages: act(messages[name]),  # type: ignore[misc]
                    at_once=at_once,
                    interruption=interruption,
                    keep_going=keep_going,
                    progress=lambda so_far: progress(Results([*found.results, *so_far.results])),
                )
                found.stopped = results.stopped
                for one in results.results:
                    found.results.append(_about(messages[one.name], one))
                    if one.result in ("done", "failed", "running"):
                        del held[one.name]
            if interruption.requested:
                found.stopped = "interrupted"
        if found.stopped:
            found.left = self.count().visible
        return found

    # The queue

    def _receive(self, number: int, held: dict[str, str], interruption: Interruption) -> list[_Message]:
        """Reads messages that were not read before. Adds them to `held`: id → receipt handle."""
        batch: list[_Message] = []
        while len(batch) < number and not interruption.requested:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue,
                MaxNumberOfMessages=min(_BATCH, number - len(batch)),
                MessageAttributeNames=["All"],
                VisibilityTimeout=HELD_SECONDS,
                WaitTimeSeconds=POLL_SECONDS,
            )
            messages = [_message(one) for one in answer.get("Messages", [])]
            fresh = [message for message in messages if message.id not in held]
            # A message that stays is read again if this takes longer than it is held.
            held |= {message.id: message.receipt for message in messages}
            batch += fresh
            if not fresh:
                break
        return batch

    @contextmanager
    def _hold(self) -> Iterator[dict[str, str]]:
        """Yields the receipt handles of the messages that are held. Afterwards, these can be read again at once."""
        held: dict[str, str] = {}
        try:
            yield held
        finally:
            receipts = list(held.values())
            for start in range(0, len(receipts), _BATCH):
                entries = [
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for number, receipt in enumerate(receipts[start : start + _BATCH])
                ]
                # Otherwise they can be read again when the time is over.
                with suppress(ClientError, BotoCoreError):
                    self._sqs.change_message_visibility_batch(QueueUrl=self._queue, Entries=entries)

    def _delete(self, message: _Message, interruption: Interruption) -> None:
        try:
            repeated(
                lambda: self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message.receipt),
                interruption,
            )
        except (ClientError, BotoCoreError) as error:
            raise _NotDeleted(
                f"the event was delivered, but its message {message.id} could not be deleted: {explained(error)}; "
                "to delete it, run the same command again, which does not deliver the event twice"
            ) from None

    # The events

    def _delivery(self, message: _Message, interruption: Interruption, *, wait: bool) -> Callable[[], Result]:
        """Returns what delivers the event of a message.

        Raises:
            LoopError: The message is not an event of this stage.
        """
        event = _event(message)
        kind = (event.get("source"), event.get("detail-type"))
        if kind == (SOURCE, DETAIL_TYPE):
            self._check_rule(message)
            return lambda: self._start(message, interruption, wait=wait)
        if kind == (_EXECUTION_SOURCE, _EXECUTION_DETAIL_TYPE):
            machine = detail_of(event).get("stateMachineArn")
            if machine != self._loops.resources.state_machine_arn:
                raise LoopError(f"its event is about the state machine {machine}, which is not the stage's")
            return lambda: self._release_claim(message, event, interruption)
        raise LoopError(f"its event is none of this stage: source {kind[0]}, detail-type {kind[1]}")

    def _check_rule(self, message: _Message) -> None:
        # A message without attributes was put into the queue by a person, who knows the stage.
        rule = message.attributes.get("RULE_ARN", "")
        if rule and rule.rpartition("/")[2] != self._loops.resources.output("Rule"):
            raise LoopError(f"its event is of another rule, {rule}")

    def _start(self, message: _Message, interruption: Interruption, *, wait: bool) -> Result:
        name = execution_name(message.body)
        self._record(detail_of(parsed(message.body)), interruption)
        try:
            repeated(
                lambda: self._loops.states.start_execution(
                    stateMachineArn=self._loops.workflow, name=name, input=message.body
                ),
                interruption,
            )
        except ClientError as error:
            # An earlier run started it, and could not delete the message.
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
        self._delete(message, interruption)
        arn = self._loops.execution_arn(name)
        return self._actions.result_of(message.id, arn, interruption, wait=wait)

    def _record(self, detail: Mapping[str, Any], interruption: Interruption) -> None:
        """Records in the row of the loop who processes its event. A loop without a row gets one from the execution."""
        name, created, _ = identity_of(detail)
        rows = self._loops.ledger.find_loops([(name, created)], lambda problem: None)
        action = self._loops.action("redrive", now())
        for row in rows.values():
            repeated(partial(self._loops.ledger.record_action, row, action), interruption)

    def _release_claim(
        self, message: _Message, event: Mapping[str, Any], interruption: Interruption
    ) -> Result:
        repeated(lambda: self._client.call("ReleaseClaim", event), interruption)
        self._delete(message, interruption)
        return Result(message.id, "done")


def execution_name(body: str) -> str:
    """Returns the name of the execution for a message: the same for the same body, at most 80 characters."""
    loop = detail_of(parsed(body)).get("humanLoopName")
    readable = "".join(
        char if char.isascii() and char.isalnum() else "-" for char in str(loop or "event")[:50]
    )
    return f"undelivered-{readable}-{hashlib.sha256(body.encode()).hexdigest()[:16]}"


class _NotDeleted(Exception):
    """An event was delivered, and its message could not be deleted."""


def _about(message: _Message, result: Result) -> Result:
    """Returns a result that names the event of its message, and says why it was not delivered before."""
    detail = result.detail
    if result.result in ("possible", "skipped"):
        detail = "; ".join(filter(None, [detail, f"it was not delivered: {message.why}"]))
    return replace(result, name=_subject(message), message_id=message.id, detail=detail)


def _message(received: Mapping[str, Any]) -> _Message:
    attributes = {
        name: value.get("StringValue", "") for name, value in received.get("MessageAttributes", {}).items()
    }
    return _Message(received["MessageId"], received["ReceiptHandle"], received["Body"], attributes)


def _event(message: _Message) -> Mapping[str, Any]:
    event = parsed(message.body)
    if not isinstance(event, dict):
        raise LoopError(f"its body is not a JSON object: {shortened(message.body, 60)}")
    return event


def _subject(message: _Message) -> str:
    """What the event is about, for people: the loop, or the execution that ended."""
    detail = detail_of(parsed(message.body))
    for name in (detail.get("humanLoopName"), detail.get("executionArn")):
        if isinstance(name, str) and name.strip():
            return " ".join(name[:200].split())
    return "unknown"
