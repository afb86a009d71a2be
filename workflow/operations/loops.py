"""What an operator does to human loops: list, show, start, restart, stop, close, redrive, reconcile.

Nothing here prints or asks: `workflow/cli/loops.py` does. Loops are started by the stage's own functions, so
that it makes no difference who starts them; the rest is read and written where it is: in the ledger, A2I and Step
Functions.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.loops import names as loop_names
from lambdas.loops.ledger import Ledger, Loop, now
from lambdas.loops.reconciling import (
    DEAD,
    Reconciler,
    Reconciliation,
    claim_id,
    claim_of,
    execution_name,
    missed_event,
)
from lambdas.loops.start_request import StartedLoop, StartRequest
from lambdas.loops.starting import Starter
from lambdas.loops.waiting import Tokens, WaitingWorkflows
from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.errors import AfterloopError
from workflow.operations.client import LoopsClient
from workflow.operations.stage_resources import StageResources
from workflow.operations.story import GONE, A2iView, Execution, Story, tell
from workflow.publish.account import Account
from workflow.stack import ALIAS

if TYPE_CHECKING:
    import boto3

__all__ = ["Closed", "Listing", "LoopError", "Loops", "Redriven", "Wanted"]

WAITING_OUTCOMES = ("escalated", "failed")
"""A person has to do something about loops with these."""

UNDER_WAY = ("Starting", "InProgress")

MOST_ATTEMPTS = 20
"""That a lineage may have by rules (`lambdas.loops.restart_policy`); beyond them each restart is a person's."""


class LoopError(AfterloopError):
    """What was asked cannot be done to this loop: says why, and what can."""


@dataclass(frozen=True)
class Wanted:
    """Which loops are listed: those for which all that is given holds.

    Attributes:
        status: as the ledger has it.
        flow_definition: name or ARN.
        outcome: as the ledger has it.
        older_than: by their creation.
    """

    status: str | None = None
    flow_definition: str | None = None
    outcome: str | None = None
    older_than: timedelta | None = None


@dataclass(frozen=True)
class Listing:
    """Loops: those that wait for a person first, then those under way, then the rest; oldest first in each."""

    loops: list[Loop]
    more: bool
    """Whether there are more than were asked for."""


@dataclass(frozen=True)
class Redriven:
    """An execution that works on a status change again."""

    human_loop_name: str
    claim: str
    execution: str
    before: str
    """ARN of the execution that had failed."""


@dataclass(frozen=True)
class Closed:
    """A loop that a person closed, and how many waiting workflows were told so."""

    loop: Loop
    answered: int


