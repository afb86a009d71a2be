"""A client of Step Functions that knows some executions. Unlike a Stubber, several threads can use it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.unit.workflow.operations.executions.histories import START, History

__all__ = ["Executions"]


class Executions:
    """The executions by ARN.

    Attributes:
        calls: How often each operation was called.
        refused: The code of the error for an execution, by its ARN.
    """

    meta = SimpleNamespace(endpoint_url="http://127.0.0.1:4566", region_name="us-east-1")

    def __init__(self, definition: Mapping[str, Any] | None = None) -> None:
        self._definition = definition or {}
        self._known: dict[str, tuple[dict[str, Any], History]] = {}
        self.calls: Counter[str] = Counter()
        self.refused: dict[str, str] = {}

    def add(self, arn: str, status: str, history: History | None = None, **more: Any) -> None:
        """Adds an execution, or replaces it."""
        found = {
            "executionArn": arn,
            "stateMachineArn": arn.replace(":execution:", ":stateMachine:").rpartition(":")[0],
            "name": arn.rpartition(":")[2],
            "status": status,
            "startDate": START,
        }
        self._known[arn] = ({**found, **more}, history or History())

    def list_executions(self, **given: Any) -> dict[str, Any]:
        """The newest first: the last that was added."""
        self.calls["ListExecutions"] += 1
        assert all(one["stateMachineArn"] == given["stateMachineArn"] for one, _ in self._known.values())
        return {"executions": [one for one, _ in reversed(self._known.values())][: given["maxResults"]]}

    def describe_execution(self, **given: Any) -> dict[str, Any]:
        return self._find("DescribeExecution", given["executionArn"])[0]

    def describe_state_machine_for_execution(self, **given: Any) -> dict[str, Any]:
        self._find("DescribeStateMachineForExecution", given["executionArn"])
        return {"definition": json.dumps(self._definition)}

    def get_paginator(self, name: str) -> Any:
        assert name == "get_execution_history"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, **given: Any) -> list[dict[str, Any]]:
        events = self._find("GetExecutionHistory", given["executionArn"])[1].events
        return [{"events": events[::-1] if given.get("reverseOrder") else list(events)}]

    def _find(self, operation: str, arn: str) -> tuple[dict[str, Any], History]:
        self.calls[operation] += 1
        if arn in self.refused or arn not in self._known:
            raise ClientError({"Error": {"Code": self.refused.get(arn, "ExecutionDoesNotExist")}}, operation)
        return self._known[arn]
