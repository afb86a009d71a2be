"""What TestState is asked to do: the state, the mock, and what AWS refuses."""

from __future__ import annotations

import json
from typing import Any

from sandbox.ministack_patches.mocked_results import problem_of_result
from sandbox.ministack_patches.payloads import MAX_BYTES
from workflow.asl.walk import states

__all__ = ["RefusedTrial", "check", "read_json", "state_of"]

_WITH_MOCK = ("Task", "Map", "Parallel")
_TYPES = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")
_IN_CONTEXT = ("Execution", "State", "StateMachine", "Task")


class RefusedTrial(Exception):
    """AWS would refuse the request. The text is its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_json(text: Any, code: str, message: str) -> Any:
    """Reads a value of the request.

    Raises:
        RefusedTrial: It is not JSON.
    """
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise RefusedTrial(code, message) from error


def state_of(data: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Returns the name and the definition of the state, and the query language of its state machine.

    A state of a Map or Parallel is found by its name, too. (As answers of AWS that LocalStack's tests have recorded:
    https://github.com/localstack/localstack/tree/main/tests/aws/services/stepfunctions/v2/test_state)
    """
    definition = read_json(data.get("definition"), "InvalidDefinition", "Invalid JSON in definition")
    if not isinstance(definition, dict):
        raise RefusedTrial("InvalidDefinition", "The definition is not a JSON object")
    name, state = str(data.get("stateName") or "StateName"), definition
    if "States" in definition:
        name = str(data.get("stateName") or definition.get("StartAt"))
        found = dict(states(definition)).get(name)
        if found is None:
            raise RefusedTrial("ValidationException", "State not found in definition")
        state = found
    if state.get("Type") not in _TYPES:
        allowed = ", ".join(_TYPES)
        problem = f"The field 'Type' should have one of these values: [{allowed}] at /States/{name}/Type"
        message = f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {problem}'"
        raise RefusedTrial("InvalidDefinition", message)
    return name, state, definition.get("QueryLanguage", "JSONPath")


def check(
    data: dict[str, Any], state: dict[str, Any], mock: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Raises RefusedTrial if a state is not tested with, or without, such a mock."""
    kind = state["Type"]
    for name in ("input", "variables", "context"):
        if len(str(data.get(name, "")).encode()) > MAX_BYTES:
            problem = f"Value at '{name}' failed to satisfy constraint: Member must have length less than or equal to"
            raise RefusedTrial("ValidationException", f"1 validation error detected: {problem} {MAX_BYTES}")
    invalid: list[tuple[bool, str]] = [
        (
            bool(mock) and kind not in _WITH_MOCK,
            f"State type '{kind}' is not supported when a mock is specified",
        ),
        (
            "result" in mock and "errorOutput" in mock,
            "A test mock should have only one of the following fields: [result, errorOutput].",
        ),
        (
            bool(mock) and bool(data.get("revealSecrets")),
            "TestState does not support RevealSecrets when a mock is specified.",
        ),
        (
            not mock and "mapIterationFailureCount" in settings,
            "TestState does not support MapIterationFailureCount when a mock is not specified.",
        ),
        (
            not mock and "context" in data,
            "TestState does not support Context when a mock is not specified.",
        ),
        (
            not mock and kind == "Task" and not data.get("roleArn"),
            "TestState needs a RoleArn to test a Task without a mock.",
        ),
    ]
    for wrong, message in invalid:
        if wrong:
            raise RefusedTrial("ValidationException", message)
    if not mock and kind in ("Map", "Parallel"):
        raise RefusedTrial(
            "InvalidDefinition",
            "TestState API does not support Map or Parallel states. Supported state types include: "
            "[Task, Wait, Pass, Succeed, Fail, Choice]",
        )
    resource = state.get("Resource", "")
    if (
        not mock
        and kind == "Task"
        and any(how in resource for how in (".sync", ".waitForTaskToken", ":activity:"))
    ):
        raise RefusedTrial("InvalidDefinition", f"TestState needs a mock to test the resource {resource}")
    if "context" in data:
        _check_context(data["context"], resource)
    if "result" in mock:
        _check_result(state, mock, settings)


def _check_context(text: Any, resource: str) -> None:
    context = read_json(text or "{}", "ValidationException", "Invalid JSON in context")
    message = None
    if "Map" in context:
        message = "'Map' field is not supported when mocking a Context object"
    elif other := [name for name in context if name not in _IN_CONTEXT]:
        message = f"Field '{other[0]}' is not allowed"
    elif "Task" in context and ".sync" not in resource and ".waitForTaskToken" not in resource:
        message = (
            "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken'"
            " service integration pattern"
        )
    if message is not None:
        raise RefusedTrial("ValidationException", f"Invalid Context object provided: {message}")


def _check_result(state: dict[str, Any], mock: dict[str, Any], settings: dict[str, Any]) -> None:
    result = read_json(mock["result"], "ValidationException", "Mocked result must be valid JSON")
    message = None
    if state["Type"] == "Map" and "ResultWriter" in state:
        message = None if isinstance(result, dict) else "Mocked result must be a JSON object."
    elif state["Type"] in ("Map", "Parallel") and not isinstance(result, list):
        message = "Mocked result must be an array."
    elif state["Type"] == "Parallel" and len(result) != len(state.get("Branches", [])):
        message = "Mocked result must contain the same number of items as number of Parallel branches."
    elif settings.get("mapIterationFailureCount", 0) > len(result if isinstance(result, list) else ()):
        message = "Map iteration failure count must be less than or equal to the number of Map iterations"
    elif state["Type"] == "Task":
        message = problem_of_result(state["Resource"], result, mock.get("fieldValidationMode", "STRICT"))
    if message is not None:
        raise RefusedTrial("ValidationException", message)
