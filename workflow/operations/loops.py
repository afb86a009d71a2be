"""What an operator does with human loops: list, show, start, restart, stop, close, redrive and reconcile them.

This package neither prints nor asks; `workflow/cli/loops.py` does. The stage's own functions start loops, so a start
has the same result whoever makes it. Everything else is read and written directly in the ledger, A2I and Step
Functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from lambdas.loops.abandoned import AbandonedExecutions
from lambdas.loops.escalation import Escalation
from lambdas.loops.loop import Loop
from lambdas.loops.marks import Marks
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.reconciling import Reconciler
from lambdas.loops.reports import Reports
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.start_request import StartedLoop, StartRequest
from lambdas.loops.starting import Starter
from lambdas.loops.tokens import Tokens
from lambdas.loops.waiting import WaitingWorkflows
from workflow.operations.actions import Actions
from workflow.operations.client import LoopsClient
from workflow.operations.closing import ClosedLoop, Closing
from workflow.operations.flow_definitions import FlowDefinitions
from workflow.operations.listing import Listing, LoopFilter, LoopPage, list_loops, loop_page
from workflow.operations.logs import Logs
from workflow.operations.logs.loop import LoopLogs
from workflow.operations.processings import Processings
from workflow.operations.redriving import Redrive, Redrives
from workflow.operations.replaying import Replaying
from workflow.operations.restarting import MAX_ATTEMPTS, Restarts
from workflow.operations.several import Operation, Selected, Selection, select
from workflow.operations.stage_loops import LoopError, StageLoops
from workflow.operations.stage_resources import StageResources
from workflow.operations.stopping import Stopping
from workflow.operations.story import Execution, Story, loop_story
from workflow.operations.undelivered import UndeliveredEvents

if TYPE_CHECKING:
    import boto3

__all__ = ["MAX_ATTEMPTS", "ClosedLoop", "LoopError", "LoopFilter", "Loops", "Redrive"]


class Loops:
    """The loops of a published stage.

    Methods raise `LoopError` where their docstrings say so, and `botocore.exceptions.ClientError` for errors of AWS.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        self._loops = StageLoops(resources, session)
        self._client = LoopsClient(resources.stage, session)
        self._restarts = Restarts(self._loops, self._client)
        self._closing = Closing(self._loops, self._client)
        self._redrives = Redrives(self._loops)
        reports = Reports(session.client("dynamodb"), resources.ledger_table)
        self._processings = Processings(self._loops, reports)
        self.actions = Actions(self._loops, self._redrives, self._restarts, self._closing)
        self.flow_definitions = FlowDefinitions(resources, session)
        self._logs = LoopLogs(session, resources, self._loops)
        self.resources = resources
        self.stage = resources.stage
        self.ledger = self._loops.ledger

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

    def page(
        self,
        loop_filter: LoopFilter,
        *,
        after: str | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> LoopPage:
        """Returns a page of a list of loops; see `loop_page`."""
        flow = loop_filter.flow_definition and self.resources.flow_definition_arn(loop_filter.flow_definition)
        return loop_page(self.ledger, loop_filter, flow, after=after, limit=limit, newest_first=newest_first)

    def select(self, operation: Operation, selection: Selection) -> Selected:
        """Selects the loops that an operation on many loops is to process; see `workflow.operations.several`."""
        flow = selection.flow_definition and self.resources.flow_definition_arn(selection.flow_definition)
        return select(self.ledger, operation, selection, flow)

    def undelivered(self) -> UndeliveredEvents:
        """Returns the queue of events that EventBridge could not deliver to the workflow.

        Raises:
            NotPublishedError: An older version published the stage, without the queue.
        """
        return UndeliveredEvents(self._loops, self._client, self.actions)

    def replaying(self) -> Replaying:
        """Returns what replays archived status changes to the workflow."""
        return Replaying(self._loops)

    def tasks(self, loops: Iterable[Loop], flow_definition: str | None = None) -> int | None:
        """Returns how many tasks workers get if the loops are restarted; None if that cannot be read.

        Args:
            loops: The loops.
            flow_definition: The name or ARN of another flow definition than they had.
        """
        given = flow_definition and self.resources.flow_definition_arn(flow_definition)
        flows = Counter(given or loop.flow_definition_arn or "" for loop in loops)
        workers = {flow: self._loops.workers(flow) for flow in flows}
        known = [number * count for flow, count in flows.items() if (number := workers[flow]) is not None]
        return sum(known) if len(known) == len(flows) else None

    def find(self, name_or_key: str) -> Loop | None:
        """Returns the row of a loop, by its name or the key that it was started with; None if the ledger has none."""
        return self._loops.find(name_or_key)

    def show(self, name_or_key: str) -> Story:
        """Returns the story of a loop.

        Args:
            name_or_key: The loop's name, or the key that it was started with.

        Raises:
            LoopError: The loop is neither in the ledger nor in A2I.
        """
        loop = self._loops.find(name_or_key)
        if loop is None:
            name, view = self._loops.only_in_a2i(name_or_key)
            unknown = Loop(human_loop_name=name, flow_definition_arn=view.flow_definition_arn)
            return loop_story(unknown, stage=self.stage, view=view)
        unreadable: list[UnreadableRow] = []
        return loop_story(
            loop,
            stage=self.stage,
            view=self._loops.view_of(loop),
            before=self.ledger.lineage(loop, unreadable.append)[:-1],
            after=self.ledger.restarts(loop, unreadable.append),
            executions=self._processings.of(loop),
            unreadable=unreadable,
        )

    def newer_of_name(self, loop: Loop) -> Loop | None:
        """Returns the loop that has the name of another one in A2I now, or None; see `StageLoops.newer_of_name`."""
        return self._loops.newer_of_name(loop)

    def execution(self, arn: str) -> Execution:
        """Returns an execution as Step Functions describes it."""
        return self._loops.execution(arn)

    def processed(self, name_or_key: str) -> tuple[Loop, str]:
        """Returns the row of a loop, and the ARN of the last execution that processed the loop.

        Raises:
            LoopError: The ledger does not have the loop, or no execution has processed it.
        """
        loop = self._loops.in_ledger(name_or_key)
        if loop.execution is None:
            name = loop.human_loop_name
            raise LoopError(
                f"no execution of stage {self.stage} has processed human loop {name}, whose status is "
                f"{loop.status}; see `{self._loops.command('show', name)}`"
            )
        return loop, loop.execution

    def execution_arn(self, name: str) -> str:
        """Returns the ARN of an execution of the workflow. An ARN is returned unchanged."""
        return name if name.startswith("arn:") else self._loops.execution_arn(name)

    def logs(self, name_or_key: str, *, step: str | None = None, since: datetime | None = None) -> Logs:
        """Returns what the stage's functions logged about a loop; see `LoopLogs.read`."""
        return self._logs.read(name_or_key, step=step, since=since)

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
        return self._restarts.run(self._restarts.plan(name_or_key, flow_definition), more_attempts)

    def stop(self, name_or_key: str) -> str:
        """Asks A2I to stop a loop. The status change then runs the workflow, like any other.

        Returns:
            The loop's name.

        Raises:
            LoopError: The loop does not exist, or has already ended.
        """
        return Stopping(self._loops).run(name_or_key)

    # Resolve what the workflow could not. `actions` does the same for many loops.

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
        return self._closing.run(self._closing.plan(name_or_key), note)

    def redrive(self, name_or_key: str) -> Redrive:
        """Runs a status change again that the workflow failed to process.

        The method takes the newest status change whose claim was released, or whose execution has ended. The new
        execution gets the same event and runs the current version of the workflow.

        Raises:
            LoopError: There is no such status change, or an execution is processing one.
        """
        return self._redrives.run(self._redrives.plan(name_or_key))

    def redrive_execution(self, arn: str) -> Redrive:
        """Runs the event of a failed execution again, even if the execution could not claim its status change.

        Raises:
            LoopError: The stage has no such execution, it did not fail, or another execution holds the claim.
        """
        return self._redrives.run(self._redrives.plan_execution(arn))

    def check_redrive_execution(self, arn: str) -> None:
        """Checks that `redrive_execution` would run an execution's event again. Changes nothing.

        Raises:
            LoopError: It would not. The message says why.
        """
        self._redrives.plan_execution(arn)

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
            since: Check everything: the loops created since this time, even if it is before the stage was first
                published, and every row of the ledger.
            progress: Called after each page of loops.
        """
        dynamodb, s3 = self._loops.session.client("dynamodb"), self.resources.s3(self._loops.session)
        tokens = Tokens(dynamodb, self.resources.token_table, self.resources.ledger_table)
        waiting = WaitingWorkflows(self.ledger, tokens, s3, self._loops.states, self._loops.a2i)
        starter = Starter(
            ledger=self.ledger,
            bucket=self.resources.review_bucket,
            s3=s3,
            a2i=self._loops.a2i,
            textract=self._loops.session.client("textract"),
            rekognition=self._loops.session.client("rekognition"),
            waiting=waiting,
        )
        reconciler = Reconciler(
            ledger=self.ledger,
            marks=Marks(dynamodb, self.resources.ledger_table),
            starter=starter,
            a2i=self._loops.a2i,
            sagemaker=self._loops.session.client("sagemaker"),
            states=self._loops.states,
            state_machine=self._loops.workflow,
            abandoned=AbandonedExecutions(
                ledger=self.ledger,
                waiting=waiting,
                states=self._loops.states,
                escalation=Escalation(
                    self._loops.session.client("sns"),
                    self.resources.escalation_topic,
                    self.resources.alarm_topic,
                    self.stage,
                ),
                reports=Reports(dynamodb, self.resources.ledger_table),
            ),
        )
        only = self.resources.flow_definition_arn(flow_definition) if flow_definition else None
        flows = () if only else self._loops.flow_definitions
        return reconciler.run(flows, only=only, since=since, progress=progress)
