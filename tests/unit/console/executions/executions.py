"""Executions of which a test writes the history, event by event."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from lambdas.loops.loop import Loop
from tests.unit.workflow.operations.executions.histories import START, History
from workflow.operations.executions import ExecutionView, figures_of, visits_of
from workflow.operations.redriving import Redrive
from workflow.operations.stage_loops import LoopError

__all__ = [
    "ARN",
    "MACHINE",
    "NOW",
    "START",
    "History",
    "LogSession",
    "OneExecution",
    "StageLoopsDouble",
    "execution_of",
    "mapped",
]

MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:afterloop-dev"
NOW = START + timedelta(minutes=1)


class LogSession:
    """A session whose CloudWatch Logs answers each search in the same way.

    Args:
        search: Returns the response of FilterLogEvents, or raises an error.
    """

    def __init__(self, search: Callable[..., dict[str, Any]]) -> None:
        self._client = SimpleNamespace(filter_log_events=search)

    def client(self, *_: Any, **__: Any) -> Any:
        return self._client


ARN = f"{MACHINE.replace(':stateMachine:', ':execution:')}:one"
EVENT = {
    "detail": {
        "humanLoopName": "order 1",
        "creationTime": "2026-03-04T05:06:07Z",
        "humanLoopStatus": "Completed",
    }
}


@dataclass
class OneExecution:
    """Step Functions with one execution."""

    history: History
    status: str = "SUCCEEDED"
    arn: str = ARN
    more: dict[str, Any] = field(default_factory=dict)
    meta: Any = field(
        default_factory=lambda: SimpleNamespace(
            endpoint_url="https://states.eu-west-1.amazonaws.com", region_name="eu-west-1"
        )
    )

    def describe_execution(self, **call: str) -> dict[str, Any]:
        if call["executionArn"] != self.arn:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        found = {
            "executionArn": self.arn,
            "name": self.arn.rpartition(":")[2],
            "stateMachineArn": MACHINE,
            "status": self.status,
            "startDate": START,
            "input": json.dumps(EVENT),
        }
        if self.status != "RUNNING":
            found["stopDate"] = self.history.events[-1]["timestamp"]
        return found | self.more

    def describe_state_machine_for_execution(self, **_: str) -> dict[str, Any]:
        return {"definition": json.dumps(self.history.definition)}

    def get_paginator(self, _: str) -> Any:
        def paginate(**how: Any) -> list[dict[str, Any]]:
            order = -1 if how.get("reverseOrder") else 1
            return [{"events": self.history.events[::order]}]

        return SimpleNamespace(paginate=paginate)

    def describe_map_run(self, **_: str) -> dict[str, Any]:
        return {"executionArn": self.arn, "status": "FAILED", "executionCounts": {"failed": 1}}

    def list_executions(self, **_: Any) -> dict[str, Any]:
        item = {"executionArn": f"{ARN}/each:a", "name": "item a", "status": "FAILED", "startDate": START}
        return {"executions": [item]}


@dataclass
class StageLoopsDouble:
    """The loops of the stage, as far as the page needs them."""

    loop: Loop | None = None
    refusal: str = ""
    error: Exception | None = None
    """What reading the ledger raises."""
    redriven: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Any:
        return SimpleNamespace(find_loop=self._find)

    def _find(self, name: str, created: str) -> Loop | None:
        if self.error:
            raise self.error
        return self.loop

    def check_redrive_execution(self, arn: str) -> None:
        if self.error:
            raise self.error
        if self.refusal:
            raise LoopError(self.refusal)

    def redrive_execution(self, arn: str) -> Redrive:
        self.check_redrive_execution(arn)
        self.redriven.append(arn)
        return Redrive("order 1", "claim", f"{ARN}-again", arn)


def execution_of(history: History, status: str = "SUCCEEDED", **more: Any) -> ExecutionView:
    """Returns the execution that a history is of."""
    visits = visits_of(history.events, history.definition)
    ended = None if status in ("RUNNING", "PENDING_REDRIVE") else history.events[-1]["timestamp"]
    return ExecutionView(
        arn=f"{MACHINE.replace(':stateMachine:', ':execution:')}:one",
        name="one",
        machine=MACHINE,
        status=status,
        started=START,
        stopped=ended,
        definition=history.definition,
        events=history.events,
        visits=visits,
        figures=figures_of(history.definition, visits),
        **more,
    )


def mapped(items: int, failed: tuple[int, ...] = ()) -> History:
    """Returns the history of a Map named `Each` with a Pass `Look` for each item, or a Fail `Refuse`."""
    inner = {"Look": {"Type": "Pass", "End": True}, "Refuse": {"Type": "Fail"}}
    each = {"Type": "Map", "ItemProcessor": {"StartAt": "Look", "States": inner}, "End": True}
    history = History({"StartAt": "Each", "States": {"Each": each}})
    history.entered("Each", "Map")
    start = history.add("MapStateStarted", length=items)
    for index in range(items):
        begin = history.add("MapIterationStarted", after=start, name="Each", index=index)
        history.events[begin - 1]["mapIterationStartedEventDetails"] = {"name": "Each", "index": index}
        if index in failed:
            history.entered("Refuse", "Fail")
            history.add("MapIterationFailed")
            history.events[-1]["mapIterationFailedEventDetails"] = {"name": "Each", "index": index}
        else:
            history.passed("Look")
            history.add("MapIterationSucceeded")
            history.events[-1]["mapIterationSucceededEventDetails"] = {"name": "Each", "index": index}
    return history
