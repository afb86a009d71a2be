"""Finds status changes that were missed and work that was left unfinished, and completes both.

Events can be lost and executions can be killed. So once an hour, the ledger is compared with A2I:

    a loop ended, and its status change was not claimed     start the workflow with the missing event
    a row is still `Starting`                               resume the start
    an execution ended without finishing                    see `abandoned.py`

All of this is safe to repeat, to run twice at the same time, and to run while the event is still on its way: every
claim and start is a conditional write to the ledger.
"""

from __future__ import annotations

import json
import logging
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic.alias_generators import to_camel

from lambdas.loops.abandoned import AbandonedExecutions
from lambdas.loops.claims import claim_of
from lambdas.loops.identity import name_of
from lambdas.loops.ledger import Ledger, Loop, UnreadableRow, now
from lambdas.loops.start_request import StartError
from lambdas.loops.starting import Starter
from lambdas.loops.waiting import NotEnded, TokenUndeliverable
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.event import TERMINAL_STATUSES, status_change_event
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_stepfunctions import SFNClient

__all__ = [
    "MAX_LISTED_AGE",
    "UNFINISHED_AFTER",
    "Reconciler",
    "Reconciliation",
    "execution_name",
    "missed_event",
    "start_refused_event",
]

MAX_LISTED_AGE = timedelta(days=11)
"""The age up to which A2I's own list of loops is read. By default, a task is available to workers for 10 days."""

UNFINISHED_AFTER = timedelta(minutes=5)
"""A start takes seconds. If it is older than this and still unfinished, its caller has gone."""

START_REFUSED = "StartRefused"
"""The failure code of a loop that A2I refused to start after its caller had gone. Not a code of A2I."""

_log = logging.getLogger(__name__)

PAGE_SIZE = 100  # the maximum of ListHumanLoops


@dataclass
class Reconciliation:
    """What the reconciler found and did.

    Attributes:
        looked_at: Number of ended loops in A2I's list that were compared with the ledger.
        missed: Status changes that no execution had claimed, `loop status`, each with the execution started for it.
        resumed: Loops whose start was resumed.
        refused: Loops that A2I refused to start, each with the execution that escalates the refusal.
        released: Claims of executions that had ended, `loop claim`, each with that execution.
        answered: Loops whose waiting workflows were notified.
        problems: Calls that AWS refused, one line each. Everything else was done.
        complete: False if the time ran out before everything was compared.
    """

    looked_at: int = 0
    missed: dict[str, str] = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    complete: bool = True

    @property
    def found_nothing(self) -> bool:
        """Whether nothing had to be done."""
        done = (self.missed, self.resumed, self.refused, self.released, self.answered)
        return not (any(done) or self.problems)

    def as_json(self) -> dict[str, Any]:
        """Returns the same with camelCase keys."""
        return {to_camel(name): value for name, value in asdict(self).items()}

    @contextmanager
    def noting_problems(self, subject: str) -> Iterator[None]:
        """Records the errors of one loop, so that the others are still processed.

        That holds for all errors: nothing that is in one row, or in A2I, may keep the reconciler from the others.
        """
        try:
            yield
        except UnreadableRow as error:
            self.note_unreadable(error)
        except (BotoCoreError, ClientError, InvalidDocument, NotEnded, TokenUndeliverable) as error:
            self.problems.append(f"{subject}: {error}")
        except Exception as error:
            _log.exception("unexpected error: %s", subject)
            self.problems.append(f"{subject}: {type(error).__name__}: {error}")

    def note_unreadable(self, row: UnreadableRow) -> None:
        """Records a row that cannot be read. It is skipped until a person has corrected it."""
        if str(row) not in self.problems:
            self.problems.append(str(row))


