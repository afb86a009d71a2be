"""The JSON documents that commands print with `--output json`: one shape for each command.

A command prints what its model here accepts, so the models are the documentation, too: `docs/generate/shapes.py` writes
docs/reference/json.md from them. Keys are public: programs of users read them.

This module imports pydantic and most of the project. Commands import it only to print JSON, which keeps `--help` fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from workflow.operations.attention import Attention
from workflow.operations.smoke import Check
from workflow.operations.story import NextStep, Processing, Story
from workflow.publish.destroying import Destruction, Kept
from workflow.publish.history import Outcome
from workflow.publish.holder import Holder
from workflow.publish.needs import StillNeeded
from workflow.publish.plan import (
    FunctionChange,
    PermissionChange,
    Plan,
    ResourceChange,
    SettingChange,
    StateChange,
)
from workflow.publish.recipients import KindRecipients
from workflow.publish.risks import Risk
from workflow.publish.subscriptions import SubscriptionChange

if TYPE_CHECKING:
    from workflow.operations.executions import ExecutionView
    from workflow.operations.listing import Listing
    from workflow.operations.logs import LogLine, Logs
    from workflow.operations.replays import Replay, ReplayPlan
    from workflow.operations.report import figures  # It imports numpy.
    from workflow.operations.report.writing import Report
    from workflow.operations.several import Result, Results
    from workflow.publish.status import Status
    from workflow.stack.locking import Locked

__all__ = ["SHAPES", "SHAPES_OF_SEVERAL", "OmitsNull"]


class _Shape(BaseModel):
    """Settings of all shapes. The dataclasses in their fields inherit these settings."""

    model_config = ConfigDict(
        extra="forbid", from_attributes=True, populate_by_name=True, use_attribute_docstrings=True
    )


class _CamelShape(_Shape):
    """A shape whose keys are written as in A2I's events and the ledger."""

    model_config = ConfigDict(alias_generator=to_camel)


