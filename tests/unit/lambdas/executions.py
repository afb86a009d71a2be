"""A double of Step Functions, for tests in which the order of the calls does not matter."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from tests.unit.lambdas.conftest import EXECUTION, MACHINE

__all__ = ["Executions"]


class ExecutionDoesNotExist(ClientError):
    """Step Functions has no such execution."""


class Executions:
    """Executions by ARN. `errors` are raised first, by operation; `calls` counts calls by operation."""

    exceptions = type("Exceptions", (), {"ExecutionDoesNotExist": ExecutionDoesNotExist})

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.errors: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()

    def add(self, status: str, arn: str = EXECUTION, **more: Any) -> None:
        """Adds an execution, or changes its status."""
        stopped = {} if status in ("RUNNING", "PENDING_REDRIVE") else {"stopDate": datetime.now(UTC)}
        self.executions[arn] = {
            "executionArn": arn,
            "stateMachineArn": MACHINE,
            "name": arn.rpartition(":")[2],
            "startDate": datetime.now(UTC),
            "status": status,
            **stopped,
            **more,
        }

    def start_execution(self, **call: str) -> dict[str, Any]:
        self._call("StartExecution")
        assert call["stateMachineArn"] == MACHINE
        arn = EXECUTION.rpartition(":")[0] + f":{call['name']}"
        self.add("RUNNING", arn, input=call["input"])
        self.events.append(json.loads(call["input"]))
        return {"executionArn": arn, "startDate": datetime.now(UTC)}

    def describe_execution(self, **call: str) -> dict[str, Any]:
        self._call("DescribeExecution")
        if call["executionArn"] not in self.executions:
            raise ExecutionDoesNotExist(_error("ExecutionDoesNotExist"), "DescribeExecution")
        return self.executions[call["executionArn"]]

    def get_execution_history(self, **call: Any) -> dict[str, Any]:
        """An empty history: the execution did not escalate."""
        self._call("GetExecutionHistory")
        return {"events": []}

    def get_paginator(self, operation: str) -> Executions:
        assert operation == "list_executions"
        return self

    def paginate(self, **call: Any) -> Iterator[dict[str, Any]]:
        """The pages of the list of executions, the newest first. A page has two."""
        assert call["stateMachineArn"] == MACHINE.rpartition(":")[0]
        of_status = [one for one in self.executions.values() if one["status"] == call["statusFilter"]]
        of_status.sort(key=lambda one: one["startDate"], reverse=True)
        for first in range(0, max(1, len(of_status)), 2):
            self._call("ListExecutions")
            yield {"executions": of_status[first : first + 2]}

    def send_task_success(self, **answer: Any) -> dict[str, Any]:
        self._call("SendTaskSuccess")
        self.answers.append(answer)
        return {}

    def send_task_failure(self, **answer: Any) -> dict[str, Any]:
        self._call("SendTaskFailure")
        self.answers.append(answer)
        return {}

    def _call(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.errors.get(operation):
            raise ClientError(_error(self.errors[operation].pop(0)), operation)


def _error(code: str) -> Any:
    return {"Error": {"Code": code, "Message": f"{code} of the double"}}
