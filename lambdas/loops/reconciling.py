"""Looks for what was missed, and goes on with what was left unfinished.

A2I promises an event for every loop that ends, EventBridge delivers what it can, and processes die. So once in a
while the workflow's own records are held against A2I's:

    a loop ended, and nobody claimed its status change    the workflow is started with the event that did not come
    a row was left `Starting`                             the start goes on
    a claim is held by an execution that has ended        it is given back, and the row says so: a person decides
    an execution ended, and who waits was not told        who waits for the loop is told now

Everything here may be done twice, by two at a time, or while the event is on its way after all: claims and starts
are what they are at any time, conditional writes to the ledger.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic.alias_generators import to_camel

from lambdas.loops.ledger import Ledger, Loop
from lambdas.loops.starting import Starter, StartError
from lambdas.loops.waiting import NotEnded, TokenUndeliverable
from lambdas.reviews.event import TERMINAL_STATUSES, status_change_event

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_stepfunctions import SFNClient

__all__ = [
    "LONGEST_LOOP",
    "Reconciler",
    "Reconciliation",
    "claim_id",
    "claim_of",
    "execution_name",
    "missed_event",
    "start_refused_event",
]

LONGEST_LOOP = timedelta(days=11)
"""How far back loops are looked at: a task is available to people for 10 days unless its flow definition says more."""

UNFINISHED_AFTER = timedelta(minutes=5)
"""A start takes seconds: one that has not come to its end by then never will by itself."""

DEAD = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
"""Statuses of executions that hold what they hold for ever."""

START_REFUSED = "StartRefused"
"""The failure code of a loop that could not be started, and whose caller could not be told. A2I knows no such code."""

_PAGE = 100
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.]([0-9]+))?Z")
_GONE = "gone"


@dataclass
class Reconciliation:
    """What was found and done.

    Attributes:
        looked_at: how many loops of A2I were held against the ledger.
        missed: status changes that nobody had claimed, `loop status`, with the execution that was started for each.
        resumed: loops whose start went on.
        refused: loops whose start A2I refuses, with the execution that escalates it.
        released: claims of executions that had ended, `loop claim`, with that execution.
        answered: loops whose end was recorded by an execution that could not tell the workflows that wait for them.
        problems: what AWS refused on the way, a line each; the rest was done all the same.
        complete: False if the time was over before everything was looked at.
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
        """Whether everything was as it should be."""
        done = (self.missed, self.resumed, self.refused, self.released, self.answered)
        return not (any(done) or self.problems)

    def as_json(self) -> dict[str, Any]:
        """The same with keys as JSON documents of the workflow have them."""
        return {to_camel(name): value for name, value in asdict(self).items()}

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Notes what AWS refuses: one loop that cannot be helped should not keep the others from it."""
        try:
            yield
        except (ClientError, NotEnded, TokenUndeliverable) as error:
            self.problems.append(f"{what}: {error}")


@dataclass(frozen=True)
class Reconciler:
    """Holds the ledger against A2I.

    Attributes:
        state_machine: ARN that executions are started with: the workflow's alias.
    """

    ledger: Ledger
    starter: Starter
    a2i: AugmentedAIRuntimeClient
    sagemaker: SageMakerClient
    states: SFNClient
    state_machine: str

    def run(
        self,
        flow_definitions: Sequence[str] = (),
        *,
        since: datetime | None = None,
        time_is_over: Callable[[], bool] = lambda: False,
        progress: Callable[[str, Reconciliation], None] = lambda flow, so_far: None,
    ) -> Reconciliation:
        """Reconcile.

        Args:
            flow_definitions: ARNs of those whose loops are looked at; all of the account if there are none.
            since: Look at loops created since then. Unless given: 11 days, and not before the ledger was made, as
                what ended before was nobody's to miss.
            time_is_over: Is asked between steps; when it says so, the rest is left to the next run.
            progress: Is told of each page: the flow definition, and what was found so far.
        """
        since = since or max(datetime.now(UTC) - LONGEST_LOOP, self.ledger.created())
        found = Reconciliation()
        for row in self._unfinished():
            with found.noting(row.human_loop_name):
                self._resume(row, found)
        for row in self._long_under_way(flow_definitions):
            with found.noting(row.human_loop_name):
                self._catch_up(row.human_loop_name, found)
        flows = list(flow_definitions or self._all_flow_definitions())
        random.shuffle(flows)  # if the time is over, another is the last at the next run
        for flow in flows:
            with found.noting(flow):
                for page in self._ended_loops(flow, since):
                    self._compare(page, found)
                    progress(flow, found)
                    if time_is_over():
                        found.complete = False
                        return found
        return found

    # Starts

    def _unfinished(self) -> list[Loop]:
        before = _text(datetime.now(UTC) - UNFINISHED_AFTER)
        # A list: what is resumed leaves the index that is read.
        return [
            row
            for row in self.ledger.select(status="Starting", created_before=before)
            if (row.updated_at or "") <= before
        ]

    def _resume(self, row: Loop, found: Reconciliation) -> None:
        try:
            self.starter.resume(row)
        except StartError as refusal:
            # Whoever called for it has no answer. The workflow tells a person, as of any other loop that failed.
            found.refused[row.human_loop_name] = self._start(
                start_refused_event(row, str(refusal)), "refused"
            )
        else:
            found.resumed.append(row.human_loop_name)

    # Status changes

    def _long_under_way(self, flow_definitions: Sequence[str]) -> list[Loop]:
        """Loops that may have ended and are too old to be among those that are listed: some tasks have 30 days."""
        before = _text(datetime.now(UTC) - LONGEST_LOOP)
        return [
            row
            for row in self.ledger.select(status="InProgress", created_before=before)
            if not flow_definitions or row.flow_definition_arn in flow_definitions
        ]

    def _all_flow_definitions(self) -> Iterator[str]:
        for page in self.sagemaker.get_paginator("list_flow_definitions").paginate():
            for flow in page["FlowDefinitionSummaries"]:
                yield flow["FlowDefinitionArn"]

    def _ended_loops(self, flow: str, since: datetime) -> Iterator[list[Any]]:
        pages = self.a2i.get_paginator("list_human_loops").paginate(
            FlowDefinitionArn=flow,
            CreationTimeAfter=since,
            SortOrder="Descending",  # if the time is over, what is left is what was looked at most often
            PaginationConfig={"PageSize": _PAGE},
        )
        for page in pages:
            loops = page["HumanLoopSummaries"]
            yield [loop for loop in loops if loop["HumanLoopStatus"] in TERMINAL_STATUSES]

    def _compare(self, loops: Sequence[Any], found: Reconciliation) -> None:
        rows = self.ledger.find_all([loop["HumanLoopName"] for loop in loops])
        for loop in loops:
            found.looked_at += 1
            row = rows.get(loop["HumanLoopName"])
            claim = claim_of(row, loop["CreationTime"], loop["HumanLoopStatus"]) if row else None
            with found.noting(loop["HumanLoopName"]):
                if row is None or claim is None:
                    self._catch_up(loop["HumanLoopName"], found)
                elif row.claims[claim]["state"] == "working":
                    self._give_back(row, claim, found)
                elif row.claims[claim]["state"] == "done" and row.waiting:
                    self._answer(row, claim, found)

    def _catch_up(self, name: str, found: Reconciliation) -> None:
        try:
            loop = self.a2i.describe_human_loop(HumanLoopName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return  # Deleted since it was listed.
            raise
        if loop["HumanLoopStatus"] not in TERMINAL_STATUSES:
            return
        event = missed_event(loop)
        found.missed[f"{name} {loop['HumanLoopStatus']}"] = self._start(event, "missed")

    def _give_back(self, row: Loop, claim: str, found: Reconciliation) -> None:
        execution = row.claims[claim]["execution"]
        status, why = self._how_is(execution)
        if status not in DEAD and status != _GONE:
            return
        reason = f"The execution that worked on it ended as {status} without giving it back: {why}"
        if self.ledger.release(row.human_loop_name, claim, execution, outcome="failed", reason=reason[:1000]):
            found.released[f"{row.human_loop_name} {claim}"] = execution

    def _answer(self, row: Loop, claim: str, found: Reconciliation) -> None:
        # A step after the record ended the execution in a way that no Catch takes: it was stopped, or is wrong itself.
        status, _ = self._how_is(row.claims[claim]["execution"])
        if status in ("RUNNING", "PENDING_REDRIVE"):
            return
        if row.next_loop_name is not None:
            self.starter.waiting.follow(row.human_loop_name)
        else:
            self.starter.waiting.answer(row.human_loop_name)
        found.answered.append(row.human_loop_name)

    def _how_is(self, execution: str) -> tuple[str, str]:
        """An execution's status, or that it is gone; and why it ended so."""
        try:
            described = self.states.describe_execution(executionArn=execution)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return _GONE, "Step Functions does not know it any more"
        return described["status"], described.get("cause") or described.get("error") or "no cause is given"

    def _start(self, event: Mapping[str, Any], why: str) -> str:
        return self.states.start_execution(
            stateMachineArn=self.state_machine,
            name=execution_name(why, event["detail"]["humanLoopName"]),
            input=json.dumps(event, ensure_ascii=False),
        )["executionArn"]