class OmitsNull(BaseModel):
    """A shape that has no key for what is not known."""

    @model_serializer(mode="wrap")
    def _without_null(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


# Stages


class RetriedStep(_Shape):
    """The retry that would follow an error."""

    retrier: int
    """Index of the retrier in `Retry`, from 0."""
    errors: list[str]
    """The errors that it retries."""
    seconds: int
    """The wait before the retry; with full jitter, the longest possible."""
    attempts: int
    """How many retries the retrier allows, with this one."""


class CaughtStep(_Shape):
    """The catcher that handles an error: at once, or when no retry is left."""

    catcher: int
    """Index of the catcher in `Catch`, from 0."""
    errors: list[str]
    """The errors that it catches."""
    next_state: str
    """The next state."""
    output: Any
    """The input of the next state."""


class TryResult(_Shape):
    """What happened when a step was tried. The exit status is 1 unless it succeeded."""

    step: str
    """Name of the step."""
    branch: str
    """The branch that it belongs to: `completed`, `failed` or `stopped`."""
    place: str | None
    """File and line where the step was made; null if unknown."""
    status: Literal["SUCCEEDED", "CAUGHT_ERROR", "RETRIABLE", "FAILED"]
    """The status, as TestState names it."""
    input: Any
    """The input of the step."""
    sent: Any
    """What the step passed to its service; null if it calls none, or failed before."""
    result: Any
    """What the service answered, or the mock; null without an answer."""
    output: Any
    """The output of the step; null unless it succeeded."""
    next_state: str | None
    """The next state; null if the execution would end."""
    variables: dict[str, Any]
    """The workflow variables that the step has assigned."""
    error: str | None
    """The error; null if there was none."""
    cause: str | None
    """The cause of the error."""
    retried: RetriedStep | None
    """The retry that would follow; null if none would."""
    caught: CaughtStep | None
    """What catches the error; null if nothing does."""
    hint: str | None
    """What to do about the error, if that is known."""
    warnings: list[str]
    """What may be a mistake in a step of the workflow, one sentence each."""


class PlanChanges(_Shape):
    """What a publish changes."""

    stack: str
    """Name of the CloudFormation stack."""
    creates: bool
    """Whether the stack does not exist yet."""
    changes: bool
    """Whether there is anything to change."""
    states: list[StateChange]
    """States of the state machine."""
    functions: list[FunctionChange]
    """Lambda functions."""
    permissions: list[PermissionChange]
    """Permissions that are added or removed."""
    settings: list[SettingChange]
    """Parameters of the stack, except those with email addresses."""
    subscriptions: list[SubscriptionChange]
    """Addresses and endpoints of the settings that are subscribed, unsubscribed, or get other messages."""
    resources: list[ResourceChange]
    """Resources of the stack, except subscriptions whose address or flow definitions change."""
    notes: list[str]
    """Other changes, one sentence each."""
    swapped: list[str]
    """What was hot-swapped since the last publish. A publish replaces it."""
    warnings: list[str]
    """What may be a mistake in a step, and what does not work where the stage is, one sentence each."""
    risks: list[Risk]
    """What is new and has to be accepted by name: `--accept NAME`."""
    still_needed: list[StillNeeded]
    """What stays until running executions have ended. A publish after that removes it."""
    differences: list[str]
    """In what way what is live now is not what was published, and what to do, one sentence each."""
    locked_by: Holder | None
    """Who changes the stage at this moment; null if nobody does, or if this command does."""

    @classmethod
    def of(cls, plan: Plan, **more: str) -> Self:
        """The shape of a plan, with the keys that a subclass adds."""
        return cls(**vars(plan), changes=not plan.is_empty, **more)


class PlanResult(PlanChanges):
    """What `publish` would change."""

    stage: str
    """Name of the stage."""


class CommitOfPublish(_Shape):
    """The commit of the published sources."""

    id: str
    """The hash of the commit."""
    changes: bool
    """Whether files differed from the commit."""


class SmokeOfPublish(_Shape):
    """The last smoke test of a publish."""

    passed: bool
    """Whether all checks passed."""
    at: datetime
    """When the test ended."""
    failed: list[str]
    """The checks that failed."""


class PublishRecord(_Shape):
    """A publish of a stage."""

    number: int
    """1 for the first publish of the stage."""
    at: datetime
    """When it was published."""
    by: str
    """ARN of the identity that published."""
    where: str
    """User and machine, as `user@machine`; empty if it is not known."""
    template_key: str
    """Key of the template in the artifact bucket."""
    version: str
    """ARN of the state machine's version; empty if it did not come to one."""
    restores: int | None
    """After a rollback: the number of the publish that it went back to."""
    outcome: Outcome
    """What became of it: `started` means that it has not ended."""
    reason: str
    """Why it was not published; empty if it was."""
    commit: CommitOfPublish | None
    """The commit of the sources; null if it is not known."""
    smoke: SmokeOfPublish | None
    """The last smoke test while it was live; null if none ran."""


class PublishResult(_Shape):
    """A stage after `publish`, `publish --swap` or `rollback`."""

    stage: str
    """Name of the stage."""
    stack: str
    """Name of the CloudFormation stack."""
    changed: bool
    """Whether the command changed anything."""
    version: str | None
    """ARN of the state machine's version that new executions run on; null after a hot swap."""
    outputs: dict[str, str]
    """Outputs of the stack."""
    links: dict[str, str]
    """Pages of the AWS console, by what they show. Empty on a local engine."""
    plan: PlanChanges | None
    """What was changed; null after a hot swap."""
    restores: PublishRecord | None
    """After a rollback: the publish that it went back to."""
    swapped: list[str]
    """What was hot-swapped: `definition`, and `code of FUNCTION` for each function. Empty after a publish."""
    still_needed: list[StillNeeded]
    """What stays until running executions have ended. A publish after that removes it."""
    unconfirmed: list[str]
    """The addresses that get no messages before they confirm."""
    warnings: list[str]
    """What may be a mistake in a step, and what does not work where the stage is, one sentence each."""


class OutputsResult(_Shape):
    """The outputs of a published stage."""

    stage: str
    """Name of the stage."""
    outputs: dict[str, str]
    """Outputs of the stack."""
    links: dict[str, str]
    """Pages of the AWS console, by what they show. Empty on a local engine."""


class DriftedProperty(_Shape):
    """A property that differs from the template."""

    property: str
    """Path of the property."""
    expected: str
    """The value in the template."""
    actual: str
    """The value now."""


class Drift(_Shape):
    """A resource that differs from the template."""

    id: str
    """Logical ID of the resource."""
    type: str
    """Type of the resource."""
    name: str
    """Physical ID of the resource."""
    status: str
    """`MODIFIED` or `DELETED`."""
    differences: list[DriftedProperty]
    """The properties that differ."""


class StatusResult(_Shape):
    """The status of a published stage."""

    stage: str
    """Name of the stage."""
    stack: str
    """Name of the CloudFormation stack."""
    state: str
    """CloudFormation's status of the stack, such as `UPDATE_COMPLETE`."""
    operation: str | None
    """What CloudFormation does to the stack, or why its last operation failed, and what to do; null if all is well."""
    # Pydantic would write Z. The key has always had an offset, which is all that Python 3.10 can parse.
    updated: Annotated[datetime, PlainSerializer(datetime.isoformat)] | None
    """When the stack was last updated."""
    live: dict[int, int]
    """The versions that new executions run on: version number → percentage."""
    running: int
    """Executions that are running, up to 1,000."""
    failed: int
    """Executions that started in the last 24 hours and failed, timed out or were aborted; of each up to 1,000."""
    attention: Attention | None
    """What needs attention; null if the first publish has not finished."""
    still_needed: list[StillNeeded]
    """What a publish has removed, and stays until running executions have ended."""
    swapped: list[str]
    """What was hot-swapped since the last publish."""
    drifts: list[Drift] | None
    """Resources that differ from the template; null with `--no-drift`, or if the stack's state does not allow it."""
    publishes: list[PublishRecord]
    """The last 10 publishes, oldest first."""
    differences: list[str]
    """In what way what is live is not what was published, and what to do, one sentence each."""
    recipients: list[KindRecipients] | None
    """Who gets the messages of each kind; null if there are no topics yet, or the caller may not see it."""
    warnings: list[str]
    """What nobody hears, and what to do, one sentence each."""
    locked_by: Holder | None
    """Who changes the stage at this moment; null if nobody does."""

    @classmethod
    def of(cls, status: Status, attention: Attention | None) -> Self:
        """The shape of a status."""
        return cls(**vars(status), attention=attention)


class Lost(_Shape):
    """Something that goes with the stack, and that a later publish does not bring back."""

    what: str
    """What it is, in the plural, such as `undelivered events`."""
    count: int
    """How many there are."""
    names: list[str]
    """Which they are: addresses of subscriptions, hot swaps. Empty for the others."""


class DestroyResult(_Shape):
    """What `destroy` did."""

    destroyed: bool
    """Whether something was deleted. False when the stage is not published, unless data that it kept was deleted."""
    stack: str
    """Name of the CloudFormation stack."""
    stack_id: str | None
    """ARN of the stack; null when the stage is not published."""
    resources: int
    """How many resources the stack had."""
    running: int
    """How many executions were running. They were stopped, or with `--wait`, they ended."""
    open_loops: int
    """How many human loops were in progress, up to 1,000. Nothing processes their end."""
    lost: list[Lost]
    """What went with the stack."""
    kept: list[Kept]
    """The tables and buckets that hold data, of the stack and of earlier stacks of the stage. They stay in the account,
    unless `deletes_data` is true."""
    emptied: list[str]
    """Buckets that were emptied and deleted with the stack."""
    deletes_data: bool
    """Whether `--delete-data` was given."""

    @classmethod
    def of(cls, destruction: Destruction) -> DestroyResult:
        """The shape of a destruction that is done, or of kept data that stays."""
        done = {name: value for name, value in vars(destruction).items() if name != "parts"}
        return cls(destroyed=bool(destruction.stack_id or destruction.deletes_data), **done)

    @classmethod
    def nothing(cls, stack: str, *, deletes_data: bool) -> DestroyResult:
        """The shape for a stage that is not published."""
        return cls(
            destroyed=False,
            stack=stack,
            stack_id=None,
            resources=0,
            running=0,
            open_loops=0,
            lost=[],
            kept=[],
            emptied=[],
            deletes_data=deletes_data,
        )


# Human loops


class LedgerRow(OmitsNull, Loop):
    """A human loop: its attributes in the ledger. Attributes without a value are absent."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class UnreadableLoop(_CamelShape):
    """A row that cannot be read. All of these rows come last."""

    human_loop_name: str
    """The key of the row."""
    unreadable: str
    """Which attributes are wrong, and why."""

    @classmethod
    def of(cls, rows: Sequence[UnreadableRow]) -> list[UnreadableLoop]:
        """The shapes of rows."""
        return [cls(human_loop_name=row.key, unreadable=row.problem) for row in rows]


class LoopList(RootModel[list[LedgerRow | UnreadableLoop]]):
    """The human loops that were found."""

    @classmethod
    def of(cls, listing: Listing) -> LoopList:
        """The shape of a listing."""
        rows = [LedgerRow.model_validate(loop) for loop in listing.loops]
        return cls([*rows, *UnreadableLoop.of(listing.unreadable)])


class StatusChange(_CamelShape):
    """A status change that the workflow claimed."""

    creation_time: str
    """When the human loop was created."""
    human_loop_status: str
    """The status that the human loop changed to."""
    state: str
    """State of the claim: `working`, `done` or `released`."""
    at: str
    """When it was claimed."""
    execution: str
    """ARN of the last execution that claimed it."""
    execution_status: str
    """Step Functions' status of the execution; `GONE` when Step Functions no longer has it."""
    cause: str | None
    """Why the execution failed."""
    link: str | None
    """The execution in the AWS console; null on a local engine."""


class LoopExecution(_CamelShape):
    """An execution that processed a human loop."""

    execution: str
    """ARN of the execution."""
    status: str
    """Step Functions' status of the execution; `GONE` when Step Functions no longer has it, `unknown` when it cannot be
    read."""
    status_change: str | None
    """The status change that it claimed: creation time and status."""
    at: str
    """When it claimed it; empty if the ledger does not have it."""
    claim: str
    """State of its claim: `working`, `done` or `released`; `replaced` when another execution has claimed the status
    change since; `unclaimed` when it did not claim it."""
    step: str | None
    """The step that is running, or the one in which the execution failed."""
    is_your_step: bool
    """Whether the step is a post-review step."""
    attempt: int | None
    """The attempt of that step: 2 for its first retry."""
    error: str | None
    """The error that the execution ended with, or the last one of a step that will be tried again."""
    cause: str | None
    """Details of the error that the execution ended with."""
    redrives: int
    """How often it was redriven in the Step Functions console."""
    link: str | None
    """The execution in the AWS console; null on a local engine."""
    gap: str
    """What is not known about it, and why."""

    @classmethod
    def of(cls, one: Processing) -> LoopExecution:
        """The shape of what an execution did."""
        execution, step = one.execution, one.step
        return cls(
            execution=execution.arn,
            status=execution.status,
            status_change=one.claim,
            at=one.at,
            claim=one.state,
            step=step.name if step else None,
            is_your_step=step is not None and step.is_users,
            attempt=step.attempt if step else None,
            error=execution.error or (step.error if step else None),
            cause=execution.cause,
            redrives=execution.redrives,
            link=execution.link,
            gap=one.gap,
        )


class SentMessage(_CamelShape):
    """A message that was sent about a human loop."""

    at: str
    """When it was accepted."""
    execution: str | None
    """ARN of the execution that it is about; null when that is not known."""
    step: str | None
    """The step that sent it; null when a function did."""
    to: str
    """The topic, queue or address."""
    subject: str
    """Its subject."""
    message_id: str | None
    """The id that the service gave it."""


class LoopStory(_CamelShape):
    """The history of a human loop."""

    loop: LedgerRow
    """The human loop."""
    started: str
    """How it was started, in words."""
    outcome: str
    """Its outcome, in words."""
    lineage: list[LedgerRow]
    """All attempts of the human loop, oldest first."""
    status_changes: list[StatusChange]
    """Its status changes, oldest first."""
    executions: list[LoopExecution]
    """Every execution that processed it, oldest first, also those before a redrive."""
    messages: list[SentMessage]
    """The messages that were sent about it, oldest first."""
    running: str
    """The step that is running now, in words; empty when none is."""
    a2i_status: Annotated[str | None, Field(alias="a2iStatus")]
    """A2I's status of the human loop; `GONE` when A2I no longer has it; null when A2I was not asked."""
    next: list[NextStep]
    """What you can do now."""
    unreadable: list[UnreadableLoop]
    """Rows of its lineage that cannot be read. The lineage ends before them."""

    @classmethod
    def of(cls, story: Story) -> LoopStory:
        """The shape of a story."""
        return cls(
            loop=LedgerRow.model_validate(story.loop),
            started=story.started,
            outcome=story.outcome,
            lineage=[LedgerRow.model_validate(loop) for loop in story.lineage],
            status_changes=[
                StatusChange(
                    creation_time=change.creation_time,
                    human_loop_status=change.human_loop_status,
                    state=change.state,
                    at=change.at,
                    execution=change.execution.arn,
                    execution_status=change.execution.status,
                    cause=change.execution.cause,
                    link=change.execution.link,
                )
                for change in story.changes
            ],
            executions=[LoopExecution.of(one) for one in story.executions],
            messages=list(story.messages),
            running=story.running,
            a2i_status=story.view.status if story.view else None,
            next=list(story.next),
            unreadable=UnreadableLoop.of(story.unreadable),
        )


class LoopLogLine(_CamelShape):
    """A line that a function, or Lambda about it, logged."""

    time: datetime
    """When, in UTC."""
    function: str
    """Name of the function."""
    level: str
    """DEBUG, INFO, WARNING, ERROR or CRITICAL; METRIC for metrics that the function counted; LAMBDA for a line of
    Lambda itself; empty if the line has no level."""
    message: str
    """The text, of one or more lines."""
    fields: dict[str, Any]
    """The further keys of a line in JSON."""
    step: str | None
    """The step that called the function; null if no step did."""
    visit: int | None
    """Which visit of the execution to the step it was, from 1."""
    attempt: int | None
    """Which attempt of that visit it was, from 1."""
    request_id: str | None
    """The id of the call in Lambda."""
    by_time: bool
    """Whether the line belongs to the step only by its time: another call of the function may have logged it."""
    raw: str
    """The line as it was logged."""

    @classmethod
    def of(cls, line: LogLine) -> LoopLogLine:
        """The shape of a line."""
        return cls(**{"step" if name == "state" else name: value for name, value in vars(line).items()})


class LoopLogLines(_CamelShape):
    """What the functions logged about a human loop. With `--follow`, each line is a document of its own."""

    lines: list[LoopLogLine]
    """The lines, in the order of their times."""
    notes: list[str]
    """What could not be read, and why, one sentence each."""

    @classmethod
    def of(cls, logs: Logs) -> LoopLogLines:
        """The shape of log lines."""
        return cls(lines=[LoopLogLine.of(line) for line in logs.lines], notes=logs.notes)


class StartResult(OmitsNull, _CamelShape):
    """A human loop that was started. Keys without a value are absent."""

    human_loop_name: str
    """Name of the human loop."""
    human_loop_arn: str | None = None
    """ARN of the human loop."""
    needed: bool
    """False when the activation conditions of a Textract or Rekognition task were not met: there is no human loop."""
    already: bool
    """Whether an earlier call had started it."""
    status: str
    """Status of the human loop."""
    prediction: dict[str, Any] | None = None
    """The prediction, when no human loop is needed and the prediction is small enough for the function's response."""
    prediction_location: str | None = None
    """Where the prediction is stored, when no human loop is needed."""


class DrawnState(_CamelShape):
    """A state of a drawn execution."""

    name: str
    """Its name."""
    status: str
    """passed, retried, caught-error, failed, aborted, running, not-reached, or unknown: its visits are executions of
    their own, or cannot be read."""
    visits: int
    """How often it was entered."""
    failed: int
    """How many of the visits failed, or had an error that was caught."""
    retries: int
    """How often it was tried again, in all visits."""


class LoopGraph(_CamelShape):
    """A drawn execution."""

    human_loop_name: str | None
    """Name of the human loop; null with --execution."""
    execution: str
    """ARN of the execution."""
    status: str
    """Its status in Step Functions."""
    error: str | None
    """The error that it ended with."""
    cause: str | None
    """Details of that error."""
    link: str | None
    """Its address in the console; null on a local engine."""
    states: list[DrawnState]
    """The states of the definition that it runs."""
    file: str
    """The file with the picture."""

    @classmethod
    def of(cls, execution: ExecutionView, loop: str | None, file: Path) -> LoopGraph:
        """The shape of a drawn execution."""
        return cls(
            human_loop_name=loop,
            execution=execution.arn,
            status=execution.status,
            error=execution.error,
            cause=execution.cause,
            link=execution.link,
            states=[DrawnState(name=name, **asdict(figures)) for name, figures in execution.figures.items()],
            file=str(file),
        )


class RenderResult(_Shape):
    """What a render wrote."""

    changed: list[str]
    """Names of the files in definitions/ that were written. Empty if none differed."""
    warnings: list[str]
    """What may be a mistake in a step, one sentence each."""


class LockedFunction(_Shape):
    """The lock of a function."""

    file: str
    """The lock, from the project's folder."""
    packages: list[str]
    """What the function needs in addition to what all functions share, each as `NAME==VERSION`."""


class LockResult(_Shape):
    """The locks that were written."""

    locked: list[LockedFunction]
    """The locks, one for each function."""

    @classmethod
    def of(cls, locked: Iterable[Locked], root: Path) -> Self:
        """The result of a command, with paths from the project's folder."""
        return cls(
            locked=[
                LockedFunction(file=one.file.relative_to(root).as_posix(), packages=list(one.packages))
                for one in locked
            ]
        )


class InitResult(_Shape):
    """The settings of a stage that were written."""

    stage: str
    """Name of the stage."""
    settings: str
    """The file with the settings."""


class SampleLoop(_CamelShape):
    """What happened to a sample human loop of the local engine."""

    human_loop_name: str
    """Name of the human loop."""
    status: str | None
    """Status in the ledger. Null if the ledger does not have the loop."""
    outcome: str | None
    """What the workflow did."""
    execution: str | None
    """ARN of the execution."""
    execution_status: str | None
    """Status of the execution, as Step Functions has it."""
    states: list[str]
    """States that the execution entered."""
    messages: list[str]
    """Messages that were received: the topic, and the subject."""


class LocalResult(_CamelShape):
    """What happened on the local engine."""

    loops: list[SampleLoop]
    """The sample human loops."""
    problems: list[str]
    """What is not as expected. Empty if the command succeeded."""
    report: str
    """The file with the report."""

    @classmethod
    def of(cls, progress: Mapping[str, Any], problems: Sequence[str], report: object) -> Self:
        """Returns the shape of what `sandbox.local.Watch` saw of each loop."""
        loops = [
            SampleLoop(
                human_loop_name=name,
                status=seen.loop and seen.loop.status,
                outcome=seen.loop and seen.loop.outcome,
                execution=seen.loop and seen.loop.execution,
                execution_status=seen.execution_status or None,
                states=seen.states,
                messages=seen.messages,
            )
            for name, seen in progress.items()
        ]
        return cls(loops=loops, problems=list(problems), report=str(report))


class ConsoleAddress(_CamelShape):
    """Where a console is served."""

    url: str
    """The link to the first page, with the token of this run."""


class StopResult(_CamelShape):
    """A human loop that A2I is stopping."""

    human_loop_name: str
    """Name of the human loop."""
    a2i_status: Annotated[str, Field(alias="a2iStatus")] = "Stopping"
    """`Stopping`. The status change follows."""


class RedriveResult(_CamelShape):
    """A status change that is processed again."""

    human_loop_name: str
    """Name of the human loop; empty when the event does not contain it."""
    status_change: str
    """The claim: creation time and status."""
    execution: str
    """ARN of the new execution."""
    before: str
    """ARN of the execution that failed."""


class LoopResult(_CamelShape):
    """What happened to one of many human loops."""

    human_loop_name: str
    """Name of the human loop. With `--undelivered`, what the event is about, or `unknown`."""
    result: str
    """`done`; `failed`: it was processed, and failed again; `running`: its execution has started and not ended;
    `possible`: in a dry run, it would be processed; `skipped`: the operation is not possible; `error`: a service
    refused a call."""
    detail: str
    """Details of the result, or why there is none. Can be empty."""
    execution: str | None
    """ARN of the execution that was started; null without one."""
    next_loop_name: str | None
    """Name of the human loop that was started; null without one."""
    message_id: str | None
    """ID of the message in the queue of undelivered events; null without `--undelivered`."""

    @classmethod
    def of(cls, one: Result) -> LoopResult:
        fields = asdict(one)
        return cls(human_loop_name=fields.pop("name"), **fields)


class SeveralResult(_CamelShape):
    """What was done with the human loops that match the filters.

    The exit status is 1 when a loop has the result `failed` or `error`, or not all were begun; 130 after Ctrl-C.
    """

    dry_run: bool
    """Whether nothing was changed because of `--dry-run`."""
    matched: int
    """How many human loops matched. With `--undelivered`, how many messages were read."""
    results: list[LoopResult]
    """The human loops that were begun, in the order in which they were finished."""
    left: int
    """How many were not begun. With `--undelivered`, that is approximate."""
    stopped: str | None
    """Why not: `interrupted`, or `failing` when the first ones all failed; null when all were begun."""


class ReplayedArchive(_CamelShape):
    """The archive of a stage's status changes."""

    name: str
    """Name of the archive."""
    created: datetime
    """When it was created."""
    days: int
    """How many days it keeps an event."""
    events: int
    """How many events it has. AWS updates the number within 24 hours."""
    size: int
    """Their size in bytes. AWS updates it within 24 hours."""


class ReplayOfEvents(_CamelShape):
    """A replay of EventBridge that has ended."""

    name: str
    """Name of the replay."""
    state: str
    """`COMPLETED`, `CANCELLED` after Ctrl-C, or `FAILED`."""
    reason: str
    """Why it is in this state. Can be empty."""
    last: datetime | None
    """The time of the last event that was replayed; null without one."""


class ReplayResult(_CamelShape):
    """What `loops replay` would replay, or replayed.

    The exit status is 1 when the replay failed, or the workflow failed to process something; 130 after Ctrl-C.
    """

    archive: ReplayedArchive
    """The archive."""
    since: datetime
    """Begin of the period, by the time of the events."""
    until: datetime
    """End of the period."""
    is_archived: bool
    """Whether all events of the period are in the archive by now."""
    processed: int
    """How many status changes of the period were processed before. They stay as they are."""
    busy: int
    """How many were claimed and not processed. They stay as they are."""
    again: list[str]
    """Human loops with a status change that the workflow failed to process, and processes again."""
    open: int
    """How many human loops had not ended, as far as the ledger knew."""
    replay: ReplayOfEvents | None
    """The replay; null with `--dry-run`."""
    results: list[LoopResult]
    """The status changes that were claimed since the replay began."""

    @classmethod
    def of(cls, plan: ReplayPlan, ended: Replay | None, results: Results | None) -> ReplayResult:
        fields = ("archive", "since", "until", "is_archived", "processed", "busy", "again", "open")
        return cls.model_validate(
            {
                **{name: getattr(plan, name) for name in fields},
                "replay": ended,
                "results": [LoopResult.of(one) for one in results.results] if results else [],
            }
        )


class ReconcileResult(_CamelShape):
    """What `loops reconcile` found and did."""

    looked_at: int
    """How many human loops of A2I were compared with the ledger."""
    missed: dict[str, str]
    """Status changes without a claim, as `NAME STATUS` → ARN of the execution that was started."""
    deleted: dict[str, str]
    """Human loops that were deleted in A2I before their status change was received → ARN of the execution that
    escalates it."""
    adopted: list[str]
    """Human loops in progress that the ledger did not have. They have a row now."""
    earlier: list[str]
    """Human loops that ended, have no row, and were created before the ledger. They were not processed."""
    resumed: list[str]
    """Human loops whose start was resumed."""
    refused: dict[str, str]
    """Human loops that A2I refused to start → ARN of the execution that escalates it."""
    released: dict[str, str]
    """Claims, as `NAME CLAIM`, that were released because their execution had ended → ARN of that execution."""
    reported: list[str]
    """ARNs of executions that ended before they had claimed their status change, and were reported to a person."""
    answered: list[str]
    """Human loops whose waiting workflows were notified."""
    overdue: list[str]
    """Human loops that are open longer than their flow definition lets workers accept and answer a task."""
    oldest_open_seconds: int
    """The age of the oldest human loop in progress; 0 without one."""
    oldest_claim_seconds: int
    """How long the oldest claim of a running execution has been held; 0 without one."""
    problems: list[str]
    """What could not be done, one line each."""
    complete: bool
    """False when time ran out first."""


# Reviews


class Share(_Shape):
    """A proportion with its confidence interval."""

    total: Annotated[int, Field(alias="of")]
    """The total."""
    hits: int
    """How many of the total."""
    share: float | None
    """`hits` / `of`; null when the total is 0."""
    interval: tuple[float, float] | None
    """The 95 % confidence interval; null when the total is 0. Its cases are reviews: the fields of one are alike."""

    @classmethod
    def of(cls, share: figures.Share) -> Share:
        """The shape of a share."""
        value, interval = (share.value, share.interval) if share.n else (None, None)
        return cls(total=share.n, hits=share.hits, share=value, interval=interval)


class Estimate(_Shape):
    """An estimate with its confidence interval."""

    value: float
    """The estimate."""
    interval: tuple[float, float]
    """The 95 % confidence interval."""

    @classmethod
    def of(cls, estimate: figures.Estimate) -> Estimate | None:
        """The shape of an estimate; None if it is unknown."""
        return cls(value=estimate.value, interval=estimate.interval) if estimate.known else None


class MalformedReview(_Shape):
    """A stored object that cannot be read as a review."""

    location: str
    """Where it is."""
    problem: str
    """What is wrong with it."""


class LoopFigures(_CamelShape):
    """Human loops in the ledger that were created in the period."""

    by_status: dict[str, int]
    """Status → how many human loops."""
    restarts: int
    """How many were restarts of others."""
    escalated: int
    """How many were escalated."""


class ThresholdResult(_CamelShape):
    """What happens if only documents with a prediction below a confidence threshold go to people."""

    threshold: float
    """The threshold, 0 to 1."""
    reviews: Estimate | None
    """The share of documents that go to people."""
    errors_missed: Estimate | None
    """The share of errors that nobody corrects."""
    error_rate_above: Estimate | None
    """The share of errors among the predictions that nobody checks; null when there are none."""


class CostPointResult(_CamelShape):
    """What a threshold costs."""

    threshold: float
    """The threshold. 0 reviews nothing; one above 1 reviews everything."""
    cost: Estimate | None
    """The cost per document, of reviews and of errors that nobody corrects."""

    @classmethod
    def of(cls, point: figures.CostPoint) -> CostPointResult:
        """The shape of a point."""
        return cls(threshold=point.threshold, cost=Estimate.of(point.cost))


class CostResult(_CamelShape):
    """What each threshold costs, with `--cost-of-review` and `--cost-of-error`."""

    cost_of_review: float
    """The price of a review."""
    cost_of_error: float
    """The price of an error that nobody corrects."""
    verdict: str
    """`threshold`, `nothing` or `everything`: what costs least; `undecided` when the reviews do not show it."""
    cheapest: CostPointResult
    """The cheapest threshold."""
    possible: tuple[float, float]
    """The lowest and the highest threshold that can be the cheapest, at 95 %."""
    saving: Estimate | None
    """What the cheapest threshold saves per document over the cheaper of reviewing nothing and everything."""
    points: list[CostPointResult]
    """The cost of each threshold."""

    @classmethod
    def of(cls, curve: figures.CostCurve) -> CostResult:
        """The shape of a cost curve."""
        return cls(
            cost_of_review=curve.costs.review,
            cost_of_error=curve.costs.error,
            verdict=curve.verdict,
            cheapest=CostPointResult.of(curve.cheapest),
            possible=curve.range,
            saving=Estimate.of(curve.saving),
            points=[CostPointResult.of(point) for point in curve.points],
        )


class ConfidenceResult(_CamelShape):
    """What the confidence of a model is worth."""

    of_all: bool
    """Whether this is about all predictions, estimated from a random sample, or only about what people checked."""
    predictions: int
    """How many predictions with a confidence people checked."""
    mean_confidence: float | None
    """The mean confidence."""
    overconfidence: Estimate | None
    """The mean confidence minus the share that people kept."""
    calibration_error: float | None
    """The mean distance between confidence and share kept, over ten bands (expected calibration error)."""
    brier_score: Estimate | None
    """The mean squared distance between the confidence and what people decided."""
    auroc: Estimate | None
    """How often a prediction that people kept has a higher confidence than one that they overruled."""
    thresholds: list[ThresholdResult]
    """Each threshold in steps of 0.01."""
    costs: CostResult | None
    """What each threshold costs; null without prices."""

    @classmethod
    def of(cls, about: figures.ConfidenceFigures) -> ConfidenceResult:
        """The shape of what a confidence is worth."""
        return cls(
            of_all=about.of_all,
            predictions=about.predictions,
            mean_confidence=_known(about.mean_confidence),
            overconfidence=Estimate.of(about.overconfidence),
            calibration_error=_known(about.calibration_error),
            brier_score=Estimate.of(about.brier),
            auroc=Estimate.of(about.auroc),
            thresholds=[
                ThresholdResult(
                    threshold=one.threshold,
                    reviews=Estimate.of(one.reviews),
                    errors_missed=Estimate.of(one.errors_missed),
                    error_rate_above=Estimate.of(one.error_rate_of_passed),
                )
                for one in about.thresholds
            ],
            costs=None if about.costs is None else CostResult.of(about.costs),
        )


class TrendResult(_CamelShape):
    """How the rate of a model changed. Each field is compared with itself."""

    early: float
    """The share of predictions that people overruled in the first third of the period."""
    late: float
    """The same for the last third."""
    change: Estimate | None
    """The second minus the first."""


class ModelResult(_CamelShape):
    """The predictions of one model: of a flow definition, or of one version if the reviews name it."""

    flow_definition: str
    """Name of the flow definition."""
    model_version: str | None
    """Version of the model; null when the reviews do not name it."""
    reviews: int
    """How many reviews."""
    selected: str
    """How the reviews were chosen: `sampled` (by conditions, and the others at random), `conditions` or `unknown`."""
    sampling_rate: float | None
    """The rate of the random sample; null without one."""
    overruled: Share
    """Checked predictions that people changed or removed."""
    overruled_of_all: Estimate | None
    """The same share among all predictions; null when it is unknown."""
    trend: TrendResult | None
    """The change over the period; null when there are too few reviews."""
    confidence: ConfidenceResult | None
    """What its confidence is worth; null when the reviews have none."""

    @classmethod
    def of(cls, model: figures.ModelFigures) -> ModelResult:
        """The shape of a model."""
        trend = model.trend
        return cls(
            flow_definition=model.model.flow_definition,
            model_version=model.model.version,
            reviews=model.reviews,
            selected=model.selection.kind,
            sampling_rate=_known(model.selection.rate),
            overruled=Share.of(model.overruled),
            overruled_of_all=Estimate.of(model.overruled_of_all),
            trend=trend
            and TrendResult(early=trend.early, late=trend.late, change=Estimate.of(trend.difference)),
            confidence=None if model.confidence is None else ConfidenceResult.of(model.confidence),
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


class ReportFigures(_CamelShape):
    """The main figures of a report."""

    headline: str
    """The result in one sentence."""
    first: Annotated[str, Field(alias="from")]
    """First day of the period."""
    until: Annotated[str, Field(alias="to")]
    """The day after the last day of the period."""
    reviews: int
    """How many reviews were read."""
    overruled: Share
    """Predicted fields that people changed."""
    overruled_reviews: Share
    """Reviews in which people changed a prediction."""
    agreement: Share
    """Fields that several people answered, all of them the same."""
    malformed: list[MalformedReview]
    """Objects that cannot be read as reviews. The figures leave them out."""
    unreadable_values: int
    """How many values in other reviews cannot be read. The figures leave them out, not their reviews."""
    without_fields: int
    """How many of the reviews have no field: nobody answered, or people submitted an empty page."""
    invented: int
    """How many of the reviews are invented sample data."""
    prediction_sources: dict[str, int]
    """Where predictions with a result were found → how many: `service` (Textract or Rekognition), `settings`, `search`
    (in the usual places), `unknown` (reviews from before this was stored)."""
    models: list[ModelResult]
    """The models, those with most reviews first."""
    loops: LoopFigures | None
    """Human loops of the stage; null with `--source`."""

    @classmethod
    def of(cls, made: Report, **more: str) -> Self:
        """The figures of a report, with the keys that a subclass adds."""
        figures = made.figures
        return cls(
            headline=str(made.headline),
            first=str(figures.period.first),
            until=str(figures.period.until),
            reviews=figures.reviews,
            overruled=Share.of(figures.overruled),
            overruled_reviews=Share.of(figures.overruled_reviews),
            agreement=Share.of(figures.agreement.unanimous),
            malformed=[MalformedReview.model_validate(one) for one in figures.malformed],
            unreadable_values=figures.unreadable,
            without_fields=figures.without_fields,
            invented=figures.invented,
            prediction_sources={
                source or "unknown": number for source, number in figures.prediction_sources.items()
            },
            models=[ModelResult.of(model) for model in figures.models],
            loops=None if made.facts is None else LoopFigures.model_validate(made.facts),
            **more,
        )


class ReportResult(ReportFigures):
    """A report that was written, with its main figures."""

    file: str
    """The HTML file."""


class LeftOutReview(_Shape):
    """A review that was left out."""

    review: str
    """Where the review is."""
    reason: str
    """Why it was left out."""


class LinesByReason(_Shape):
    """Lines that lack an attribute, for one reason."""

    reason: str
    """Why."""
    lines: int
    """How many lines."""


class ManifestAttribute(_CamelShape):
    """A label attribute of a manifest."""

    name: str
    """Its name, for `AttributeNames` of a training job."""
    element: str
    """The crowd element, or the field, that it was made from."""
    types: dict[str, int]
    """Type in its metadata → number of lines. A training job needs the same type in all lines."""
    classes: list[str] | None
    """The labels, in the order of their IDs, which start with 0; null for an attribute without classes."""
    lines: int
    """How many lines have it."""
    missing: list[LinesByReason]
    """The lines that lack it. A training job needs it in all lines."""
    without_majority: int
    """How many labels, shapes or values without a majority were left out of these lines."""


class ManifestResult(_CamelShape):
    """A manifest that was written."""

    file: str | None
    """The manifest; null when no review could be exported."""
    lines: int
    """How many lines the manifest has."""
    sources: dict[str, int]
    """`source-ref` or `source` → number of lines. A training job needs the same in all lines."""
    attributes: list[ManifestAttribute]
    """Its label attributes."""
    left_out: list[LeftOutReview]
    """Reviews that are not in the manifest."""


class OutcomeChange(_CamelShape):
    """Fields whose outcome changes."""

    before: str | None
    """The outcome before; null for fields that are added."""
    after: str | None
    """The outcome afterwards; null for fields that are removed."""
    fields: int
    """The number of fields."""


class RecomputeResult(_CamelShape):
    """What recomputing reviews changed, or would change."""

    written: bool
    """Whether the changes were written. False for a dry run."""
    first: str
    """The first day."""
    until: str
    """The day after the last day."""
    flow_definition: str | None
    """The flow definition; null for all."""
    code: str
    """`made_by.code` of the new records: this copy of Afterloop."""
    published_code: str
    """The code that the stage's function runs. Changes are written only if it is the same."""
    reviews: int
    """The number of stored reviews in these days."""
    invented: int
    """Sample reviews, which are left alone."""
    current: int
    """Reviews that the current code and settings made. They are not recomputed, unless with `--all`."""
    unchanged: int
    """Recomputed reviews whose record is the same."""
    only_made_by: int
    """Recomputed reviews in which only `made_by` changes."""
    changed: int
    """Recomputed reviews with other changes."""
    outcomes: list[OutcomeChange]
    """The fields whose outcome changes."""
    now_overruled: int
    """Reviews that count as overruled only afterwards."""
    no_longer_overruled: int
    """Reviews that counted as overruled only before."""
    keys: dict[str, int]
    """Key of the record → the number of reviews in which its value changes."""
    gain_identities: int
    """Reviews that get ids of workers which they do not have now, because of `worker_identity`."""
    ledger: int
    """Loops whose figures in the ledger change."""
    left_out: list[LeftOutReview]
    """Reviews that could not be recomputed. Their records stay."""


class SmokeResult(RootModel[list[Check]]):
    """The checks of the smoke test. The exit status is 1 when one failed."""

    model_config = ConfigDict(use_attribute_docstrings=True)


SHAPES: Mapping[str, type[BaseModel]] = {
    "publish": PublishResult,
    "plan": PlanResult,
    "rollback": PublishResult,
    "outputs": OutputsResult,
    "status": StatusResult,
    "destroy": DestroyResult,
    "local": LocalResult,
    "console": ConsoleAddress,
    "try": TryResult,
    "render": RenderResult,
    "init": InitResult,
    "lock": LockResult,
    "loops list": LoopList,
    "loops show": LoopStory,
    "loops graph": LoopGraph,
    "loops logs": LoopLogLines,
    "loops start": StartResult,
    "loops restart": StartResult,
    "loops stop": StopResult,
    "loops close": LedgerRow,
    "loops redrive": RedriveResult,
    "loops replay": ReplayResult,
    "loops reconcile": ReconcileResult,
    "reviews recompute": RecomputeResult,
    "report": ReportResult,
    "manifest": ManifestResult,
    "smoke": SmokeResult,
}
"""Command → model of what it prints with `--output json`."""

SHAPES_OF_SEVERAL: Mapping[str, type[BaseModel]] = {
    "loops restart": SeveralResult,
    "loops close": SeveralResult,
    "loops redrive": SeveralResult,
}
"""Command → model of what it prints with `--output json` when it has filters or `--dry-run`."""
