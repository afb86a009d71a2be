"""Executions of which a test writes the history, event by event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from tests.unit.workflow.operations.executions.histories import START, History
from workflow.operations.executions import ExecutionView, figures_of, visits_of

__all__ = ["MACHINE", "NOW", "START", "History", "LogSession", "execution_of", "mapped"]

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