@dataclass(frozen=True)
class Reconciler:
    """Compares the ledger with A2I.

    Attributes:
        state_machine: ARN to start executions with: the workflow's alias.
    """

    ledger: Ledger
    starter: Starter
    a2i: AugmentedAIRuntimeClient
    sagemaker: SageMakerClient
    states: SFNClient
    state_machine: str
    abandoned: AbandonedExecutions

    def run(
        self,
        flow_definitions: Sequence[str] = (),
        *,
        since: datetime | None = None,
        out_of_time: Callable[[], bool] = lambda: False,
        progress: Callable[[str, Reconciliation], None] = lambda flow, so_far: None,
    ) -> Reconciliation:
        """Reconciles.

        Args:
            flow_definitions: ARNs of the flow definitions to look at; all of the account if empty.
            since: Look at loops created since then. Default: 11 days ago, or when the ledger was created if that is
                later.
            out_of_time: Called after each page. If it returns True, the rest is left to the next run.
            progress: Called after each page with the flow definition and the results so far.
        """
        since = since or max(datetime.now(UTC) - MAX_LISTED_AGE, self.ledger.created())
        found = Reconciliation()
        for row in self._unfinished_starts(found):
            with found.noting_problems(row.human_loop_name):
                self._resume(row, found)
        for row in self._old_loops_in_progress(flow_definitions, found):
            with found.noting_problems(row.human_loop_name):
                self._process_if_ended(row.human_loop_name, found)
        flows = list(flow_definitions or self._all_flow_definitions())
        # If the time runs out in every run, each run still covers other flow definitions.
        random.shuffle(flows)
        for flow in flows:
            with found.noting_problems(flow):
                for page in self._ended_loops(flow, since):
                    self._compare(page, found)
                    progress(flow, found)
                    if out_of_time():
                        found.complete = False
                        return found
        return found

    # Starts

    def _unfinished_starts(self, found: Reconciliation) -> list[Loop]:
        before = timestamp(datetime.now(UTC) - UNFINISHED_AFTER)
        # A list, not a generator: a resumed start leaves the index while the index is being read.
        return [
            row
            for row in self.ledger.select(
                status="Starting", created_before=before, unreadable=found.note_unreadable
            )
            if (row.updated_at or "") <= before
        ]

    def _resume(self, row: Loop, found: Reconciliation) -> None:
        try:
            self.starter.resume(row)
        except StartError as refusal:
            # The caller of the start received no answer. Escalate the refusal like any other failed loop.
            event = start_refused_event(row, str(refusal))
            found.refused[row.human_loop_name] = self._start_execution(event, "refused")
        else:
            found.resumed.append(row.human_loop_name)

    # Status changes

    def _old_loops_in_progress(self, flow_definitions: Sequence[str], found: Reconciliation) -> list[Loop]:
        """Returns loops that are too old for the list. A flow definition can give tasks up to 30 days."""
        before = timestamp(datetime.now(UTC) - MAX_LISTED_AGE)
        return [
            row
            for row in self.ledger.select(
                status="InProgress", created_before=before, unreadable=found.note_unreadable
            )
            if not flow_definitions or row.flow_definition_arn in flow_definitions
        ]

    def _all_flow_definitions(self) -> Iterator[str]:
        for page in self.sagemaker.get_paginator("list_flow_definitions").paginate():
            for flow in page["FlowDefinitionSummaries"]:
                yield flow["FlowDefinitionArn"]

    def _ended_loops(self, flow: str, since: datetime) -> Iterator[list[Any]]:
        pages = self.a2i.get_paginator(
            "list_human_loops"
        ).paginate(
            FlowDefinitionArn=flow,
            CreationTimeAfter=since,
            SortOrder="Descending",  # if the time runs out, the oldest remain, which earlier runs have compared
            PaginationConfig={"PageSize": PAGE_SIZE},
        )
        for page in pages:
            loops = page["HumanLoopSummaries"]
            yield [loop for loop in loops if loop["HumanLoopStatus"] in TERMINAL_STATUSES]

    def _compare(self, loops: Sequence[Any], found: Reconciliation) -> None:
        unreadable: list[UnreadableRow] = []
        rows = self.ledger.find_loops(
            [(loop["HumanLoopName"], timestamp(loop["CreationTime"])) for loop in loops], unreadable.append
        )
        for problem in unreadable:
            found.note_unreadable(problem)
        skipped = {name_of(problem.key) for problem in unreadable}
        for loop in loops:
            found.looked_at += 1
            if loop["HumanLoopName"] in skipped:
                continue  # its claims are unknown
            row = rows.get((loop["HumanLoopName"], timestamp(loop["CreationTime"])))
            claim = claim_of(row, loop["CreationTime"], loop["HumanLoopStatus"]) if row else None
            with found.noting_problems(loop["HumanLoopName"]):
                if row is None or claim is None:
                    self._process_if_ended(loop["HumanLoopName"], found)
                elif row.claims[claim]["state"] == "working" or (
                    row.claims[claim]["state"] == "done" and row.waiting
                ):
                    self._settle(row, claim, found)

    def _process_if_ended(self, name: str, found: Reconciliation) -> None:
        try:
            loop = self.a2i.describe_human_loop(HumanLoopName=name)
        except self.a2i.exceptions.ResourceNotFoundException:
            return  # deleted since it was listed
        if loop["HumanLoopStatus"] in TERMINAL_STATUSES:
            execution = self._start_execution(missed_event(loop), "missed")
            found.missed[f"{name} {loop['HumanLoopStatus']}"] = execution

    def _settle(self, row: Loop, claim: str, found: Reconciliation) -> None:
        if (settled := self.abandoned.settle_claim(row, claim)) is None:
            return
        if settled.released:
            found.released[f"{row.human_loop_name} {claim}"] = settled.execution
        if settled.answered:
            found.answered.append(row.human_loop_name)

    def _start_execution(self, event: Mapping[str, Any], why: str) -> str:
        return self.states.start_execution(
            stateMachineArn=self.state_machine,
            name=execution_name(why, event["detail"]["humanLoopName"]),
            input=json.dumps(event, ensure_ascii=False),
        )["executionArn"]


