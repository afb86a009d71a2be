"""Draws the last execution of a human loop: the state machine, with the status of each state.

python -m docs.examples.execution_graph message-1 --stage dev --file message-1.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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

    def __str__(self) -> str:
        if self.status is StateStatus.RUNNING:
            return f"{self.state} (running)"
        return f"{self.state} (failed: {self.error})" if self.error else self.state


def visits(events: Iterable[Mapping[str, Any]]) -> list[Visit]:
    """The states that an execution entered, in order.

    Args:
        events: The whole history, oldest event first:
            https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """
    errors: dict[int, str] = {}
    visited: list[Visit] = []
    inside: list[Visit] = []
    for event in events:
        errors[event["id"]] = error = _error_of(event)
        if "stateEnteredEventDetails" in event:
            visit = Visit(event["stateEnteredEventDetails"]["name"])
            visited.append(visit)
            if event["type"] == "FailStateEntered":
                visit.status = StateStatus.FAILED  # A Fail state has no exit event.
            else:
                inside.append(visit)
        elif "stateExitedEventDetails" in event:
            name = event["stateExitedEventDetails"]["name"]
            visit = next(visit for visit in inside if visit.state == name)
            inside.remove(visit)
            # A state that catches an error is exited normally, right after the error. The local engine sends no
            # previousEventId.
            visit.error = errors[event.get("previousEventId") or event["id"] - 1]
            visit.status = StateStatus.CAUGHT if visit.error else StateStatus.PASSED
        elif event["type"] == "ExecutionRedriven":
            for visit in inside:
                visit.status, visit.error = StateStatus.RUNNING, ""
        elif event["type"] in ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"):
            for visit in inside:
                visit.status, visit.error = StateStatus.FAILED, error
    return visited


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
