"""Puts the page of an execution together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from console.executions.function_log import logs_of
from console.executions.items import execution_around, map_run_of
from console.executions.raw_events import events_of
from console.executions.step import find_visit, step_view
from console.executions.summary import seconds_of, subject, summary_of
from console.executions.table import table_of
from console.executions.views import (
    ExecutionPage,
    LoopView,
    RunAgainView,
    Shown,
    StateView,
    StepView,
)
from console.site import Connection
from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.loops.event_text import detail_of, parsed
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.visible import quoted
from workflow.asl.graph import StateStatus, embedded_svg
from workflow.errors import AfterloopError
from workflow.operations.executions import ExecutionView, Visit
from workflow.publish.refused import in_words

__all__ = ["Asked", "execution_page"]


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        showing: What the main part shows. None: the graph, or the table if there is no definition to draw.
        state: The step to show. None: the one that a reader wants to see first.
        visit: The number of the visit to it.
        page: The page of the table or of the events.
    """

    showing: Shown | None = None
    state: str | None = None
    visit: int | None = None
    page: int = 1


def execution_page(
    connection: Connection,
    execution: ExecutionView,
    key: str,
    asked: Asked,
    *,
    now: datetime,
    link: Callable[[str], str],
) -> ExecutionPage:
    """Returns the page of an execution.

    Args:
        connection: The stage.
        execution: The execution.
        key: What the path has: the name, or the ARN.
        asked: What the request asks for.
        now: The time.
        link: Gives the address of a step, by its name.

    Raises:
        UnknownStep: The execution has no such step, or no such visit to it.
    """
    showing = asked.showing or ("graph" if execution.definition else "table")
    state, visit = _step(execution, asked, showing)
    running = None if execution.is_final else now
    loop = _loop(connection, execution)
    return ExecutionPage(
        name=execution.name,
        key=key,
        arn=execution.arn,
        status=execution.status,
        is_final=execution.is_final,
        started=execution.started,
        stopped=execution.stopped,
        seconds=seconds_of(execution.started, execution.stopped, running),
        redrives=execution.redrives,
        around=execution_around(connection.states, execution.map_run),
        version=execution.version and execution.version.rpartition(":")[2],
        summary=summary_of(execution),
        loop=loop,
        run_again=_run_again(connection, execution),
        link=execution.link,
        gaps=tuple(execution.gaps),
        input=execution.input,
        output=execution.output,
        states=tuple(
            StateView(name=name, status=one.status, visits=one.visits, retries=one.retries)
            for name, one in execution.figures.items()
        ),
        showing=showing,
        step=_step_view(connection, execution, state, visit, showing, now, loop),
        table=table_of(execution, asked.page, now=now) if showing == "table" else None,
        events=events_of(execution, asked.page, visit) if showing == "events" else None,
        legend=tuple(status for status in StateStatus if status in execution.statuses.values()),
        graph=_graph(execution, state, link) if showing == "graph" else "",
    )


def _graph(execution: ExecutionView, state: str | None, link: Callable[[str], str]) -> str:
    if not execution.definition:
        return ""
    return embedded_svg(execution.definition, execution.figures, link=link, selected=state)


def _step(execution: ExecutionView, asked: Asked, showing: Shown) -> tuple[str | None, Visit | None]:
    if asked.state is not None:
        return asked.state, find_visit(execution, asked.state, asked.visit)
    # A table and a list of events show all steps, unless one is asked for.
    first = subject(execution) if showing == "graph" else None
    return (None, None) if first is None else (first.state, first)


def _step_view(
    connection: Connection,
    execution: ExecutionView,
    state: str | None,
    visit: Visit | None,
    showing: Shown,
    now: datetime,
    loop: LoopView | None,
) -> StepView | None:
    if state is None or showing == "events":
        return None
    logs = logs_of(connection, execution, visit, loop.name if loop else None)
    map_run = map_run_of(connection.states, visit, now=now)
    return step_view(execution, state, visit, now=now, logs=logs, map_run=map_run)


def _loop(connection: Connection, execution: ExecutionView) -> LoopView | None:
    """Returns the human loop that the event is about. Other state machines can have such an event as their input."""
    if execution.machine != connection.resources.state_machine_arn:
        return None
    detail = detail_of(parsed(execution.input)) if execution.input else {}
    name, created, change = (detail.get(key) for key in ("humanLoopName", "creationTime", "humanLoopStatus"))
    if not isinstance(name, str) or not name:
        return None
    change = change if isinstance(change, str) else ""
    try:
        loop = connection.loops.ledger.find_loop(name, created if isinstance(created, str) else "")
    except (BotoCoreError, ClientError, UnreadableRow):
        loop = None  # The page of the loop says why.
    if loop is None:
        return LoopView(name=name, change=change)
    return LoopView(name=loop.human_loop_name, change=change, outcome=loop.outcome)


def _run_again(connection: Connection, execution: ExecutionView) -> RunAgainView | None:
    """Returns whether an execution of the stage's workflow that failed can run again."""
    if execution.status not in FAILED_STATUSES or execution.machine != connection.resources.state_machine_arn:
        return None
    try:
        connection.loops.check_redrive_execution(execution.arn)
    except (AfterloopError, UnreadableRow) as error:
        return RunAgainView(possible=False, why_not=str(error))
    except (BotoCoreError, ClientError) as error:
        return RunAgainView(possible=False, why_not=str(in_words(error) or error))
    stage = connection.resources.stage
    command = f"python deploy.py loops redrive --execution {quoted(execution.arn)} --stage {stage}"
    return RunAgainView(possible=True, command=command)
