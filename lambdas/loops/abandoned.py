"""Executions that ended without finishing: somebody stopped them, they timed out, or they failed as no step can catch.

Such an execution cannot release its claim or report anything. This module does both for it, as soon as Step Functions
reports its end (`lambdas/release_claim.py`), and once an hour for those that were missed (`reconciling.py`):

    it holds a claim               release the claim, mark the row as `failed`, and report the loop by name
    it had recorded the outcome    the same, after its waiting workflow was answered
    it could not claim             report the execution, unless it has done so itself

All of it can be repeated. The row is written first, in one conditional write; then the message is sent; then the row
says when (`escalatedAt`). If the message fails, the next call for the execution sends it. Of several calls at the same
time, one sends it (`reports.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.loops.bounded import MAX_NAME, bounded
from lambdas.loops.claims import claim_id
from lambdas.loops.confirmation import NotEnded
from lambdas.loops.escalation import EndedExecution, Escalation
from lambdas.loops.event_text import detail_of, parsed
from lambdas.loops.ledger import Ledger, now
from lambdas.loops.loop import Loop
from lambdas.loops.reports import Reports
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.waiting import TokenUndeliverable, WaitingWorkflows
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["DESTROYED", "FAILED_STATUSES", "GONE", "AbandonedExecutions", "Settled", "is_unreported"]

FAILED_STATUSES = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
"""Final statuses of executions that can no longer release a claim."""

GONE = "gone"
"""The status of an execution that Step Functions no longer has: it deletes them 90 days after they end."""

DESTROYED = "Afterloop.StageDestroyed"
"""The error of executions that `destroy` stops. It releases their claims by itself, and reports none of them."""

_ENDINGS = {
    "ABORTED": "was stopped (ABORTED)",
    "TIMED_OUT": "timed out (TIMED_OUT)",
    "FAILED": "failed with an error that no step could catch (FAILED)",
    GONE: "ended, and Step Functions no longer has it (gone)",
}

_ADVICE = {
    "States.DataLimitExceeded": "see the loop's row in the ledger for a large attribute, or a step's result",
}
"""What to do about errors that no step can catch and whose cause does not say it."""

_ESCALATIONS = frozenset({"Escalate", "Escalate unclaimed event"})
"""The states in which the workflow itself reports that it could not process a status change."""

_LAST_EVENTS = 100
"""Events of a history that are read from its end. After an escalation there are at most 60: a step with its retries."""


@dataclass(frozen=True)
class Settled:
    """What was done about an execution that ended without finishing.

    Attributes:
        execution: Its ARN.
        status: Its status, or `gone`.
        human_loop_name: The key of the loop's row. None if the event names no loop.
        claim: The claim that it held. None if it held none.
        released: Whether the claim was released, and the row marked as failed.
        answered: Whether the workflows that wait for the loop were answered.
        escalated: Whether a message was sent.
    """

    execution: str
    status: str
    human_loop_name: str | None = None
    claim: str | None = None
    released: bool = False
    answered: bool = False
    escalated: bool = False


@dataclass(frozen=True)
class _Ended:
    """An execution that has ended, as Step Functions describes it."""

    arn: str
    status: str
    cause: str
    detail: Mapping[str, Any]
    """The detail of the event that started it; empty if it has none."""
    at: str = ""
    """When it ended; empty if that is not known."""
    error: str = ""
    """The name of the error with which it ended."""

    @property
    def failed(self) -> bool:
        return self.status in FAILED_STATUSES

    def text(self, name: str) -> str:
        """Returns a field of the event, or an empty text."""
        value = self.detail.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class AbandonedExecutions:
    """Settles what executions left behind.

    Methods raise `ClientError` if AWS refuses a call. What was done until then stays, and a repetition does the rest.
    """

    ledger: Ledger
    waiting: WaitingWorkflows
    states: SFNClient
    escalation: Escalation
    reports: Reports

    def settle(self, execution: str) -> Settled | None:
        """Settles an execution of the workflow.

        Args:
            execution: Its ARN.

        Returns:
            None if nothing had to be done: the execution is running, succeeded, or released its claim and reported
            it by itself; or `destroy` stopped it, of which one message for each loop would be noise; or Step
            Functions no longer has it, and thus its event (see `settle_claim`).
        """
        ended = self._ended(execution)
        if ended is None or not ended.failed or ended.error == DESTROYED:
            return None
        try:
            row = self._row(ended)
        except UnreadableRow as problem:
            return self._report_unclaimed(ended, None, f" {problem}")
        if row is not None:
            for claim, held in row.claims.items():
                if held["execution"] == execution:
                    return self._settle(row, claim, ended)
        return self._report_unclaimed(ended, row)

    def settle_claim(self, row: Loop, claim: str) -> Settled | None:
        """Settles the execution that holds a claim.

        Args:
            row: The row.
            claim: One of its claims, `creationTime status`.

        Returns:
            None if nothing had to be done; see `settle`.
        """
        ended = self._ended(row.claims[claim]["execution"])
        # The execution may have written to the row until it was described.
        current = self.ledger.find(row.human_loop_name)
        held = current.claims.get(claim) if current else None
        if ended is None or current is None or held is None or held["execution"] != ended.arn:
            return None
        return self._settle(current, claim, ended)

    def _settle(self, row: Loop, claim: str, ended: _Ended) -> Settled | None:
        state = row.claims[claim]["state"]
        if state == "working" and ended.status != "SUCCEEDED":
            return self._release(
                row, claim, ended, f"{_how(ended)} before it had processed the status change"
            )
        if state == "done":
            return self._settle_recorded(row, claim, ended)
        if is_unreported(row, claim):
            return self._report(row, claim, ended, released=False)
        return None

    def _settle_recorded(self, row: Loop, claim: str, ended: _Ended) -> Settled | None:
        """Settles an execution that ended after it had recorded the outcome: in one of the user's steps, or before it
        answered a waiting workflow.
        """
        name, outcome, undelivered = row.human_loop_name, row.outcome, ""
        if row.execution not in (None, ended.arn):
            return None  # A2I's own event arrived after that of the reconciler was processed (`LoopDeleted`)
        answered = bool(row.waiting)
        if answered:
            try:
                if row.next_loop_name is not None:
                    self.waiting.follow(name)
                else:
                    self.waiting.answer(name)
            except (NotEnded, TokenUndeliverable) as error:
                if not ended.failed:
                    raise
                answered, undelivered = False, f" {error}"
        # After a restart there was nothing left to do. A closed loop was settled by a person.
        if not ended.failed or row.next_loop_name is not None or outcome in ("restarted", "closed"):
            return Settled(ended.arn, ended.status, name, claim, answered=True) if answered else None
        current = self.ledger.find(name) if answered else row
        if current is None:
            return None
        how = f"{_how(ended)} after it had recorded the outcome ({outcome}), so steps after that may not have run"
        return self._release(current, claim, ended, how, undelivered, answered=answered)

    def _release(
        self, row: Loop, claim: str, ended: _Ended, how: str, more: str = "", *, answered: bool = False
    ) -> Settled | None:
        released = self.ledger.release(
            row.human_loop_name,
            claim,
            ended.arn,
            done_in=row if row.claims[claim]["state"] == "done" else None,
            outcome="failed",
            reason=bounded(f"{how}: {ended.cause}{more}"),
            escalated_at=None,
        )
        if not released:
            return None  # another call settled it, or a person closed the loop
        current = self.ledger.find(row.human_loop_name)
        return self._report(current or row, claim, ended, released=True, answered=answered)

    def _report(
        self, row: Loop, claim: str, ended: _Ended, *, released: bool, answered: bool = False
    ) -> Settled:
        """Sends the message about a released claim, unless the execution has sent its own, and notes when."""
        name, by_itself = row.human_loop_name, self._has_escalated(ended)
        escalated = not by_itself and self._send(
            ended,
            EndedExecution(
                execution=ended.arn,
                status=ended.status,
                reason=row.reason or ended.cause,
                human_loop_name=name,
                human_loop_status=claim.rpartition(" ")[2],
                flow_definition_arn=row.flow_definition_arn,
                failure_code=row.failure_code or ended.text("failureCode") or None,
                claimed=True,
                workflow_waiting=bool(row.waiting),
            ),
        )
        # If another call is sending it, that one notes when.
        if by_itself or escalated or self.reports.was_sent(ended.arn, ended.at):
            # Not before the claim, although the clock of Step Functions wrote that: see `is_unreported`.
            self.ledger.update(name, escalated_at=max(now(), row.claims[claim].get("at", "")))
        return Settled(ended.arn, ended.status, name, claim, released, answered, escalated)

    def _report_unclaimed(self, ended: _Ended, row: Loop | None, more: str = "") -> Settled | None:
        """Reports an execution that ended before it could claim its status change, or whose row cannot be read."""
        held = row.claims.get(_claim(ended)) if row else None
        if held and held["state"] != "released":
            return None
        if self.reports.was_sent(ended.arn, ended.at) or self._has_escalated(ended):
            return None
        name = ended.text("humanLoopName") or None
        sent = self._send(
            ended,
            EndedExecution(
                execution=ended.arn,
                status=ended.status,
                reason=f"{_how(ended)} before it had processed the status change: {ended.cause}{more}",
                human_loop_name=name,
                human_loop_status=ended.text("humanLoopStatus") or None,
                flow_definition_arn=ended.text("flowDefinitionArn")
                or (row.flow_definition_arn if row else None),
                failure_code=ended.text("failureCode") or None,
                claimed=False,
                workflow_waiting=bool(row and row.waiting),
            ),
        )
        return Settled(ended.arn, ended.status, name, escalated=True) if sent else None

    def _send(self, ended: _Ended, message: EndedExecution) -> bool:
        """Sends the message about an end, unless it was sent or another call is sending it."""
        if not self.reports.take(ended.arn, ended.at):
            return False
        self.escalation.execution_ended(message)
        self.reports.note_sent(ended.arn)
        return True

    def _row(self, ended: _Ended) -> Loop | None:
        """Returns the row that the execution can have claimed."""
        name = ended.text("humanLoopName")
        # With any other name, the execution could not claim.
        if not name or bounded(name, MAX_NAME) != name:
            return None
        return self.ledger.find_loop(name, ended.text("creationTime"))

    def _ended(self, execution: str) -> _Ended | None:
        """Returns the execution, or None if it has not ended."""
        try:
            found = self.states.describe_execution(executionArn=execution)
        except self.states.exceptions.ExecutionDoesNotExist:
            return _Ended(execution, GONE, "its cause is not known", {})
        if found["status"] in ("RUNNING", "PENDING_REDRIVE"):
            return None
        texts = [found[key] for key in ("error", "cause") if found.get(key)]
        if advice := _ADVICE.get(found.get("error", "")):
            texts.append(advice)
        cause = ": ".join(texts) or "no cause given"
        at = timestamp(found["stopDate"]) if "stopDate" in found else ""
        detail = detail_of(parsed(found.get("input")))
        return _Ended(execution, found["status"], cause, detail, at, found.get("error", ""))

    def _has_escalated(self, ended: _Ended) -> bool:
        """Whether the workflow reported the failure by itself, according to the execution's history."""
        if ended.status == GONE:
            return False
        events = self.states.get_execution_history(
            executionArn=ended.arn, reverseOrder=True, maxResults=_LAST_EVENTS, includeExecutionData=False
        )["events"]
        succeeded = {event["id"] for event in events if event["type"] == "TaskSucceeded"}
        return any(
            event["type"] == "TaskStateExited"
            and event.get("stateExitedEventDetails", {}).get("name") in _ESCALATIONS
            and event.get("previousEventId") in succeeded
            for event in events
        )


def is_unreported(row: Loop, claim: str) -> bool:
    """Whether a released claim needs a person, and no message was sent since it was claimed."""
    held = row.claims[claim]
    return (
        held["state"] == "released"
        and row.outcome == "failed"
        and (row.escalated_at is None or row.escalated_at < held.get("at", ""))
    )


def _how(ended: _Ended) -> str:
    return f"The execution {_ENDINGS[ended.status]}"


def _claim(ended: _Ended) -> str:
    return claim_id(ended.text("creationTime"), ended.text("humanLoopStatus"))
