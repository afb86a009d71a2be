"""The first witness: what the ledger says is open, whatever its age, and what has become of it.

    a row is `Starting`                    resume the start
    a row is `InProgress`                  ask A2I: if the loop has ended or is gone, its event was missed
    a status change is being processed     see whether its execution still runs
    a row is `failed`                      see whether a person was told
    an execution ended without finishing   see `abandoned.py`

The indexes by status and outcome have exactly these rows, so the cost grows with what is open.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambdas.loops.abandoned import FAILED_STATUSES, GONE, AbandonedExecutions, Settled, is_unreported
from lambdas.loops.claims import claim_id, claim_of
from lambdas.loops.event_text import detail_of, parsed
from lambdas.loops.identity import is_about
from lambdas.loops.ledger import Ledger
from lambdas.loops.lifetimes import Lifetimes
from lambdas.loops.loop import Loop
from lambdas.loops.marks import Marks
from lambdas.loops.missed_events import MissedEvents, loop_deleted_event, missed_event, start_refused_event
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.start_request import StartError
from lambdas.loops.starting import Starter
from lambdas.reviews.event import TERMINAL_STATUSES
from lambdas.reviews.times import moment_of, timestamp

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_sagemaker_a2i_runtime.type_defs import DescribeHumanLoopResponseTypeDef
    from mypy_boto3_stepfunctions import SFNClient

__all__ = ["UNFINISHED_AFTER", "OpenLoops", "described", "is_unfinished"]

UNFINISHED_AFTER = timedelta(minutes=5)
"""A start takes seconds. If it is older than this and still unfinished, its caller has gone."""

FIRST_PERIOD = timedelta(days=14)
"""How long ago an execution can have ended that the first run settles. The run may be late: after an outage, or an
upgrade. Step Functions lets an execution be redriven for 14 days."""

_EXECUTIONS = "executions"
"""The name of the mark of the list of executions."""


def described(a2i: AugmentedAIRuntimeClient, name: str) -> DescribeHumanLoopResponseTypeDef | None:
    """Returns a loop as A2I describes it, or None if A2I does not have it."""
    try:
        return a2i.describe_human_loop(HumanLoopName=name)
    except a2i.exceptions.ResourceNotFoundException:
        return None


def is_unfinished(row: Loop) -> bool:
    """Whether nothing has happened to a row for so long that whoever was working on it has gone.

    An odd time is not from a moment ago.
    """
    written = moment_of(row.updated_at or row.created_at)
    return written is None or abs(datetime.now(UTC) - written) >= UNFINISHED_AFTER


@dataclass(frozen=True)
class OpenLoops:
    """Finds out what has become of what is open. Each method that returns an iterator takes one step with each item.

    Attributes:
        found: What was found and done. The methods add to it.
        only: The only flow definition to look at, for status changes; None for all.
        lifetimes: How long loops can be open.
        longest_claim: How long an execution can hold a claim; None if that is not known.
        since: If given, the whole table is read, not only what the indexes say is open: after the table was restored
            to an earlier time, both can be wrong. Claims of executions that succeeded are released, and run again.
    """

    ledger: Ledger
    marks: Marks
    starter: Starter
    a2i: AugmentedAIRuntimeClient
    states: SFNClient
    events: MissedEvents
    abandoned: AbandonedExecutions
    found: Reconciliation
    lifetimes: Lifetimes
    longest_claim: timedelta | None = None
    only: str | None = None
    since: datetime | None = None

    def starts(self) -> Iterator[None]:
        """Resumes unfinished starts."""
        return self._each(self._rows("status", "Starting"), self._resume)

    def in_progress(self) -> Iterator[None]:
        """Looks up loops in progress."""
        return self._each(self._rows("status", "InProgress"), self._look_up)

    def processing(self) -> Iterator[None]:
        """Looks at the executions that hold claims."""
        return self._each(self._rows("outcome", "processing"), self._settle_claims)

    def failed(self) -> Iterator[None]:
        """Reports rows that need a person if their message was never sent.

        The topic may have refused the message, or whoever released the claim may have ended before the message.
        """
        # After an outage, there can be 100,000 failed rows. Nearly all have been reported.
        return self._each(self._rows("outcome", "failed", wanted=_unreported), self._report)

    def ended_executions(self) -> Iterator[None]:
        """Settles the executions that ended without finishing since the last run.

        Most have been settled when they ended. These are the ones whose report was lost: the executions that had no
        claim yet, those that had recorded the outcome and were in a later step, such as a wait of days, and those of an
        earlier version of the workflow, whose claims no index has.
        """
        if self.only is not None:
            return
        until = datetime.now(UTC) - UNFINISHED_AFTER
        since = self.since or self.marks.get(_EXECUTIONS) or until - FIRST_PERIOD
        # No list has executions by their end. One that ended since the last run began after the oldest of those that
        # were running then. If that is unknown, the whole list is read.
        begun = None if self.since else self.marks.open_since(_EXECUTIONS)
        oldest, failed = until, False
        for page in self._executions("RUNNING"):
            oldest = min([oldest, *(one["startDate"] for one in page)])
        for status in sorted(FAILED_STATUSES):
            for page in self._executions(status, begun):
                for one in page:
                    ended = one.get("stopDate", since)
                    if ended >= until:
                        oldest = min(oldest, one["startDate"])  # left to the next run
                    elif ended >= since:
                        with self.found.noting_problems(one["name"]) as attempt:
                            self._note(self.abandoned.settle(one["executionArn"]))
                        failed = failed or attempt.failed
                        yield
        if not failed:
            self.marks.advance(_EXECUTIONS, until, open_since=oldest)

    def _executions(self, status: str, begun: datetime | None = None) -> Iterator[list[Any]]:
        """Yields pages of executions with that status, the newest first, which began then or later."""
        pages = self.states.get_paginator("list_executions").paginate(
            stateMachineArn=self.events.state_machine.rpartition(":")[0],
            statusFilter=status,  # type: ignore[arg-type]
            PaginationConfig={"PageSize": 1000},
        )
        for page in pages:
            executions: list[Any] = page["executions"]
            yield executions
            # The newest come first (API reference, ListExecutions).
            if begun and executions and executions[-1]["startDate"] < begun:
                return

    def settle(self, row: Loop, claim: str) -> None:
        """Looks at the execution that holds a claim, or that has recorded the outcome."""
        held = row.claims[claim]
        try:
            execution: Any = self.states.describe_execution(executionArn=held["execution"])
        except self.states.exceptions.ExecutionDoesNotExist:
            execution = {"status": GONE}
        status = execution["status"]
        if status in ("RUNNING", "PENDING_REDRIVE"):
            if held["state"] == "working" and (claimed := moment_of(held.get("at"))):
                age = datetime.now(UTC) - claimed
                self.found.note_claim(row.human_loop_name, claim, age, self.longest_claim)
            return
        if held["state"] == "working" and (status == "SUCCEEDED" or (status == GONE and self.since)):
            self._run_again(row, claim, execution)
        else:
            self._note(self.abandoned.settle_claim(row, claim))

    # Rows

    def _rows(
        self, attribute: str, value: str, wanted: Callable[[Loop], object] = lambda row: True
    ) -> list[Loop]:
        """Returns the rows with that status or outcome that are wanted, in any order."""
        if self.since is not None:
            rows = [row for row in self._table if _is_open(row, attribute, value) and wanted(row)]
        else:
            # A list, not a generator: a row leaves the index when it is dealt with.
            query: Any = {attribute: value}
            found = self.ledger.select(**query, unreadable=self.found.note_unreadable)
            rows = [row for row in found if wanted(row)]
        if attribute == "status":
            # A2I may not know a loop yet that was started a moment ago, and the event of one that ended may be on its
            # way.
            rows = [row for row in rows if is_unfinished(row)]
        if value != "Starting":
            rows = [row for row in rows if self.only in (None, row.flow_definition_arn)]
        # If the time runs out in every run, each run still covers other rows.
        random.shuffle(rows)
        return rows

    @cached_property
    def _table(self) -> list[Loop]:
        rows = self.ledger.select(unreadable=self.found.note_unreadable)
        return [row for row in rows if row.status in ("Starting", "InProgress") or row.claims]

    def _each(self, rows: list[Loop], do: Callable[[Loop], None]) -> Iterator[None]:
        for row in rows:
            with self.found.noting_problems(row.human_loop_name):
                do(row)
            yield

    # Starts and loops in progress

    def _resume(self, row: Loop) -> None:
        try:
            self.starter.resume(row)
        except StartError as refusal:
            # The caller of the start received no answer. Escalate the refusal like any other failed loop.
            event = start_refused_event(row, str(refusal), self.events.state_machine)
            self.found.refused[row.human_loop_name] = self.events.process(event, "refused")
        else:
            self.found.resumed.append(row.human_loop_name)

    def _look_up(self, row: Loop) -> None:
        loop = described(self.a2i, row.name)
        if loop is None or not is_about(row, timestamp(loop["CreationTime"])):
            self._escalate_deleted(row, loop)
        elif loop["HumanLoopStatus"] in TERMINAL_STATUSES:
            change = f"{row.name} {loop['HumanLoopStatus']}"
            if change not in self.found.missed:
                self.found.missed[change] = self.events.process(missed_event(loop), "missed")
        else:
            self._note_open(row, loop)

    def _note_open(self, row: Loop, loop: DescribeHumanLoopResponseTypeDef) -> None:
        """Measures a loop that is in progress, or being stopped: A2I can stay in Stopping, and sends no event then."""
        lifetime = self.lifetimes.of(loop["FlowDefinitionArn"])
        self.found.note_open(row.human_loop_name, datetime.now(UTC) - loop["CreationTime"], lifetime)
        if row.loop_created_at is None:
            # From now on, another loop with the name cannot be taken for this one.
            created = timestamp(loop["CreationTime"])
            self.ledger.update(row.human_loop_name, only_while=("InProgress",), loop_created_at=created)

    def _escalate_deleted(self, row: Loop, other: DescribeHumanLoopResponseTypeDef | None) -> None:
        # The index can be behind the table. The loop may have been deleted after its event was processed.
        current = self.ledger.find(row.human_loop_name)
        if current is None or current.status != "InProgress" or not is_unfinished(current):
            return
        if other is None or not is_about(current, timestamp(other["CreationTime"])):
            event = loop_deleted_event(current, self.events.state_machine)
            self.found.deleted[row.human_loop_name] = self.events.process(event, "deleted")

    # Claims

    def _report(self, row: Loop) -> None:
        newest = max(_unreported(row), key=lambda claim: row.claims[claim].get("at", ""))
        # A redrive may be about to claim the status change again.
        if is_unfinished(row):
            self._note(self.abandoned.settle_claim(row, newest))

    def _settle_claims(self, row: Loop) -> None:
        claims = [
            claim
            for claim, held in row.claims.items()
            if held["state"] == "working" or (held["state"] == "done" and row.waiting)
        ]
        for claim in claims:
            self.settle(row, claim)
        if not claims and row.outcome == "processing" and is_unfinished(row):
            self._mark_unprocessed(row)

    def _mark_unprocessed(self, row: Loop) -> None:
        """Marks a row that says it is being processed, although no execution holds a claim, for a person."""
        current = self.ledger.find(row.human_loop_name)
        if current is None or current.outcome != "processing" or _working(current):
            return
        reason = "The ledger said that the loop was being processed, but no execution had a claim on it."
        if self.ledger.settle(current, outcome="failed", reason=reason):
            self.found.problems.append(f"{row.human_loop_name}: {reason} See it, and redrive or close it.")

    def _run_again(self, row: Loop, claim: str, execution: Any) -> None:
        """Processes a status change again whose execution succeeded, but still has its claim.

        No execution succeeds before it has recorded the outcome. So the row is from before that: the table was restored
        to an earlier time.
        """
        current = self.ledger.find(row.human_loop_name)
        if current is None or current.claims.get(claim) != row.claims[claim] or not is_unfinished(current):
            return
        holder = row.claims[claim]["execution"]
        if self.since is None:
            self.found.problems.append(
                f"{row.human_loop_name}: the execution that holds its claim has succeeded, so the ledger is older than "
                f"that: run `python deploy.py loops reconcile --since` with the time of the ledger ({holder})"
            )
            return
        event = _event_of(row, claim, execution.get("input")) or self._event_from_a2i(row, claim)
        if event is None:
            self._note(self.abandoned.settle_claim(row, claim))
            return
        reason = "Its claim was released, to run the status change again."
        if self.ledger.release(row.human_loop_name, claim, holder, outcome="failed", reason=reason):
            status = claim.rpartition(" ")[2]
            self.found.missed[f"{row.human_loop_name} {status}"] = self.events.process(event, "again")

    def _event_from_a2i(self, row: Loop, claim: str) -> dict[str, Any] | None:
        loop = described(self.a2i, row.name)
        if loop is None or claim_of(row, loop["CreationTime"], loop["HumanLoopStatus"]) != claim:
            return None
        return missed_event(loop)

    def _note(self, settled: Settled | None) -> None:
        if settled is None:
            return
        if settled.released:
            self.found.released[f"{settled.human_loop_name} {settled.claim}"] = settled.execution
        elif settled.escalated:
            self.found.reported.append(settled.execution)
        if settled.answered:
            self.found.answered.append(str(settled.human_loop_name))


def _is_open(row: Loop, attribute: str, value: str) -> bool:
    if attribute == "status":
        return row.status == value
    return bool(_working(row)) or bool(row.waiting) or row.outcome == value


def _working(row: Loop) -> list[str]:
    return [claim for claim, held in row.claims.items() if held["state"] == "working"]


def _unreported(row: Loop) -> list[str]:
    return [claim for claim in row.claims if is_unreported(row, claim)]


def _event_of(row: Loop, claim: str, text: str | None) -> dict[str, Any] | None:
    """Returns the event that an execution was started with, if it is that of the claim."""
    event: Any = parsed(text)
    detail = detail_of(event)
    named = (
        detail.get("humanLoopName"),
        claim_id(str(detail.get("creationTime")), str(detail.get("humanLoopStatus"))),
    )
    return event if named == (row.name, claim) else None
