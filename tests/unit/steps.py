"""Runs steps of the state machine in this process: DynamoDB calls on moto's tables, functions as Python callables.

Only what the claim's steps use. Everything else of the machine is tested on the engine.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from jsonata import Jsonata  # type: ignore[import-untyped]

from workflow.machine import build_definition

__all__ = ["Run", "Steps"]

NOW = "2026-03-04T06:00:00.000Z"


@functools.cache
def _states() -> Any:
    return build_definition()["States"]


@functools.cache
def _program(expression: str) -> Any:
    return Jsonata(expression)


@dataclass
class Run:
    """One execution: the names of the states it entered, its data, and its variables."""

    execution: str
    data: Any
    states: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """The cause of the error that a Catch added."""
        return str(self.data["failure"]["Cause"])


class _Failed(Exception):
    def __init__(self, name: str, cause: str) -> None:
        super().__init__(name, cause)
        self.name, self.cause = name, cause


class Steps:
    """The steps of the machine.

    Args:
        dynamodb: The client for the ledger's table.
        table: The ledger's table.
        functions: The functions that steps may run, by name. An exception is the error of its class's name.
    """

    def __init__(
        self, dynamodb: Any, table: str, functions: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> None:
        self._dynamodb, self._table, self._functions = dynamodb, table, functions or {}
        self._states = _states()

    def run(
        self,
        event: Any,
        execution: str,
        *,
        first: str = "Claim status change",
        until: Sequence[str] = ("Route by status", "Escalate unclaimed event", "Escalate"),
        before: Callable[[str], object] = lambda state: None,
        run: Run | None = None,
    ) -> Run:
        """Runs steps until one of the given states, or a state without a next one, is entered.

        Args:
            event: The execution's input.
            execution: The execution's ARN.
            first: The first step.
            until: States that are entered, and not run.
            before: Called with the name of each state before it runs.
            run: The execution so far, to continue it.
        """
        run = run or Run(execution, event)
        name: str | None = first
        while name:
            run.states.append(name)
            if name in until:
                break
            before(name)
            name = self._step(self._states[name], run, event)
        return run

    def assigned(self, state: str, event: Any, result: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the variables that a state sets, for a result of its call."""
        run = Run("arn:e", event, variables=dict(variables))
        values = {"input": event, "result": result, "context": {"Execution": {"Id": run.execution}}}
        return dict(self._filled(self._states[state]["Assign"], values, run))

    def _step(self, state: Mapping[str, Any], run: Run, event: Any) -> str | None:
        values = {
            "input": run.data,
            "context": {
                "Execution": {"Id": run.execution, "Input": event},
                "State": {"EnteredTime": NOW},
            },
        }
        following = state.get("Next")
        template = state
        try:
            if state["Type"] == "Task":
                arguments = self._filled(state["Arguments"], values, run)
                values["result"] = self._call(state["Resource"], arguments)
            elif state["Type"] == "Choice":
                following, template = state["Default"], {}
                for rule in state["Choices"]:
                    if self._filled(rule["Condition"], values, run):
                        following, template = rule["Next"], rule
                        break
            output = self._filled(template["Output"], values, run) if "Output" in template else run.data
            assigned = self._filled(template.get("Assign", {}), values, run)
        except _Failed as error:
            values["errorOutput"] = {"Error": error.name, "Cause": error.cause}
            for rule in state["Catch"]:
                if set(rule["ErrorEquals"]) & {error.name, "States.ALL"}:
                    output = self._filled(rule["Output"], values, run)
                    assigned = self._filled(rule.get("Assign", {}), values, run)
                    following = rule["Next"]
                    break
        run.data = json.loads(json.dumps(output))
        run.variables.update(assigned)
        return following

    def _call(self, resource: str, arguments: Any) -> Any:
        service, _, operation = resource.rpartition(":::")[2].partition(":")
        if service == "lambda":
            try:
                return {"Payload": self._functions[arguments["FunctionName"]](arguments["Payload"])}
            except Exception as error:
                raise _Failed(type(error).__name__, json.dumps({"errorMessage": str(error)})) from error
        method = {"updateItem": "update_item", "getItem": "get_item"}[operation]
        try:
            answer = getattr(self._dynamodb, method)(**{**arguments, "TableName": self._table})
        except ClientError as error:
            details = error.response["Error"]
            raise _Failed(f"DynamoDB.{details['Code']}", details.get("Message", "")) from error
        answer.pop("ResponseMetadata")
        return answer

    def _filled(self, template: Any, values: Any, run: Run) -> Any:
        if isinstance(template, dict):
            return {name: self._filled(member, values, run) for name, member in template.items()}
        if isinstance(template, list):
            return [self._filled(member, values, run) for member in template]
        expression = re.fullmatch(r"\{% (.*) %\}", template, re.DOTALL) if isinstance(template, str) else None
        if expression is None:
            return template
        try:
            return _program(expression[1]).evaluate(None, {**run.variables, "states": values})
        except Exception as error:
            raise _Failed("States.QueryEvaluationError", str(error)) from error