class Loops:
    """The loops of a published stage.

    Methods raise `LoopError` where their docstrings say so, and `botocore.exceptions.ClientError` for what AWS refuses.

    Args:
        resources: Of the stage.
        session: Its credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        self.resources = resources
        self.stage = resources.stage
        self._session = session
        self._client = LoopsClient(resources.stage, session)
        self._a2i = session.client("sagemaker-a2i-runtime")
        self._states = session.client("stepfunctions")
        self.ledger = Ledger(session.client("dynamodb"), resources.ledger_table)

    # Looking

    def listing(
        self,
        wanted: Wanted,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        progress: Callable[[int], object] = lambda number: None,
    ) -> Listing:
        """Loops of the ledger.

        Args:
            wanted: Which.
            limit: At most so many; None for all.
            newest_first: Instead of oldest first.
            progress: Is told how many were read.
        """
        rows = _counted(self._in_order(wanted, newest_first), progress)
        # One more than is shown tells whether there are more; what comes after it is not even read.
        found = list(itertools.islice(rows, None if limit is None else limit + 1))
        return Listing(found[:limit], more=limit is not None and len(found) > limit)

    def _in_order(self, wanted: Wanted, newest_first: bool) -> Iterator[Loop]:
        flow = wanted.flow_definition and self.resources.flow_definition_arn(wanted.flow_definition)
        select = functools.partial(
            self.ledger.select,
            flow_definition_arn=flow,
            created_before=_before(wanted.older_than),
            newest_first=newest_first,
        )
        if wanted.outcome:
            yield from select(outcome=wanted.outcome, status=wanted.status)
            return
        waiting = [select(outcome=outcome, status=wanted.status) for outcome in WAITING_OUTCOMES]
        under_way = [select(status=status) for status in UNDER_WAY if wanted.status in (None, status)]
        for rows in (waiting, under_way):
            yield from heapq.merge(*rows, key=lambda loop: loop.created_at or "", reverse=newest_first)
        if wanted.status not in UNDER_WAY:
            for row in select(status=wanted.status):
                if row.outcome not in WAITING_OUTCOMES and row.status not in UNDER_WAY:
                    yield row

    def show(self, given: str) -> Story:
        """The whole story of a loop.

        Args:
            given: The loop's name, or the key that it was started with.

        Raises:
            LoopError: Neither the ledger nor A2I knows it.
        """
        loop = self._find(given)
        if loop is None:
            name, seen = self._view_of_any(given)
            unknown = Loop(human_loop_name=name, flow_definition_arn=seen.flow_definition_arn)
            return tell(unknown, stage=self.stage, view=seen)
        executions = {
            held["execution"]: self.execution(held["execution"])
            for held in loop.claims.values()
            if "execution" in held
        }
        # Of a loop that has ended A2I knows no more than the ledger.
        view = self._view(loop.human_loop_name) if loop.status not in TERMINAL_STATUSES else None
        return tell(
            loop,
            stage=self.stage,
            view=view,
            before=self.ledger.lineage(loop)[:-1],
            after=self.ledger.restarts(loop),
            executions=executions,
        )

    def execution(self, arn: str) -> Execution:
        """How an execution is."""
        try:
            found = self._states.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return Execution(arn, GONE, link=self._link(arn))
        return Execution(
            arn,
            found["status"],
            started=found["startDate"],
            stopped=found.get("stopDate"),
            error=found.get("error"),
            cause=found.get("cause"),
            input=found.get("input"),
            link=self._link(arn),
        )

    # Starting and stopping

    def start(self, request: StartRequest) -> StartedLoop:
        """Start a loop by the stage's function. Raises what `LoopsClient.start` raises."""
        return self._client.start(request)

    def restart(
        self, given: str, *, more_attempts: int = 1, flow_definition: str | None = None
    ) -> StartedLoop:
        """Start a loop again that failed or was stopped, whatever the stage's rules say.

        Args:
            given: The last loop of its lineage, by name or key.
            more_attempts: How many attempts the lineage gets from here on, this one included: when it fails, the
                rest is used by the stage's rules.
            flow_definition: Name or ARN of another than the loop had.

        Raises:
            LoopError: It has not ended, or needs no restart, or was restarted already: says as what.
            InputUnknown, NameTaken, StartRefused: As `LoopsClient.restart`.
        """
        loop = self._known(given)
        name = loop.human_loop_name
        self._must_be_last(loop, "restart")
        if loop.status not in ("Failed", "Stopped"):
            raise LoopError(self._why_not_restarted(loop))
        flow = self.resources.flow_definition_arn(flow_definition or loop.flow_definition_arn or "")
        if flow_definition is None and loop.flow_definition_arn is None:
            raise LoopError(f"human loop {name}: its flow definition is not known: give --flow-definition")
        busy = self._busy(loop)
        if busy and flow != loop.flow_definition_arn:
            raise LoopError(
                f"human loop {name}: an execution is at work on it, and may restart it with its own flow "
                f"definition: stop that first: {busy.link or busy.arn}"
            )
        allowed = max(loop.max_attempts or 0, loop.attempt + more_attempts)
        self.ledger.update(name, max_attempts=min(allowed, MOST_ATTEMPTS))
        started = self._client.restart(name, flow)
        there = self.ledger.find(started.human_loop_name)
        if there is not None and there.flow_definition_arn != flow:
            raise LoopError(
                f"human loop {name} was restarted at this moment, as {there.human_loop_name} with "
                f"{there.flow_definition_arn}: `{self._command('show', there.human_loop_name)}`"
            )
        # Unless an execution is about to record the same: then it has the last word.
        row = self.ledger.find(name)
        if row is not None and not busy:
            self.ledger.settle(
                row,
                self._open_claims(row),
                outcome="restarted",
                reason=f"{self._who} started it again as {started.human_loop_name}.",
            )
        return started

    def stop(self, given: str) -> str:
        """Ask A2I to stop a loop. Its status change runs the workflow, as any other does.

        Returns:
            The loop's name.

        Raises:
            LoopError: There is no such loop, or it has ended.
        """
        loop = self._find(given)
        name = loop.human_loop_name if loop else given
        try:
            self._a2i.stop_human_loop(HumanLoopName=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("ResourceNotFoundException", "ValidationException"):
                raise
            view = self._view(name)
            if view is not None and view.status in TERMINAL_STATUSES:
                told = (
                    f"it has ended already, as {view.status}: `{self._command('show', name)}` tells the rest"
                )
            elif loop is not None and loop.status == "Starting":
                told = (
                    f"its start has not come to its end: `{self._command('reconcile')}` goes on with it first"
                )
            elif view is None:
                told = "A2I has no loop of that name in this account and Region"
            else:
                told = f"A2I refuses: {error.response['Error'].get('Message', code)}"
            raise LoopError(f"human loop {name}: {told}") from None
        return name

    # Going on where the workflow could not

    def close(self, given: str, note: str) -> Closed:
        """Close a loop that waits for a person: nothing more is going to be done about it.

        A workflow that still waits for it is told that it failed. A second delivery of its event changes nothing.

        Args:
            given: The last loop of its lineage, by name or key.
            note: Why; it is kept in the ledger, with who and when.

        Raises:
            LoopError: It waits for nobody, an execution is at work on it, or it was changed meanwhile.
        """
        loop = self._known(given)
        name = loop.human_loop_name
        self._must_be_last(loop, "close")
        if busy := self._busy(loop):
            raise LoopError(f"human loop {name}: an execution is at work on it: {busy.link or busy.arn}")
        if loop.outcome == "closed" and not loop.waiting:
            raise LoopError(
                f"human loop {name} was closed already, by {loop.closed_by} at {loop.closed_at}: {loop.note}"
            )
        abandoned = loop.outcome is None and bool(self._open_claims(loop))
        if loop.outcome not in (*WAITING_OUTCOMES, "closed") and not abandoned:
            raise LoopError(f"human loop {name} waits for nobody: {tell(loop, stage=self.stage).outcome}")
        # One that is closed, and whose waiting workflow could not be told then, is closed again to tell it.
        changes = {"outcome": "closed", "note": note, "closed_by": self._who, "closed_at": now()}
        if not self.ledger.settle(loop, self._open_claims(loop), **changes):
            raise LoopError(f"human loop {name} was changed at this moment: look again, and close it then")
        answered = 0
        if loop.waiting:
            answered = self._client.call("AnswerWorkflow", {"humanLoopName": name})["delivered"]
        return Closed(self._known(name), answered)

    def redrive(self, given: str) -> Redriven:
        """Run a status change again that the workflow failed to handle.

        It is the newest of those whose claim was given back, or is held by an execution that has ended. The new
        execution gets the same event; it runs as the workflow is today.

        Raises:
            LoopError: There is none, or an execution is at work on one.
        """
        loop = self._known(given)
        name = loop.human_loop_name
        if not loop.claims:
            raise LoopError(
                f"human loop {name}: no status change of it has come; if it has ended, "
                f"`{self._command('reconcile')}` looks for it"
            )
        claims = self._open_claims(loop)
        if not claims:
            raise LoopError(
                f"human loop {name}: its status change is handled: {tell(loop, stage=self.stage).outcome}"
            )
        if busy := self._busy(loop):
            raise LoopError(f"human loop {name}: an execution is at work on it: {busy.link or busy.arn}")
        claim = max(claims, key=lambda one: str(loop.claims[one].get("at", "")))
        before = self.execution(loop.claims[claim]["execution"])
        event = self._event(loop, claim, before)
        self._release(loop, claim, before.arn)
        return Redriven(name, claim, self._run(event, name), before.arn)

    def redrive_execution(self, arn: str) -> Redriven:
        """Run the event of a failed execution again: of one that could not even claim its status change.

        Raises:
            LoopError: There is no such execution of this stage, it has not failed, or another has the claim.
        """
        machine = self.resources.state_machine_arn.replace(":stateMachine:", ":execution:")
        if not arn.startswith(f"{machine}:"):
            raise LoopError(f"{arn} is no execution of stage {self.stage}: they begin with {machine}:")
        before = self.execution(arn)
        if before.status not in DEAD or before.input is None:
            what = {
                "RUNNING": "is still running",
                "SUCCEEDED": "did what it should",
                GONE: "is not known to Step Functions (any more)",
            }.get(before.status, f"is {before.status}")
            raise LoopError(f"execution {arn} {what}: there is nothing to run again")
        event = json.loads(before.input)
        detail = event.get("detail") if isinstance(event, dict) else None
        name, claim = _identity(detail if isinstance(detail, dict) else {})
        loop = self.ledger.find(name) if name else None
        held = loop.claims.get(claim) if loop else None
        if loop is not None and held is not None:
            if held["state"] == "done":
                raise LoopError(f"its status change ({claim}) was handled by {held['execution']}")
            if held["execution"] != arn and (other := self.execution(held["execution"])).is_running:
                raise LoopError(
                    f"another execution is at work on its status change: {other.link or other.arn}"
                )
            self._release(loop, claim, held["execution"])
        return Redriven(name, claim, self._run(event, name or "event"), arn)

    def reconcile(
        self,
        *,
        flow_definition: str | None = None,
        since: datetime | None = None,
        progress: Callable[[str, Reconciliation], None] = lambda flow, so_far: None,
    ) -> Reconciliation:
        """Look for what was missed, as the stage's function does every hour. See `lambdas.loops.reconciling`.

        Args:
            flow_definition: Only at loops of this one, by name or ARN.
            since: Look at loops created since then, also if it is before the stage was first published.
            progress: Is told of each page of loops.
        """
        dynamodb, s3 = self._session.client("dynamodb"), self._session.client("s3")
        table = self.resources.ledger_table
        starter = Starter(
            ledger=self.ledger,
            bucket=self.resources.review_bucket,
            s3=s3,
            a2i=self._a2i,
            textract=self._session.client("textract"),
            rekognition=self._session.client("rekognition"),
            waiting=WaitingWorkflows(self.ledger, Tokens(dynamodb, table), s3, self._states),
        )
        reconciler = Reconciler(
            ledger=self.ledger,
            starter=starter,
            a2i=self._a2i,
            sagemaker=self._session.client("sagemaker"),
            states=self._states,
            state_machine=self._workflow,
        )
        flows = (
            [self.resources.flow_definition_arn(flow_definition)]
            if flow_definition
            else self._flow_definitions
        )
        return reconciler.run(flows, since=since, progress=progress)

    # What they share

    def _find(self, given: str) -> Loop | None:
        # A key that is a name is its own name; events have been seen with names that are none.
        if not given:
            raise LoopError("give the name of a human loop, or the key that it was started with")
        return self.ledger.find(given) or self.ledger.find(loop_names.from_key(given))

    def _known(self, given: str) -> Loop:
        loop = self._find(given)
        if loop is None:
            name, view = self._view_of_any(given)
            raise LoopError(
                f"human loop {name}: the ledger does not know it, and A2I says {view.status}: it was not started "
                f"through Afterloop, and no status change of it has come; `{self._command('reconcile')}` looks for it"
            )
        return loop

    def _view_of_any(self, given: str) -> tuple[str, A2iView]:
        name = loop_names.from_key(given)
        view = self._view(name)
        if view is None:
            raise LoopError(
                f"there is no human loop {given!r} in stage {self.stage}, {self.resources.region}: neither the "
                f"ledger nor A2I knows it; `{self._command('list')}` lists loops"
            )
        return name, view

    def _view(self, name: str) -> A2iView | None:
        try:
            found = self._a2i.describe_human_loop(HumanLoopName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ResourceNotFoundException", "ValidationException"):
                return None
            raise
        return A2iView(
            status=found["HumanLoopStatus"],
            created=found["CreationTime"],
            flow_definition_arn=found["FlowDefinitionArn"],
        )

    def _must_be_last(self, loop: Loop, operation: str) -> None:
        if restarts := self.ledger.restarts(loop):
            last = restarts[-1]
            raise LoopError(
                f"human loop {loop.human_loop_name} was restarted; the last of its lineage is "
                f"{last.human_loop_name} ({last.status}): `{self._command(operation, last.human_loop_name)}`"
            )

    def _why_not_restarted(self, loop: Loop) -> str:
        name = loop.human_loop_name
        if loop.status == "Starting":
            return (
                f"human loop {name} is being started: if that takes minutes, `{self._command('reconcile')}`"
            )
        view = self._view(name) if loop.status == "InProgress" else None
        if view is not None and view.status in TERMINAL_STATUSES:
            return (
                f"human loop {name} has ended as {view.status}, and its status change has not come (yet): "
                f"`{self._command('reconcile')}` looks for it"
            )
        if loop.status == "InProgress":
            return f"human loop {name} is in progress: `{self._command('stop', name)}` stops it"
        return f"human loop {name} needs no restart: {tell(loop, stage=self.stage).outcome}"

    def _open_claims(self, loop: Loop) -> list[str]:
        return [claim for claim, held in loop.claims.items() if held.get("state") != "done"]

    def _busy(self, loop: Loop) -> Execution | None:
        """The execution that works on a status change of the loop right now."""
        for held in loop.claims.values():
            if held.get("state") == "working" and (found := self.execution(held["execution"])).is_running:
                return found
        return None

    def _event(self, loop: Loop, claim: str, execution: Execution) -> Mapping[str, Any]:
        """The event of a claim: the execution's input, or what A2I still knows."""
        if execution.input is not None:
            event = json.loads(execution.input)
            if _identity(event.get("detail", {})) == (loop.human_loop_name, claim):
                return dict(event)
        try:
            found: Any = self._a2i.describe_human_loop(HumanLoopName=loop.human_loop_name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            found = None
        if found is None or claim_of(loop, found["CreationTime"], found["HumanLoopStatus"]) != claim:
            raise LoopError(
                f"human loop {loop.human_loop_name}: the event of its status change ({claim}) cannot be had any "
                "more: neither Step Functions nor A2I has it"
            )
        event = missed_event(found)
        event["detail"]["creationTime"] = claim.rpartition(" ")[0]
        return event

    def _release(self, loop: Loop, claim: str, execution: str) -> None:
        if loop.claims[claim].get("state") == "working" and not self.ledger.release(
            loop.human_loop_name, claim, execution
        ):
            raise LoopError(f"human loop {loop.human_loop_name} was taken up at this moment: look again")

    def _run(self, event: Any, name: str) -> str:
        return self._states.start_execution(
            stateMachineArn=self._workflow,
            name=execution_name("redrive", name),
            input=json.dumps(event, ensure_ascii=False),
        )["executionArn"]

    @property
    def _workflow(self) -> str:
        return f"{self.resources.state_machine_arn}:{ALIAS}"

    @cached_property
    def _flow_definitions(self) -> list[str]:
        """Those that the stage is for; none stands for all."""
        stack = self._account.stack(f"afterloop-{self.stage}")
        given = stack.parameters.get("FlowDefinitionArns", "") if stack else ""
        return [arn for arn in given.split(",") if arn.startswith("arn:")]

    @cached_property
    def _account(self) -> Account:
        return Account(self._session)

    @cached_property
    def _who(self) -> str:
        """The person, by the last part of the ARN of their credentials; roles say the session."""
        return self._account.who.rpartition(":")[2]

    def _link(self, execution: str) -> str | None:
        """The execution in the console; a local engine has none."""
        if not self._account.is_aws:
            return None
        region = self.resources.region
        home = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        return f"{home}#/v2/executions/details/{execution}"

    def _command(self, operation: str, name: str = "") -> str:
        return " ".join(filter(None, ["python deploy.py loops", operation, name, f"--stage {self.stage}"]))


def _identity(detail: Mapping[str, Any]) -> tuple[str, str]:
    """The loop's name and the claim that an event's detail stands for; empty where it does not say."""
    name, created, status = (
        value if isinstance(value := detail.get(field), str) else ""
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    )
    return name, claim_id(created, status)


def _counted(rows: Iterator[Loop], progress: Callable[[int], object]) -> Iterator[Loop]:
    for number, row in enumerate(rows, start=1):
        if number % 100 == 0:
            progress(number)
        yield row


def _before(age: timedelta | None) -> str | None:
    if age is None:
        return None
    return (datetime.now(UTC) - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
