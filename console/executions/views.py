"""What the page of an execution shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from console.views import View

__all__ = [
    "AttemptView",
    "BarView",
    "CauseView",
    "EventView",
    "EventsView",
    "ExecutionPage",
    "InsideView",
    "LogLineView",
    "LogsView",
    "LoopView",
    "PagesView",
    "RunAgainView",
    "Shown",
    "StateView",
    "StepRow",
    "StepView",
    "StepsView",
    "SummaryView",
    "VisitLink",
    "VisitView",
]

Shown = Literal["graph", "table", "events"]
"""What the main part of the page shows."""


class VisitLink(View):
    """A visit to a step, to link to.

    Attributes:
        state: The name of the step.
        visit: The number of the visit to it, from 1.
        where: The item or branch of the Parallel or Map around it, such as `item 3`; empty at the top.
    """

    state: str
    visit: int
    where: str = ""


class CauseView(View):
    """The cause of an error.

    Attributes:
        message: The message.
        trace: The rest: the traceback of a function, or the whole text if it is long. Empty if there is no more.
    """

    message: str
    trace: str = ""


class SummaryView(View):
    """What happened.

    Attributes:
        text: A sentence, up to the name of the step that it is about.
        step: The step that failed, runs, or was stopped.
        rest: The sentence after the name of the step.
        error: The name of the error.
        cause: The cause of the error.
        notes: More sentences: errors that were caught, retries.
    """

    text: str
    step: VisitLink | None = None
    rest: str = ""
    error: str | None = None
    cause: CauseView | None = None
    notes: tuple[str, ...] = ()


class LoopView(View):
    """The human loop whose status change the execution processes.

    Attributes:
        name: Its name, or its key in the ledger if another loop had the name before.
        change: The status in the event: Completed, Failed or Stopped.
        outcome: Its outcome in the ledger; None if there is none, or if the ledger does not have the loop.
    """

    name: str
    change: str
    outcome: str | None = None


class RunAgainView(View):
    """Whether the status change can be processed again.

    Attributes:
        possible: Whether it can.
        why_not: Why it cannot.
        command: The command that does it.
    """

    possible: bool
    why_not: str = ""
    command: str = ""


class StateView(View):
    """A step of the definition, in the execution.

    Attributes:
        name: Its name.
        status: The worst status of its visits.
        visits: How often the execution entered it.
        retries: How often it was tried again, in all visits.
    """

    name: str
    status: str
    visits: int
    retries: int


class AttemptView(View):
    """An attempt of a step.

    Attributes:
        number: 1 for the first.
        status: Its status.
        started: When it was scheduled.
        seconds: How long it took.
        pause: How many seconds passed since the attempt before it ended.
        error: The name of its error.
        cause: The cause of the error.
        resource: What was called.
        function: The name of the called function.
        request_id: The id of the request.
        execution: The ARN of the execution that it started.
    """

    number: int
    status: str
    started: datetime | None
    seconds: float | None
    pause: float | None
    error: str | None
    cause: CauseView | None
    resource: str | None
    function: str | None
    request_id: str | None
    execution: str | None


class InsideView(View):
    """One item of a Map, or one branch of a Parallel.

    Attributes:
        label: `item 3`, `branch 1`.
        status: The worst status of the steps in it.
        steps: How many steps it entered.
        step: The step to look at: the one that failed or runs, otherwise the last.
        error: The name of the error that ended it.
    """

    label: str
    status: str
    steps: int
    step: VisitLink
    error: str | None


class VisitView(View):
    """One visit to a step.

    Attributes:
        number: 1 for the first visit of the execution to the step.
        status: Its status.
        superseded: Whether a retry or a redrive of the state around began the step anew.
        entered: When it was entered.
        exited: When it was exited.
        seconds: How long it took; until now if it runs.
        around: The visits to the Parallel and Map states around it, outermost first.
        input: The input, as JSON text.
        output: The output, as JSON text.
        added: What the output has that the input lacks, as JSON text.
        variables: The variables that it assigned, as JSON texts.
        missing: What the history does not have of input and output, in sentences.
        error: The name of the error that ended it, also if it was caught.
        cause: The cause of that error.
        attempts: Its attempts, oldest first; those that are `MAX_ATTEMPTS` and more before the last are left out.
        earlier_attempts: How many attempts are left out.
        inside: The items or branches of a Map or Parallel: what needs a look first, at most `MAX_INSIDE`.
        inside_counts: How many items or branches have which status.
        events: How many events of the history are about it.
    """

    number: int
    status: str
    superseded: bool
    entered: datetime | None
    exited: datetime | None
    seconds: float | None
    around: tuple[VisitLink, ...]
    input: str | None
    output: str | None
    added: str | None
    variables: dict[str, str]
    missing: tuple[str, ...]
    error: str | None
    cause: CauseView | None
    attempts: tuple[AttemptView, ...]
    earlier_attempts: int
    inside: tuple[InsideView, ...]
    inside_counts: dict[str, int]
    events: int


class LogLineView(View):
    """A line of a function's log.

    Attributes:
        time: When it was written.
        level: Its level, such as ERROR; empty if it has none.
        message: Its message.
        fields: What else a structured line has.
        attempt: The attempt that wrote it, if that is known.
        by_time: Whether only its time says that it belongs to the step.
    """

    time: datetime
    level: str
    message: str
    fields: dict[str, Any]
    attempt: int | None
    by_time: bool


class LogsView(View):
    """The log lines of a step's function.

    Attributes:
        lines: The lines, oldest first.
        earlier: How many lines are left out.
        notes: What to know about them: why some are missing, or how they were found.
        command: The command that shows them all, and follows them.
    """

    lines: tuple[LogLineView, ...] = ()
    earlier: int = 0
    notes: tuple[str, ...] = ()
    command: str = ""


class ItemView(View):
    """An execution that processes an item of a Distributed Map, or a batch of items.

    Attributes:
        name: Its name.
        arn: Its ARN, which is the key of its page.
        status: Its status, as Step Functions calls it.
        seconds: How long it took; until now if it runs.
    """

    name: str
    arn: str
    status: str
    seconds: float | None


class MapRunView(View):
    """The executions of the items of a Distributed Map.

    Attributes:
        arn: The ARN of the Map Run.
        status: Its status; None if it cannot be read.
        counts: How many executions have which status.
        items: The executions: those that failed first, then those that run.
        more: Whether there are more of them.
        note: Why they are not shown.
    """

    arn: str
    status: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    items: tuple[ItemView, ...] = ()
    more: bool = False
    note: str = ""


class StepView(View):
    """A step, and one visit to it.

    Attributes:
        name: Its name.
        kind: Its type, such as Task.
        comment: What it is for, from the definition.
        status: The worst status of its visits.
        visits: How often the execution entered it.
        visit: The visit; None if there is none.
        definition: The step in the definition, without nested machines.
        logs: The log lines of its function; None if it calls none.
        map_run: The items of a Distributed Map; None for other steps.
    """

    name: str
    kind: str
    comment: str
    status: str
    visits: int
    visit: VisitView | None
    definition: dict[str, Any]
    logs: LogsView | None = None
    map_run: MapRunView | None = None


class PagesView(View):
    """Which part of a long list is shown.

    Attributes:
        page: The page, from 1.
        pages: How many pages there are.
        first: The number of the first line on this page, from 1; 0 if there are none.
        last: The number of the last line on this page.
        total: The number of lines on all pages.
    """

    page: int
    pages: int
    first: int
    last: int
    total: int


class BarView(View):
    """When a step ran, as a bar in percent of the time of the execution.

    Attributes:
        left: Where it begins.
        width: How long it is.
    """

    left: float
    width: float


class StepRow(View):
    """A visit to a step, as a row of the table.

    Attributes:
        order: The number of the row, from 1.
        step: The visit.
        kind: The type of the step.
        depth: How many Parallel and Map states are around it.
        status: Its status.
        entered: When it was entered.
        offset: How many seconds after the start of the execution that was.
        seconds: How long it took; until now if it runs.
        attempts: How many attempts it had.
        error: The name of its error.
        bar: When it ran.
    """

    order: int
    step: VisitLink
    kind: str
    depth: int
    status: str
    entered: datetime | None
    offset: float | None
    seconds: float | None
    attempts: int
    error: str | None
    bar: BarView | None


class StepsView(View):
    """The table of all steps.

    Attributes:
        rows: The rows of this page.
        pages: Which part of the table they are.
    """

    rows: tuple[StepRow, ...]
    pages: PagesView


class EventView(View):
    """An event of the history.

    Attributes:
        id: Its id, from 1.
        type: Its type.
        time: When it happened.
        offset: How many seconds after the start of the execution that was.
        previous: The id of the event before it.
        step: The visit that it is about.
        details: Its details, as Step Functions returns them.
    """

    id: int
    type: str
    time: datetime | None
    offset: float | None
    previous: int | None
    step: VisitLink | None
    details: dict[str, Any]


class EventsView(View):
    """The events of the history, or those about one visit.

    Attributes:
        events: The events of this page.
        pages: Which part of the history they are.
        step: The visit that they are about; None for all events.
    """

    events: tuple[EventView, ...]
    pages: PagesView
    step: VisitLink | None = None


class ExecutionPage(View):
    """The page of an execution.

    Attributes:
        name: The name of the execution.
        key: What the path of the page has: the name, or the ARN of an execution of another state machine.
        arn: Its ARN.
        status: Its status, as Step Functions calls it.
        is_final: Whether it has ended.
        started: When it started.
        stopped: When it ended.
        seconds: How long it took; until now if it runs.
        redrives: How often it was redriven in the Step Functions console.
        around: The ARN of the execution whose Distributed Map has the items that this one processes.
        version: The version of the state machine that it runs.
        summary: What happened.
        loop: The human loop that it processes.
        run_again: Whether the status change can be processed again; None if nothing failed.
        link: Its address in the AWS console; None on the local engine.
        logs_command: The command that shows the logs of all its steps.
        gaps: What could not be read, and why.
        input: Its input, as JSON text.
        output: Its output, as JSON text.
        states: All steps of the definition.
        showing: What the main part shows.
        step: The step that is shown beside the graph or the table.
        table: All steps in order.
        events: The events of the history.
        legend: The statuses that steps have.
        graph: The drawing, for the HTML page only: it shows what `states` says.
    """

    name: str
    key: str
    arn: str
    status: str
    is_final: bool
    started: datetime
    stopped: datetime | None
    seconds: float | None
    redrives: int
    around: str | None
    version: str | None
    summary: SummaryView
    loop: LoopView | None
    run_again: RunAgainView | None
    link: str | None
    gaps: tuple[str, ...]
    input: str | None
    output: str | None
    states: tuple[StateView, ...]
    showing: Shown
    step: StepView | None = None
    table: StepsView | None = None
    events: EventsView | None = None
    legend: tuple[str, ...] = Field((), exclude=True)
    graph: str = Field("", exclude=True)
