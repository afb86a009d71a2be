"""Histories as Step Functions returns them, written event by event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow.operations.executions import Visit, visits_of

__all__ = ["START", "History"]

START = datetime(2026, 3, 4, 12, tzinfo=UTC)


class History:
    """Events with ids, links and times: one second after the other.

    Each method returns the id of its event. `after` is the event that it links to: by default, the one before.
    """

    def __init__(self, definition: dict[str, Any] | None = None, **details: Any) -> None:
        self.definition = definition or {}
        self.events: list[dict[str, Any]] = []
        self.add("ExecutionStarted", after=0, **{"input": "{}", **details})

    def add(self, kind: str, *, after: int | None = None, **details: Any) -> int:
        number = len(self.events) + 1
        event = {
            "id": number,
            "previousEventId": number - 1 if after is None else after,
            "type": kind,
            "timestamp": START + timedelta(seconds=number - 1),
        }
        if details:
            event[f"{kind[0].lower()}{kind[1:]}EventDetails"] = details
        self.events.append(event)
        return number

    def entered(self, name: str, kind: str = "Task", *, after: int | None = None, given: Any = None) -> int:
        number = self.add(f"{kind}StateEntered", after=after)
        self.events[-1]["stateEnteredEventDetails"] = {"name": name, "input": json.dumps(given or {})}
        return number

    def left(
        self, name: str, kind: str = "Task", *, after: int | None = None, output: Any = None, **more: Any
    ) -> int:
        number = self.add(f"{kind}StateExited", after=after)
        details = {"name": name, "output": json.dumps(output or {}), **more}
        self.events[-1]["stateExitedEventDetails"] = details
        return number

    def tried(self, error: str = "", *, after: int | None = None, kind: str = "", **output: Any) -> int:
        """An attempt of a task that calls a function."""
        names = {"resourceType": "lambda", "resource": "invoke"}
        parameters = json.dumps({"FunctionName": "tell"})
        self.add("TaskScheduled", after=after, **names, region="us-east-1", parameters=parameters)
        self.add("TaskStarted", **names)
        if error:
            return self.add(kind or "TaskFailed", **names, error=error, cause="why")
        return self.add("TaskSucceeded", **names, output=json.dumps(output))

    def passed(self, name: str, *, after: int | None = None) -> int:
        self.entered(name, "Pass", after=after)
        return self.left(name, "Pass")

    @property
    def visits(self) -> list[Visit]:
        return visits_of(self.events, self.definition)

    def __str__(self) -> str:
        return " → ".join(map(str, self.visits))
