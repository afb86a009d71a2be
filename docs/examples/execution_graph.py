"""Draws the last execution of a human loop: the state machine, with the status of each state.

python -m docs.examples.execution_graph message-1 --stage dev --file message-1.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from lambdas.loops.ledger import Ledger
from workflow.asl.graph import StateStatus, svg
from workflow.errors import AfterloopError
from workflow.operations.stage_resources import StageResources


def main() -> int:
    """Reads the command line, draws, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.examples.execution_graph", description=__doc__)
    parser.add_argument("name", help="name of the human loop")
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--file", type=Path, default=Path("execution.svg"))
    options = parser.parse_args()
    try:
        execution = last_execution(options.name, options.stage)
    except AfterloopError as error:
        return _error(str(error))
    states = boto3.client("stepfunctions")
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    visited = visits(event for page in pages for event in page["events"])
    machine = json.loads(states.describe_state_machine_for_execution(executionArn=execution)["definition"])
    try:
        options.file.write_text(svg(machine, worst(visited)), encoding="utf-8")
    except OSError as error:
        return _error(f"{options.file} cannot be written: {error.strerror}")
    sys.stdout.write(" → ".join(map(str, visited)) + f"\n{options.file}\n")
    return 0


def _error(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1


def last_execution(human_loop_name: str, stage: str) -> str:
    """The ARN of the last execution that processed a loop, from the stage's ledger.

    Raises:
        AfterloopError: The stage is not published, or no execution has processed the loop.
    """
    session = boto3.Session()
    table = StageResources.find(stage, session).ledger_table
    row = Ledger(session.client("dynamodb"), table).find(human_loop_name)
    if row is None or row.execution is None:
        raise AfterloopError(f"no execution of stage {stage} has processed {human_loop_name}")
    return row.execution


@dataclass
class Visit:
    """One visit of an execution to a state: the state's status, and its error if it failed."""

    state: str
    status: StateStatus = StateStatus.RUNNING
    error: str = ""
    outer: Visit | None = field(default=None, compare=False, repr=False)
    """The visit to the Parallel or Map that the state is in."""

    def __str__(self) -> str:
        if self.status is StateStatus.RUNNING:
            return f"{self.state} (running)"
        return f"{self.state} (failed: {self.error})" if self.error else self.state

    def is_in(self, other: Visit) -> bool:
        """Whether the state is in another, at any depth."""
        return self.outer is not None and (self.outer is other or self.outer.is_in(other))


def visits(events: Iterable[Mapping[str, Any]]) -> list[Visit]:
    """The states that an execution entered, in order.

    Args:
        events: The whole history, oldest event first:
            https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """
    history = _History()
    for event in events:
        history.add(event)
    return history.visited


class _History:
    """The visits so far. The links between events tell concurrent branches apart."""

    def __init__(self) -> None:
        self.visited: list[Visit] = []
        self._inside: list[Visit] = []
        self._types = {0: ""}
        self._errors = {0: ""}
        # Event → the visit that it is about. After an exit, the visit to the state around.
        self._about: dict[int, Visit | None] = {0: None}

    def add(self, event: Mapping[str, Any]) -> None:
        number, kind, link = event["id"], event["type"], event["previousEventId"]
        self._types[number] = kind
        self._errors[number] = _error_of(event)
        about = self._about.get(link)
        if kind in ("ParallelStateStarted", "MapStateStarted", "ParallelStateFailed", "MapStateFailed"):
            # Linked to the entry of the state, or to the last event in one of its branches.
            entered = self._types[link] == f"{_family(kind)}StateEntered"
            about = about if entered or about is None else about.outer
            if about is not None:
                self._abort_in(about)
                about.error = self._errors[number]
        elif "stateEnteredEventDetails" in event:
            about = Visit(event["stateEnteredEventDetails"]["name"], outer=about)
            self.visited.append(about)
            if kind == "FailStateEntered":
                about.status = StateStatus.FAILED  # A Fail state has no exit event.
            else:
                self._inside.append(about)
        elif "stateExitedEventDetails" in event:
            about = self._leave(event["stateExitedEventDetails"]["name"], link).outer
        elif kind == "ExecutionRedriven":
            for visit in self._inside:
                visit.status, visit.error = StateStatus.RUNNING, ""
        elif kind in ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"):
            for visit in self._inside:
                visit.status, visit.error = StateStatus.FAILED, self._errors[number]
        elif about is not None and not kind.startswith("MapIteration") and not kind.endswith("Aborted"):
            about.error = self._errors[number]
        self._about[number] = about

    def _leave(self, name: str, link: int) -> Visit:
        visit = self._about.get(link)
        while visit is not None and visit.state != name:
            visit = visit.outer
        if visit is None:  # The first event of a branch after a redrive links to the redrive.
            visit = next(one for one in self._inside if one.state == name)
        self._inside.remove(visit)
        self._abort_in(visit)
        # A state that catches an error is exited normally, right after the error.
        visit.error = self._errors[link]
        visit.status = StateStatus.CAUGHT if visit.error else StateStatus.PASSED
        return visit

    def _abort_in(self, outer: Visit) -> None:
        """Ends the visits in a state that has ended or starts again. Without an exit event, they failed."""
        for visit in [one for one in self._inside if one.is_in(outer)]:
            self._inside.remove(visit)
            visit.status = StateStatus.FAILED
            visit.error = visit.error or "aborted"


def _family(kind: str) -> str:
    return "Parallel" if kind.startswith("Parallel") else "Map"


def _error_of(event: Mapping[str, Any]) -> str:
    """The name of the error in an event; empty if there is none."""
    if not event["type"].endswith(("Failed", "TimedOut", "Aborted")):
        return ""
    details: Mapping[str, Any] = next(
        (value for key, value in event.items() if key.endswith("EventDetails")), {}
    )
    return str(details.get("error") or event["type"])


def worst(visited: Sequence[Visit]) -> dict[str, StateStatus]:
    """The status of each state: the worst one if the execution entered the state several times."""
    severity = [StateStatus.PASSED, StateStatus.CAUGHT, StateStatus.RUNNING, StateStatus.FAILED]
    return {
        visit.state: visit.status for visit in sorted(visited, key=lambda visit: severity.index(visit.status))
    }


if __name__ == "__main__":
    sys.exit(main())
