"""Draws what became of a human loop: the machine that ran, green where its execution passed, red where it failed.

python -m docs.examples.execution_graph message-1 --stage dev --file message-1.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from xml.sax import saxutils

import boto3

from lambdas.ledger import Ledger
from workflow.errors import AfterloopError
from workflow.graph import svg
from workflow.operations.stage_resources import StageResources


def main() -> int:
    """Reads the command line, draws, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.examples.execution_graph", description=__doc__)
    parser.add_argument("name", help="of the human loop")
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--file", type=Path, default=Path("execution.svg"))
    options = parser.parse_args()
    try:
        execution = last_execution(options.name, options.stage)
    except AfterloopError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    states = boto3.client("stepfunctions")
    passed, failed = ways(states, execution)
    machine = states.describe_state_machine_for_execution(executionArn=execution)["definition"]
    options.file.write_text(coloured(svg(json.loads(machine)), passed, failed), encoding="utf-8")
    sys.stdout.write(" → ".join(passed) + f"\n{options.file}\n")
    return 0


def last_execution(human_loop_name: str, stage: str) -> str:
    """ARN of the last execution that worked on a loop, as the stage's ledger has it.

    Raises:
        AfterloopError: The stage is not published, or no execution has worked on the loop.
    """
    session = boto3.Session()
    table = StageResources.find(stage, session).ledger_table
    row = Ledger(session.client("dynamodb"), table).find(human_loop_name)
    if row is None or row.execution is None:
        raise AfterloopError(f"no execution of stage {stage} has worked on {human_loop_name}")
    return row.execution


def ways(states: Any, execution: str) -> tuple[list[str], list[str]]:
    """The states that an execution left, in order, and those that it entered and did not leave."""
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    entered, left = [], []
    for event in (event for page in pages for event in page["events"]):
        if "stateEnteredEventDetails" in event:
            entered.append(event["stateEnteredEventDetails"]["name"])
        elif "stateExitedEventDetails" in event:
            left.append(event["stateExitedEventDetails"]["name"])
    return left, [name for name in entered if name not in left]


def coloured(picture: str, passed: list[str], failed: list[str]) -> str:
    """A picture of the machine in which these states stand out."""
    rules = [_rule(name, "#bbf7d0", "#15803d") for name in passed]
    rules += [_rule(name, "#fecaca", "#b91c1c") for name in failed]
    return picture.replace("</style>", "".join(rules) + "</style>", 1)


def _rule(name: str, fill: str, stroke: str) -> str:
    selector = f".state[data-state={json.dumps(name, ensure_ascii=False)}]>.shape"
    return saxutils.escape(f"{selector}{{fill:{fill};stroke:{stroke};stroke-width:3}}")


if __name__ == "__main__":
    sys.exit(main())
