"""Definitions of state machines that Step Functions refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workflow.asl.checks.templates import problems_of_templates
from workflow.asl.checks.validator import problems_of_validator
from workflow.asl.checks.values import problems_of_values
from workflow.asl.walk import machines, states, ways

__all__ = ["correct"]


def correct() -> None:
    """Corrects the creation and update of state machines."""
    _refuse_invalid_definitions()


_MAX_CHARACTERS = 1_048_576


def _refuse_invalid_definitions() -> None:
    """Refuses a definition that is no state machine.

    AWS: CreateStateMachine and UpdateStateMachine fail with InvalidDefinition: "Invalid State Machine Definition: …". A
    stack with such a definition is rolled back.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html)
    One with more than 1,048,576 characters fails, too.
    MiniStack: checks JSONata only. An execution then fails.

    The rules are those of `statelint`, an independent validator of the Amazon States Language, and for values and keys
    that end with `.$`, those of the project's own checks.
    """
    from ministack.services import stepfunctions
    from ministack.services.cloudformation import provisioners

    validate, definition_of = stepfunctions._validate_definition_jsonata, provisioners._sfn_definition

    def validate_all(definition: Any) -> str | None:
        return _problem(definition) or validate(definition)

    def valid_definition(properties: dict[str, Any]) -> Any:
        definition = definition_of(properties)
        if problem := validate_all(definition):
            raise ValueError(f"Resource handler returned message: {problem} (InvalidRequest)")
        return definition

    stepfunctions._validate_definition_jsonata = validate_all
    provisioners._sfn_definition = valid_definition


def _problem(text: Any) -> str | None:
    """Returns the first problem of a definition, as Step Functions words it."""
    if isinstance(text, str) and len(text) > _MAX_CHARACTERS:
        return (
            "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length "
            f"less than or equal to {_MAX_CHARACTERS}"
        )
    try:
        definition = json.loads(text)
    except (TypeError, ValueError) as error:
        return _invalid(f"INVALID_JSON_DESCRIPTION: {error}")
    if not isinstance(definition, dict):
        return _invalid("INVALID_JSON_DESCRIPTION: The definition is not a JSON object")
    for field, kind in (("StartAt", str), ("States", dict)):
        if not isinstance(definition.get(field), kind) or not definition[field]:
            return _invalid(f"SCHEMA_VALIDATION_FAILED: {field} is required at /")
    for state, problem in _problems_of_states(definition):
        return _invalid(f"SCHEMA_VALIDATION_FAILED: {problem} at /States/{state}")
    for machine in machines(definition):
        targets = [
            machine["StartAt"],
            *(way.to for state in machine["States"].values() for way in ways(state)),
        ]
        for target in targets:
            if target not in machine["States"]:
                return _invalid(f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target}")
    return None


def _problems_of_states(definition: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yields what is wrong in states, each with the name of its state."""
    for state, problem, _ in problems_of_validator(definition):
        yield state, problem
    language = str(definition.get("QueryLanguage", "JSONPath"))
    for name, content in states(definition):
        for problem, severity in (*problems_of_templates(content, language), *problems_of_values(content)):
            if severity == "error":
                yield name, problem


def _invalid(problem: str) -> str:
    return f"Invalid State Machine Definition: '{problem}'"
