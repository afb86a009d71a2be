"""What an operator does with human loops: list, show, start, restart, stop, close, redrive and reconcile them.

This module neither prints nor asks; `workflow/cli/loops.py` does. The stage's own functions start loops, so a start
has the same result whoever makes it. Everything else is read and written directly in the ledger, A2I and Step
Functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.loops import names as loop_names
from lambdas.loops.abandoned import FAILED_STATUSES, AbandonedExecutions
from lambdas.loops.claims import claim_id, claim_of
from lambdas.loops.escalation import Escalation
from lambdas.loops.ledger import Ledger, Loop, UnreadableRow, now
from lambdas.loops.reconciling import Reconciler, Reconciliation, execution_name, missed_event
from lambdas.loops.start_request import StartedLoop, StartRequest
from lambdas.loops.starting import Starter
from lambdas.loops.waiting import Tokens, WaitingWorkflows
from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.errors import AfterloopError
from workflow.operations.client import LoopsClient
from workflow.operations.listing import NEEDS_ACTION, Listing, LoopFilter, list_loops
from workflow.operations.stage_resources import StageResources
from workflow.operations.story import GONE, A2iLoop, Execution, Story, loop_story
from workflow.publish.account import Account
from workflow.stack import ALIAS

if TYPE_CHECKING:
    import boto3

__all__ = ["MAX_ATTEMPTS", "ClosedLoop", "LoopError", "LoopFilter", "Loops", "Redrive"]

MAX_ATTEMPTS = 20
"""The most attempts that restart rules can allow a lineage (`lambdas.loops.restart_policy`). An operator can restart
a loop beyond them, one attempt at a time."""


class LoopError(AfterloopError):
    """The operation is not possible on this loop. The message says why, and what is possible."""


@dataclass(frozen=True)
class Redrive:
    """A new execution for a status change that an earlier execution failed to process.

    Attributes:
        human_loop_name: The loop; empty if the event has no name.
        claim: The status change.
        execution: The ARN of the new execution.
        before: The ARN of the failed execution.
    """

    human_loop_name: str
    claim: str
    execution: str
    before: str


@dataclass(frozen=True)
class ClosedLoop:
    """A loop that an operator closed.

    Attributes:
        loop: The loop's row.
        answered: How many waiting workflows were notified of the failure.
    """

    loop: Loop
    answered: int


class Loops:
    """The loops of a published stage.

    Methods raise `LoopError` where their docstrings say so, and `botocore.exceptions.ClientError` for errors of AWS.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        self.resources = resources
        self.stage = resources.stage
        self.ledger = Ledger(session.client("dynamodb"), resources.ledger_table)
        self._session = session
        self._client = LoopsClient(resources.stage, session)
        self._a2i = session.client("sagemaker-a2i-runtime")
        self._states = session.client("stepfunctions")

    # Read

    def listing(
        self,
        loop_filter: LoopFilter,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        progress: Callable[[int], object] = lambda number: None,
    ) -> Listing:
        """Lists loops of the ledger; see `list_loops`."""
        flow = loop_filter.flow_definition and self.resources.flow_definition_arn(loop_filter.flow_definition)
        return list_loops(
            self.ledger, loop_filter, flow, limit=limit, newest_first=newest_first, progress=progress
        )

    def show(self, name_or_key: str) -> Story:
        """Returns the story of a loop.

        Args:
            name_or_key: The loop's name, or the key that it was started with.

        Raises:
            LoopError: The loop is neither in the ledger nor in A2I.
        """
        loop = self._find(name_or_key)
        if loop is None:
            name, view = self._only_in_a2i(name_or_key)
            unknown = Loop(human_loop_name=name, flow_definition_arn=view.flow_definition_arn)
            return loop_story(unknown, stage=self.stage, view=view)
        arns = {held["execution"] for held in loop.claims.values()}
        unreadable: list[UnreadableRow] = []
        return loop_story(
            loop,
            stage=self.stage,
            # For a loop that the ledger knows as ended, A2I has nothing to add.
            view=None if loop.status in TERMINAL_STATUSES else self._view(loop.human_loop_name),
            before=self.ledger.lineage(loop, unreadable.append)[:-1],
            after=self.ledger.restarts(loop, unreadable.append),
            executions={arn: self.execution(arn) for arn in arns},
            unreadable=unreadable,
        )

    def execution(self, arn: str) -> Execution:
        """Returns an execution as Step Functions describes it."""
        try:
            found = self._states.describe_execution(executionArn=arn)
        except ClientError as error:
            # A row can hold any text as the ARN. Step Functions has no execution with such an ARN.
            if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
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

    # Start and stop

    def start(self, request: StartRequest) -> StartedLoop:
        """Starts a loop with the stage's function. Raises the same errors as `LoopsClient.start`."""
        return self._client.start(request)

    def restart(
        self, name_or_key: str, *, more_attempts: int = 1, flow_definition: str | None = None
    ) -> StartedLoop:
        """Restarts a failed or stopped loop, whatever the stage's restart rules say.

        Args:
            name_or_key: The last loop of its lineage, by name or key.
            more_attempts: How many more attempts the lineage gets, including this one. If this one fails, the
                stage's restart rules use the rest.
            flow_definition: The name or ARN of another flow definition than the loop had.

        Raises:
            LoopError: The loop has not ended, needs no restart, or was already restarted.
            InputUnknown, NameTaken, StartRefused: See `LoopsClient.restart`.
        """
        loop = self._in_ledger(name_or_key)
        name = loop.human_loop_name
        self._check_is_last(loop, "restart")
        if loop.status not in ("Failed", "Stopped"):
            raise LoopError(self._why_not_restarted(loop))
        flow = self.resources.flow_definition_arn(flow_definition or loop.flow_definition_arn or "")
        if flow_definition is None and loop.flow_definition_arn is None:
            raise LoopError(f"human loop {name}: its flow definition is unknown; specify --flow-definition")
        busy = self._busy(loop)
        if busy and flow != loop.flow_definition_arn:
            raise LoopError(
                f"human loop {name}: a running execution may restart it with its current flow definition; stop that "
                f"execution first: {busy.link or busy.arn}"
            )
        # Before the start: if the new attempt fails at once, the workflow already knows how many attempts are left.
        allowed = max(loop.max_attempts or 0, loop.attempt + more_attempts)
        self.ledger.update(name, max_attempts=min(allowed, MAX_ATTEMPTS))
        started = self._client.restart(name, flow)
        # The name of the next attempt is fixed, so a restart by someone else answers with their loop.
        restarted = self.ledger.find(started.human_loop_name)
        if restarted is not None and restarted.flow_definition_arn != flow:
            raise LoopError(
                f"human loop {name} was restarted at the same time, as {restarted.human_loop_name} with "
                f"{restarted.flow_definition_arn}; see `{self._command('show', restarted.human_loop_name)}`"
            )
        # A running execution is about to record the same restart, with its own reason. Leave that to it.
        row = self.ledger.find(name)
        if row is not None and not busy:
            self.ledger.settle(
                row, self._open_claims(row), outcome="restarted", reason=f"Restarted by {self._who}."
            )
        return started

    def stop(self, name_or_key: str) -> str:
        """Asks A2I to stop a loop. The status change then runs the workflow, like any other.

        Returns:
            The loop's name.

        Raises:
            LoopError: The loop does not exist, or has already ended.
        """
        loop = self._find(name_or_key)
        name = loop.human_loop_name if loop else name_or_key
        try:
            self._a2i.stop_human_loop(HumanLoopName=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("ResourceNotFoundException", "ValidationException"):
                raise
            view = self._view(name)
            if view is not None and view.status in TERMINAL_STATUSES:
                why = f"it already ended, as {view.status}; see `{self._command('show', name)}`"
            elif loop is not None and loop.status == "Starting":
                why = f"it is still starting; to resume the start, run `{self._command('reconcile')}`"
            elif view is None:
                why = "A2I has no loop with this name in this account and Region"
            else:
                why = f"A2I refused: {error.response['Error'].get('Message', code)}"
            raise LoopError(f"human loop {name}: {why}") from None
        return name

    # Resolve what the workflow could not

    def close(self, name_or_key: str, note: str) -> ClosedLoop:
        """Closes a loop that needs action: nothing more will be done about it.

        A workflow that waits for the loop is notified that the loop failed. A second delivery of the loop's event
        changes nothing.

        Args:
            name_or_key: The last loop of its lineage, by name or key.
            note: Why the loop is closed. The ledger keeps it, with the person and the time.

        Raises:
            LoopError: The loop needs no action, an execution is processing it, or it changed in the meantime.
        """
        loop = self._in_ledger(name_or_key)
        name = loop.human_loop_name
        self._check_is_last(loop, "close")
        self._check_is_not_busy(loop)
        if loop.outcome == "closed" and not loop.waiting:
            raise LoopError(
                f"human loop {name} is already closed, by {loop.closed_by} at {loop.closed_at}: {loop.note}"
            )
        # A closed loop with a waiting workflow could not notify it the last time. Closing it again retries that.
        abandoned = loop.outcome in (None, "processing") and bool(self._open_claims(loop))
        if loop.outcome not in (*NEEDS_ACTION, "closed") and not abandoned:
            raise LoopError(f"human loop {name} needs no action: {self._outcome(loop)}")
        changes = {"outcome": "closed", "note": note, "closed_by": self._who, "closed_at": now()}
        # Settling the claims too means that a second delivery of the event finds its status change processed.
        if not self.ledger.settle(loop, self._open_claims(loop), **changes):
            raise LoopError(f"human loop {name} changed in the meantime; check it, and close it again")
        answered = 0
        if loop.waiting:
            answered = self._client.call("AnswerWorkflow", {"humanLoopName": name})["delivered"]
        return ClosedLoop(self._in_ledger(name), answered)

    def redrive(self, name_or_key: str) -> Redrive:
        """Runs a status change again that the workflow failed to process.

        The method takes the newest status change whose claim was released, or whose execution has ended. The new
        execution gets the same event and runs the current version of the workflow.

        Raises:
            LoopError: There is no such status change, or an execution is processing one.
        """
        loop = self._in_ledger(name_or_key)
        name = loop.human_loop_name
        if not loop.claims:
            raise LoopError(
                f"human loop {name}: no status change was received; if the loop has ended, run "
                f"`{self._command('reconcile')}`"
            )
        claims = self._open_claims(loop)
        if not claims:
            raise LoopError(
                f"human loop {name}: its status change is already processed: {self._outcome(loop)}"
            )
        self._check_is_not_busy(loop)
        claim = max(claims, key=lambda one: str(loop.claims[one].get("at", "")))
        before = self.execution(loop.claims[claim]["execution"])
        # The event first: a claim that was released without a new execution would need another redrive.
        event = self._event(loop, claim, before)
        self._release(loop, claim, before.arn)
        return Redrive(name, claim, self._run(event, name), before.arn)

    def redrive_execution(self, arn: str) -> Redrive:
        """Runs the event of a failed execution again, even if the execution could not claim its status change.

        Raises:
            LoopError: The stage has no such execution, it did not fail, or another execution holds the claim.
        """
        machine = self.resources.state_machine_arn.replace(":stateMachine:", ":execution:")
        if not arn.startswith(f"{machine}:"):
            raise LoopError(
                f"{arn} is not an execution of stage {self.stage}; their ARNs start with {machine}:"
            )
        before = self.execution(arn)
        if before.status not in FAILED_STATUSES or before.input is None:
            state = "no longer in Step Functions" if before.status == GONE else before.status
            raise LoopError(f"execution {arn} is {state}; only a failed execution can run again")
        event = json.loads(before.input)
        detail = event.get("detail") if isinstance(event, dict) else None
        # The execution may have failed because its event is malformed, so nothing about the event is certain.
        name, claim = _identity(detail if isinstance(detail, dict) else {})
        loop = self.ledger.find(name) if name else None
        held = loop.claims.get(claim) if loop else None
        if loop is not None and held is not None:
            if held["state"] == "done":
                raise LoopError(
                    f"execution {arn}: its status change ({claim}) is already processed, by {held['execution']}"
                )
            if held["execution"] != arn and (other := self.execution(held["execution"])).is_running:
                raise LoopError(
                    f"execution {arn}: another execution is processing its status change: {other.link or other.arn}"
                )
            self._release(loop, claim, held["execution"])
        return Redrive(name, claim, self._run(event, name or "event"), arn)

    def reconcile(
        self,
        *,
        flow_definition: str | None = None,
        since: datetime | None = None,
        progress: Callable[[str, Reconciliation], None] = lambda flow, so_far: None,
    ) -> Reconciliation:
        """Processes what was missed, as the stage's function does every hour. See `lambdas.loops.reconciling`.

        Args:
            flow_definition: The name or ARN of the only flow definition to check.
            since: Check loops created since this time, even if it is before the stage was first published.
            progress: Called after each page of loops.
        """
        dynamodb, s3 = self._session.client("dynamodb"), self._session.client("s3")
        waiting = WaitingWorkflows(
            self.ledger, Tokens(dynamodb, self.resources.ledger_table), s3, self._states
        )
        starter = Starter(
            ledger=self.ledger,
            bucket=self.resources.review_bucket,
            s3=s3,
            a2i=self._a2i,
            textract=self._session.client("textract"),
            rekognition=self._session.client("rekognition"),
            waiting=waiting,
        )
        reconciler = Reconciler(
            ledger=self.ledger,
            starter=starter,
            a2i=self._a2i,
            sagemaker=self._session.client("sagemaker"),
            states=self._states,
            state_machine=self._workflow,
            abandoned=AbandonedExecutions(
                ledger=self.ledger,
                waiting=waiting,
                states=self._states,
                escalation=Escalation(
                    self._session.client("sns"), self.resources.escalation_topic, self.stage
                ),
            ),
        )
        flows = (
            [self.resources.flow_definition_arn(flow_definition)]
            if flow_definition
            else self._flow_definitions
        )
        return reconciler.run(flows, since=since, progress=progress)

    # Shared by the operations

    def _find(self, name_or_key: str) -> Loop | None:
        if not name_or_key:
            raise LoopError("specify the name of a human loop, or the key that it was started with")
        # Try the name as given first: some events carry names that `from_key` would change, such as upper case.
        return self.ledger.find(name_or_key) or self.ledger.find(loop_names.from_key(name_or_key))

    def _in_ledger(self, name_or_key: str) -> Loop:
        loop = self._find(name_or_key)
        if loop is None:
            name, view = self._only_in_a2i(name_or_key)
            raise LoopError(
                f"human loop {name} is not in the ledger; its status in A2I is {view.status}: it was not started "
                "through Afterloop, and no status change was received; if the loop has ended, run "
                f"`{self._command('reconcile')}`"
            )
        return loop

    def _only_in_a2i(self, name_or_key: str) -> tuple[str, A2iLoop]:
        name = loop_names.from_key(name_or_key)
        view = self._view(name)
        if view is None:
            raise LoopError(
                f"human loop {name_or_key!r} does not exist in stage {self.stage}, {self.resources.region}: it is "
                f"neither in the ledger nor in A2I; to list the loops, run `{self._command('list')}`"
            )
        return name, view

    def _view(self, name: str) -> A2iLoop | None:
        found = self._described(name)
        if found is None:
            return None
        return A2iLoop(found["HumanLoopStatus"], found["CreationTime"], found["FlowDefinitionArn"])

    def _described(self, name: str) -> Any:
        """Returns a loop as A2I describes it, or None if A2I does not have it."""
        try:
            return self._a2i.describe_human_loop(HumanLoopName=name)
        except ClientError as error:
            # A2I validates names before it looks them up, and the ledger has names that A2I finds invalid.
            if error.response["Error"]["Code"] in ("ResourceNotFoundException", "ValidationException"):
                return None
            raise

    def _outcome(self, loop: Loop) -> str:
        return loop_story(loop, stage=self.stage).outcome

    def _check_is_last(self, loop: Loop, operation: str) -> None:
        if restarts := self.ledger.restarts(loop):
            last = restarts[-1]
            raise LoopError(
                f"human loop {loop.human_loop_name} was restarted; the last loop of its lineage is "
                f"{last.human_loop_name} ({last.status}): `{self._command(operation, last.human_loop_name)}`"
            )

    def _check_is_not_busy(self, loop: Loop) -> None:
        if busy := self._busy(loop):
            raise LoopError(
                f"human loop {loop.human_loop_name}: an execution is processing it: {busy.link or busy.arn}"
            )

    def _why_not_restarted(self, loop: Loop) -> str:
        name = loop.human_loop_name
        if loop.status == "Starting":
            return f"human loop {name} is still starting; if this takes minutes, run `{self._command('reconcile')}`"
        if loop.status != "InProgress":
            return f"human loop {name} needs no restart: {self._outcome(loop)}"
        view = self._view(name)
        if view is not None and view.status in TERMINAL_STATUSES:
            return (
                f"human loop {name} ended as {view.status}, but its status change was not received; to process it, "
                f"run `{self._command('reconcile')}`"
            )
        return f"human loop {name} is in progress; to stop it, run `{self._command('stop', name)}`"

    def _open_claims(self, loop: Loop) -> list[str]:
        return [claim for claim, held in loop.claims.items() if held.get("state") != "done"]

    def _busy(self, loop: Loop) -> Execution | None:
        """Returns the running execution that is processing a status change of the loop, if any."""
        for held in loop.claims.values():
            if held.get("state") == "working" and (found := self.execution(held["execution"])).is_running:
                return found
        return None

    def _event(self, loop: Loop, claim: str, execution: Execution) -> Mapping[str, Any]:
        """Returns the event of a claim: the execution's input, or else an equal event from A2I's description."""
        if execution.input is not None:
            event = json.loads(execution.input)
            if _identity(event.get("detail", {})) == (loop.human_loop_name, claim):
                return dict(event)
        found = self._described(loop.human_loop_name)
        if found is None or claim_of(loop, found["CreationTime"], found["HumanLoopStatus"]) != claim:
            raise LoopError(
                f"human loop {loop.human_loop_name}: the event of its status change ({claim}) is no longer available, "
                "neither from Step Functions nor from A2I"
            )
        event = missed_event(found)
        # The claim may spell the time differently from A2I's API. The new execution has to find this claim.
        event["detail"]["creationTime"] = claim.rpartition(" ")[0]
        return event

    def _release(self, loop: Loop, claim: str, execution: str) -> None:
        if loop.claims[claim].get("state") == "working" and not self.ledger.release(
            # Until the new execution claims it: if that cannot be started, the loop is among those that need action.
            loop.human_loop_name,
            claim,
            execution,
            outcome="failed",
            reason="Its claim was released, to run the status change again.",
        ):
            raise LoopError(
                f"human loop {loop.human_loop_name} was claimed by another execution in the meantime; check it again"
            )

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
        """The stage's flow definitions; empty if it takes the events of all."""
        stack = self._account.stacks.find(f"afterloop-{self.stage}")
        arns = stack.parameters.get("FlowDefinitionArns", "") if stack else ""
        return [arn for arn in arns.split(",") if arn.startswith("arn:")]

    @cached_property
    def _account(self) -> Account:
        return Account(self._session)

    @cached_property
    def _who(self) -> str:
        """The caller: the last part of their ARN, which for a role includes the session name."""
        return self._account.caller.rpartition(":")[2]

    def _link(self, execution: str) -> str | None:
        """Returns the execution's address in the console; None on a local engine."""
        if not self._account.is_aws:
            return None
        region = self.resources.region
        home = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        return f"{home}#/v2/executions/details/{execution}"

    def _command(self, operation: str, name: str = "") -> str:
        return " ".join(filter(None, ["python deploy.py loops", operation, name, f"--stage {self.stage}"]))


def _identity(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the loop's name and the claim of an event's detail. A part that is missing is empty."""
    name, created, status = (
        value if isinstance(value := detail.get(field), str) else ""
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    )
    return name, claim_id(created, status)
