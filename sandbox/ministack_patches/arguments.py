"""Which arguments of a call Step Functions and the service accept, where no service of the engine checks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.integration_names import SDK, operation_of, sdk_error_name
from sandbox.protocol import ServiceError, operation, service_model
from workflow.asl.checks.calls import problems_of_call

__all__ = ["check"]


def check(resource: str, parameters: Any) -> None:
    """Checks the arguments of a task by the service's model.

    AWS: a call with an unknown field, without a required one, or with a value of the wrong type is not made: the
    execution fails with States.Runtime. Values that the service refuses are an error of the service.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)

    Args:
        resource: The Resource of the task.
        parameters: The arguments, with all paths and expressions evaluated.

    Raises:
        stepfunctions._ExecutionError: The call would be refused.
    """
    from ministack.services import stepfunctions

    state = {"Type": "Task", "Resource": resource, "Parameters": parameters}
    problems = [problem.partition(" ")[2] for problem in problems_of_call(state)]
    if problems:
        text = json.dumps(parameters)
        message = f"The Parameters '{text}' could not be used to start the Task: [{'; '.join(problems)}]"
        raise stepfunctions._ExecutionError("States.Runtime", message)
    # Optimized integrations convert some values: JSON becomes text.
    if SDK in resource and (error := _refused(resource, parameters)):
        raise stepfunctions._ExecutionError(*error)


def _refused(resource: str, parameters: Any) -> tuple[str, str] | None:
    """Returns the error for values that the service does not accept."""
    called = operation_of(resource)
    if called is None or not isinstance(parameters, Mapping):
        return None
    try:
        shape = service_model(called[0]).operation_model(called[1]).input_shape
        if shape is not None:
            operation(*called).read(_as_boto_names(shape, parameters))
    except ServiceError as error:
        service = resource.partition(SDK)[2].partition(":")[0]
        return sdk_error_name(service, error.code), error.message
    return None


def _as_boto_names(shape: Any, value: Any) -> Any:
    """Returns a value with boto3's names, which differ in case from those of Step Functions, and with other blobs."""
    if shape.type_name == "blob":
        return b"-"  # Blobs may not be empty.
    if shape.type_name == "structure" and isinstance(value, Mapping):
        names = {name.lower(): name for name in shape.members}
        named = {names.get(key.lower(), key): item for key, item in value.items()}
        return {
            key: _as_boto_names(shape.members[key], item) if key in shape.members else item
            for key, item in named.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_as_boto_names(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _as_boto_names(shape.value, item) for key, item in value.items()}
    return value