def missed_event(loop: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the event that A2I sends when a loop ends, built from the response of DescribeHumanLoop.

    The workflow treats it like A2I's event. If that arrives later, its status change is already claimed.
    """
    output = loop.get("HumanLoopOutput", {}).get("OutputS3Uri")
    return _event(
        {
            "creationTime": timestamp(loop["CreationTime"]),
            "failureCode": loop.get("FailureCode"),
            "failureReason": loop.get("FailureReason"),
            "flowDefinitionArn": loop["FlowDefinitionArn"],
            "humanLoopArn": loop["HumanLoopArn"],
            "humanLoopName": loop["HumanLoopName"],
            "humanLoopOutput": {"outputS3Uri": output} if output else None,
            "humanLoopStatus": loop["HumanLoopStatus"],
        },
    )


def start_refused_event(row: Loop, reason: str) -> dict[str, Any]:
    """Returns an event for a loop that A2I refused to start, as if the loop had failed, so that it is escalated."""
    flow = row.flow_definition_arn or ""
    arn = f"{flow.partition(':flow-definition/')[0]}:human-loop/{row.name}"
    return _event(
        {
            "creationTime": row.created_at or now(),
            "failureCode": START_REFUSED,
            "failureReason": reason,
            "flowDefinitionArn": flow,
            "humanLoopArn": arn,
            "humanLoopName": row.name,
            "humanLoopOutput": None,
            "humanLoopStatus": "Failed",
        },
    )


def execution_name(why: str, human_loop_name: str) -> str:
    """Returns a unique name for an execution that no event started: the reason and the loop, at most 80 characters."""
    readable = "".join(char if char.isascii() and char.isalnum() else "-" for char in human_loop_name)
    return f"{why}-{readable[:60]}-{uuid.uuid4().hex[:8]}"


def _event(detail: Mapping[str, Any]) -> dict[str, Any]:
    sent = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return status_change_event(detail, event_id=str(uuid.uuid4()), time=sent)
