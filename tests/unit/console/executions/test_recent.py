"""The executions that were shown last."""

from __future__ import annotations

from typing import Any

import pytest

from console.executions import recent
from console.executions.recent import RecentExecutions
from tests.unit.console.executions.executions import execution_of, mapped
from workflow.operations.executions import ExecutionView


def test_execution_is_read_again_from_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[ExecutionView | None] = []
    execution = execution_of(mapped(1))

    def read(states: Any, arn: str, before: ExecutionView | None) -> ExecutionView:
        known.append(before)
        return execution

    monkeypatch.setattr(recent, "read_execution", read)
    executions = RecentExecutions(None)
    executions.read("a")
    executions.read("a")
    assert known == [None, execution]


def test_executions_with_too_many_events_are_dropped_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, bool] = {}
    execution = execution_of(mapped(2))

    def read(states: Any, arn: str, before: ExecutionView | None) -> ExecutionView:
        known[arn] = before is not None
        return execution

    monkeypatch.setattr(recent, "read_execution", read)
    monkeypatch.setattr(recent, "MAX_EVENTS", 2 * len(execution.events))
    executions = RecentExecutions(None)
    for arn in "abacabc":
        executions.read(arn)
    assert known == {"a": True, "b": False, "c": False}
