"""Tasks that start training jobs: `arn:aws:states:::sagemaker:createTrainingJob`, also with `.sync`."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sandbox.ministack_patches import permissions, submissions
from sandbox.ministack_patches.walks import current
from sandbox.protocol import ServiceError, operation
from sandbox.training import ENDED, in_milliseconds

__all__ = ["RESOURCE", "connect"]

RESOURCE = "arn:aws:states:::sagemaker:createTrainingJob"
_PAUSE_SECONDS = 0.05
_MANAGED = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
"""The tag that Step Functions adds to the jobs that it starts."""

_Call = Callable[[str, str, dict[str, Any]], Any]


def connect(call: _Call) -> None:
    """Starts training jobs, and waits for their end if the task says so.

    AWS: errors are named as in the SDK for Java, such as `SageMaker.ResourceInUseException`. With `.sync`, the result
    is the response of DescribeTrainingJob; a job that does not complete fails the task with States.TaskFailed, and the
    cause is that response as JSON. When the task is aborted, the job is stopped.
    (https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html)
    MiniStack: has no such integration.

    Args:
        call: Makes a call in the account and Region of the execution, in its thread.
    """
    from ministack.services import stepfunctions

    def create(resource: str, arguments: Any) -> Any:
        given = arguments if isinstance(arguments, dict) else {}
        tagged = {**given, "Tags": [*given.get("Tags", ()), _MANAGED]}
        answer = _called(call, "CreateTrainingJob", tagged)
        if not resource.endswith(".sync"):
            return answer
        submissions.note(answer)
        return _ended(call, {"TrainingJobName": given["TrainingJobName"]})

    stepfunctions._SERVICE_DISPATCH = {**stepfunctions._SERVICE_DISPATCH, RESOURCE: create}


def _called(call: _Call, name: str, parameters: dict[str, Any]) -> Any:
    """Returns the response, with times in milliseconds."""
    from ministack.services import stepfunctions

    from sandbox.ministack_patches.integrations import error_name

    try:
        answer = call("sagemaker", name, parameters)
    except permissions.NotAllowed as refused:
        raise stepfunctions._ExecutionError(error_name("SageMaker", ""), str(refused)) from refused
    except ServiceError as error:
        raise stepfunctions._ExecutionError(error_name("SageMaker", error.code), error.message) from error
    return in_milliseconds(_decoded(name, answer))


def _decoded(name: str, answer: Any) -> dict[str, Any]:
    requested = operation("sagemaker", name)
    return requested.decode_response(answer) if requested.model.output_shape is not None else {}


def _ended(call: _Call, job: dict[str, str]) -> Any:
    """Waits for the end of a job, and returns what DescribeTrainingJob says of it."""
    from ministack.services import stepfunctions

    found = current()
    assert found is not None, "only a walk waits for a job"

    context, ended = contextvars.copy_context(), threading.Event()

    def stop() -> None:
        with suppress(stepfunctions._ExecutionError):  # It may have ended by itself.
            _called(call, "StopTrainingJob", job)

    def stop_unless_ended() -> None:
        if not ended.is_set():
            # In a thread: the one that ends the execution may be the one that serves the call.
            threading.Thread(target=context.copy().run, args=(stop,), daemon=True).start()

    found[1].at_end(stop_unless_ended)
    while (described := _called(call, "DescribeTrainingJob", job))["TrainingJobStatus"] not in ENDED:
        found[1].sleep(_PAUSE_SECONDS)
    ended.set()
    if described["TrainingJobStatus"] != "Completed":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return described