def claim_of(row: Loop, created: datetime, status: str) -> str | None:
    """The claim of a status change of a loop that was created then; None if nobody has claimed it.

    Times are compared to the second: an event may spell the time in another way than A2I's API.
    """
    for claim in row.claims:
        time, _, claimed_status = claim.rpartition(" ")
        if claimed_status == status and _same_second(time, created):
            return claim
    return None


def claim_id(created: str, status: str) -> str:
    """The name of the claim of a status change, of its event's creationTime and humanLoopStatus.

    The time has milliseconds, however the event spells it (`workflow.asl.expressions.CLAIM_ID`).
    """
    spelt = _TIME.fullmatch(created)
    return f"{spelt[1]}.{((spelt[2] or '') + '000')[:3]}Z {status}" if spelt else f"{created} {status}"


def missed_event(loop: Mapping[str, Any]) -> dict[str, Any]:
    """The event that A2I sends when a loop has ended, made from what DescribeHumanLoop answers.

    To the workflow it is A2I's own: if that one comes after all, its status change is found claimed.
    """
    output = loop.get("HumanLoopOutput", {}).get("OutputS3Uri")
    return _event(
        {
            "creationTime": _text(loop["CreationTime"]),
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
    """A status change of a loop that never was: as if it had failed, so that it is escalated as one that did."""
    flow = row.flow_definition_arn or ""
    arn = f"{flow.partition(':flow-definition/')[0]}:human-loop/{row.human_loop_name}"
    return _event(
        {
            "creationTime": row.created_at or _text(datetime.now(UTC)),
            "failureCode": START_REFUSED,
            "failureReason": reason,
            "flowDefinitionArn": flow,
            "humanLoopArn": arn,
            "humanLoopName": row.human_loop_name,
            "humanLoopOutput": None,
            "humanLoopStatus": "Failed",
        },
    )


def execution_name(why: str, human_loop_name: str) -> str:
    """A name for an execution that no event starts: it tells why it is, and of which loop. At most 80 characters."""
    readable = "".join(char if char.isascii() and char.isalnum() else "-" for char in human_loop_name)
    return f"{why}-{readable[:60]}-{uuid.uuid4().hex[:8]}"


def _event(detail: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return status_change_event(detail, event_id=str(uuid.uuid4()), time=now)


def _same_second(text: str, moment: datetime) -> bool:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return False
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return abs(time - moment) < timedelta(seconds=1)


def _text(moment: datetime) -> str:
    """As A2I's events write times: UTC, to the millisecond, not rounded."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
