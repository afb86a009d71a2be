"""What the operations on human loops share: they look up a loop, its executions, and what may be done about it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops import names as loop_names
from lambdas.loops.identity import is_about
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop, OperatorAction
from lambdas.loops.open_loops import is_unfinished
from lambdas.loops.visible import quoted
from lambdas.reviews.event import TERMINAL_STATUSES
from lambdas.reviews.times import timestamp
from workflow.errors import AfterloopError
from workflow.operations.client import MAX_CONNECTIONS
from workflow.operations.listing import NEEDS_ACTION
from workflow.operations.stage_resources import StageResources
from workflow.operations.story import GONE, A2iLoop, Execution, loop_story
from workflow.publish.account import Account
from workflow.stack import ALIAS

if TYPE_CHECKING:
    import boto3

__all__ = ["LoopError", "StageLoops"]

_FINAL = ("stored", "notified")
"""The outcomes after which a loop needs nothing more."""


class LoopError(AfterloopError):
    """The operation is not possible on this loop. The message says why, and what is possible."""


class StageLoops:
    """The loops of a published stage, in its ledger, A2I and Step Functions. Reads only.

    Its methods can be called by several threads.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        connections = Config(max_pool_connections=MAX_CONNECTIONS)
        self.resources = resources
        self.stage = resources.stage
        self.session = session
        self.ledger = Ledger(session.client("dynamodb", config=connections), resources.ledger_table)
        self.a2i = session.client("sagemaker-a2i-runtime", config=connections)
        self.states = session.client("stepfunctions", config=connections)

    # Loops

    def find(self, name_or_key: str) -> Loop | None:
        """Returns the row of a loop, or None if the ledger does not have it."""
        if not name_or_key:
            raise LoopError("specify the name of a human loop, or the key that it was started with")
        # Try the name as given first: some events carry names that `from_key` would change, such as upper case.
        return self.ledger.find(name_or_key) or self.ledger.find(loop_names.from_key(name_or_key))

    def in_ledger(self, name_or_key: str) -> Loop:
        """Returns the row of a loop.

        Raises:
            LoopError: The ledger does not have the loop. The message says whether A2I has it.
        """
        loop = self.find(name_or_key)
        if loop is None:
            name, view = self.only_in_a2i(name_or_key)
            raise LoopError(
                f"human loop {name} is not in the ledger; its status in A2I is {view.status}: it was not started "
                "through Afterloop, and no status change was received; if the loop has ended, run "
                f"`{self.command('reconcile')}`"
            )
        return loop

    def only_in_a2i(self, name_or_key: str) -> tuple[str, A2iLoop]:
        """Returns the name of a loop that the ledger does not have, and the loop as A2I describes it.

        Raises:
            LoopError: A2I does not have it either.
        """
        name = loop_names.from_key(name_or_key)
        view = self.view(name)
        if view is None:
            raise LoopError(
                f"human loop {name_or_key!r} does not exist in stage {self.stage}, {self.resources.region}: it is "
                f"neither in the ledger nor in A2I; to list the loops, run `{self.command('list')}`"
            )
        return name, view

    def view(self, name: str) -> A2iLoop | None:
        """Returns what A2I knows about a loop, or None if A2I does not have it."""
        found = self.described(name)
        if found is None:
            return None
        return A2iLoop(found["HumanLoopStatus"], found["CreationTime"], found["FlowDefinitionArn"])

    def view_of(self, loop: Loop) -> A2iLoop | None:
        """Returns what A2I knows about the loop of a row; None if A2I has nothing to add to the row.

        The status is GONE if the row says that the loop is in progress, and A2I does not have it, or has another loop
        with its name.
        """
        if loop.status in TERMINAL_STATUSES:
            return None
        view = self.view(loop.name)
        if view is not None and view.created is not None and is_about(loop, timestamp(view.created)):
            return view
        return A2iLoop(GONE, None, loop.flow_definition_arn) if loop.status == "InProgress" else None

    def newer_of_name(self, loop: Loop) -> Loop | None:
        """Returns the row of the loop that has the name of another one in A2I now; None if A2I or the ledger has none.

        A2I lets the name of a deleted loop be used again.
        """
        view = self.view(loop.name)
        if view is None or view.created is None or is_about(loop, created := timestamp(view.created)):
            return None
        return self.ledger.find_loop(loop.name, created)

    def described(self, name: str) -> Any:
        """Returns the response of DescribeHumanLoop, or None if A2I does not have the loop."""
        try:
            return self.a2i.describe_human_loop(HumanLoopName=name)
        except ClientError as error:
            # A2I validates names before it looks them up, and the ledger has names that A2I finds invalid.
            if error.response["Error"]["Code"] in ("ResourceNotFoundException", "ValidationException"):
                return None
            raise

    def outcome(self, loop: Loop) -> str:
        """Returns the outcome of a loop, in words."""
        return loop_story(loop, stage=self.stage, view=self.view_of(loop)).outcome

    def workers(self, flow_definition_arn: str) -> int | None:
        """Returns how many workers review each loop of a flow definition; None if it cannot be read."""
        try:
            found = self.session.client("sagemaker").describe_flow_definition(
                FlowDefinitionName=flow_definition_arn.rpartition("/")[2]
            )
        except (ClientError, BotoCoreError):
            return None
        return found["HumanLoopConfig"]["TaskCount"]

    # Executions

    @property
    def workflow(self) -> str:
        """The ARN to start executions with: the workflow's alias."""
        return f"{self.resources.state_machine_arn}:{ALIAS}"

    def execution(self, arn: str) -> Execution:
        """Returns an execution as Step Functions describes it."""
        try:
            found = self.states.describe_execution(executionArn=arn)
        except ClientError as error:
            # A row can hold any text as the ARN. Step Functions has no execution with such an ARN.
            if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
                raise
            return Execution(arn, GONE, link=self.link(arn))
        return Execution(
            arn,
            found["status"],
            started=found["startDate"],
            stopped=found.get("stopDate"),
            error=found.get("error"),
            cause=found.get("cause"),
            input=found.get("input"),
            link=self.link(arn),
        )

    def execution_arn(self, name: str) -> str:
        """Returns the ARN of an execution of the workflow."""
        return f"{self.resources.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def open_claims(self, loop: Loop) -> list[str]:
        """Returns the claims of status changes that are not processed.

        A released claim beside an outcome of another one is that of the reconciler's event for a deleted loop
        (`LoopDeleted`): A2I's own event arrived later.
        """
        closed = ("done", "released") if loop.outcome in _FINAL else ("done",)
        return [claim for claim, held in loop.claims.items() if held.get("state") not in closed]

    def busy(self, loop: Loop) -> Execution | None:
        """Returns the running execution that is processing a status change of the loop, if any."""
        for held in loop.claims.values():
            if held.get("state") == "working" and (found := self.execution(held["execution"])).is_running:
                return found
        return None

    def unrecorded_restart(self, loop: Loop) -> Loop | None:
        """Returns the restart of a loop whose row says that it needs action; None if there is none.

        A person restarted the loop while an execution decided to escalate it.
        """
        restarts = self.ledger.restarts(loop) if loop.outcome in NEEDS_ACTION else []
        return restarts[0] if restarts and not self.busy(loop) else None

    # Checks

    def check_is_last(self, loop: Loop, operation: str) -> None:
        """Raises `LoopError` if the loop was restarted."""
        if restarts := self.ledger.restarts(loop):
            last = restarts[-1]
            raise LoopError(
                f"human loop {loop.human_loop_name} was restarted; the last loop of its lineage is "
                f"{last.human_loop_name} ({last.status}): `{self.command(operation, last.human_loop_name)}`"
            )

    def check_is_in_a2i(self, loop: Loop, operation: str) -> A2iLoop | None:
        """Returns what `view_of` returns. Raises `LoopError` if the loop was deleted in A2I, and nobody has noticed."""
        view = self.view_of(loop)
        if view is not None and view.status == GONE and is_unfinished(loop):
            name = loop.human_loop_name
            raise LoopError(
                f"human loop {name} was deleted in A2I before its status change was received; run "
                f"`{self.command('reconcile')}`, which escalates it, and then `{self.command(operation, name)}`"
            )
        return view

    def check_is_not_busy(self, loop: Loop) -> None:
        """Raises `LoopError` if an execution is processing a status change of the loop."""
        if busy := self.busy(loop):
            raise LoopError(
                f"human loop {loop.human_loop_name}: an execution is processing it: {busy.link or busy.arn}"
            )

    # The caller and the account

    @cached_property
    def account(self) -> Account:
        """The session's account."""
        return Account(self.session)

    @cached_property
    def who(self) -> str:
        """The caller: the last part of their ARN, which for a role includes the session name."""
        return self.account.caller.rpartition(":")[2]

    def action(self, name: Literal["restart", "stop", "close", "redrive"], at: str) -> OperatorAction:
        """Returns a command that the caller runs, to record it in the row of the loop (`Ledger.record_action`)."""
        return OperatorAction(action=name, by=self.account.caller, at=at)

    @cached_property
    def flow_definitions(self) -> list[str]:
        """The stage's flow definitions; empty if it takes the events of all."""
        stack = self.account.stacks.find(f"afterloop-{self.stage}")
        arns = stack.parameters.get("FlowDefinitionArns", "") if stack else ""
        return [arn for arn in arns.split(",") if arn.startswith("arn:")]

    def command(self, operation: str, name: str = "") -> str:
        """Returns a command for the operator to run."""
        which = quoted(name) if name else ""
        return " ".join(filter(None, ["python deploy.py loops", operation, which, f"--stage {self.stage}"]))

    def link(self, execution: str) -> str | None:
        """Returns the execution's address in the console; None on a local engine."""
        if not self.account.is_aws:
            return None
        region = self.resources.region
        home = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
        return f"{home}#/v2/executions/details/{execution}"
