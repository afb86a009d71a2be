"""Tasks of state machines."""

from __future__ import annotations

import json
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sandbox.ministack_patches import submissions, timeouts
from sandbox.ministack_patches.retries import with_retry_and_catch
from sandbox.ministack_patches.variables import assign
from sandbox.ministack_patches.walks import current

__all__ = ["Task", "arguments_of", "correct", "result_of"]


def correct() -> None:
    """Corrects tasks."""
    _run_tasks()


def _run_tasks() -> None:
    """Runs tasks, with their timeouts and heartbeats, and records them.

    AWS: the history names the service and the action, `sqs` and `sendMessage.waitForTaskToken`, and says when the task
    started, and that it timed out. A task whose resource is a function or an activity has events of that family. An
    error before the call, as in a path, is no failed task. A timeout can be a path or an expression. A missed heartbeat
    is recorded, and fails an execution, as States.Timeout. Each attempt has a token of its own. `Assign` works in both
    query languages.
    (https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html,
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskScheduledEventDetails.html; the order and
    the errors as in histories of AWS that LocalStack's tests have recorded)
    MiniStack: records the ARN of the integration, no starts, and each failure as TaskFailed. Timeouts are constants,
    heartbeats are ignored. A token is the same for all attempts.
    """
    from ministack.services import stepfunctions

    def execute(state: dict[str, Any], given: Any, execution: Any, context: dict[str, Any]) -> Any:
        task = Task(state, given, execution, context)
        return with_retry_and_catch(state, given, context, task.attempt)

    stepfunctions._execute_task = execute


def arguments_of(state: dict[str, Any], given: Any, context: dict[str, Any]) -> Any:
    """Returns what a task passes to its service."""
    from ministack.services import stepfunctions

    if stepfunctions._state_query_language(state, context) == "JSONata":
        return stepfunctions._apply_jsonata_arguments(state, given, context)
    effective = stepfunctions._apply_input_path(state, given, context)
    return stepfunctions._apply_parameters(state, effective, context)


def result_of(
    state: dict[str, Any], given: Any, context: dict[str, Any], result: Any
) -> tuple[Any, str | None]:
    """Returns the output of a Task, Parallel or Map, and the next state. Sets its variables.

    Args:
        state: The definition of the state.
        given: Its input.
        context: Its context object.
        result: What the service answered, or the outputs of the branches or iterations.
    """
    from ministack.services import stepfunctions

    assigned = assign(state, given, context, result)
    if stepfunctions._state_query_language(state, context) == "JSONata":
        output = stepfunctions._apply_jsonata_output(state, given, context, result=result, default=result)
    else:
        selected = stepfunctions._apply_result_selector(state, result)
        output = stepfunctions._apply_result_path(state, given, selected)
        output = stepfunctions._apply_output_path(state, output, context)
    context["variables"].update(assigned)
    return output, stepfunctions._next_or_end(state)


@dataclass
class Task:
    """A task in an execution."""

    state: dict[str, Any]
    given: Any
    execution: dict[str, Any]
    context: dict[str, Any]
    _is_open: bool = False
    """Whether the attempt was scheduled, and has not ended."""

    def attempt(self) -> tuple[Any, str | None]:
        """Returns the output and the next state.

        Raises:
            stepfunctions._ExecutionError: The attempt failed.
        """
        from ministack.services import stepfunctions

        self._is_open = False
        try:
            result = self._invoke()
        except stepfunctions._ExecutionError as error:
            if self._is_open:
                self._record_failure(error)
            raise
        return result_of(self.state, self.given, self.context, result)

    def _invoke(self) -> Any:
        from ministack.core.responses import get_region
        from ministack.services import stepfunctions

        state, resource = self.state, self.state["Resource"]
        with_token = resource.endswith(".waitForTaskToken")
        if with_token:
            self.context["Task"] = {"Token": str(uuid.uuid4())}
        arguments = arguments_of(state, self.given, self.context)
        timeout = timeouts.seconds_of("TimeoutSeconds", state, self.given, self.context)
        heartbeat = timeouts.seconds_of("HeartbeatSeconds", state, self.given, self.context)
        limits = {"timeoutInSeconds": timeout, "heartbeatInSeconds": heartbeat}
        given = json.dumps(arguments)
        called = {"resource": resource, "input": given} if self._family != "Task" else None
        scheduled = {
            **(called or {**self._names, "region": get_region(), "parameters": given}),
            **{name: value for name, value in limits.items() if value is not None},
        }
        self._record("Scheduled", scheduled)
        self._is_open = True
        self._record("Started", self._names)
        if with_token:
            token = self.context["Task"]["Token"]
            self._release_at_end(token)
            with timeouts.heartbeats(token, heartbeat), submissions.noted(self._record_submission):
                limited = {"TimeoutSeconds": timeout} if timeout is not None else {}
                result = stepfunctions._invoke_with_callback(resource, arguments, token, limited)
        elif timeout is not None and ":activity:" not in resource:
            with self._submitting():
                result = stepfunctions._invoke_resource_with_timeout(resource, arguments, timeout)
        else:
            with self._submitting():
                result = stepfunctions._invoke_resource(resource, arguments)
        self._record("Succeeded", {**self._names, "output": json.dumps(result)})
        return result

    @property
    def _family(self) -> str:
        """The beginning of the types of its events. Older kinds of tasks name a function or an activity themselves."""
        resource = self.state["Resource"]
        if ":function:" in resource:
            return "LambdaFunction"
        return "Activity" if ":activity:" in resource else "Task"

    def _submitting(self) -> AbstractContextManager[None]:
        if ".sync" not in self.state["Resource"]:
            return nullcontext()
        return submissions.noted(self._record_submission)

    def _record_submission(self, answer: Any) -> None:
        self._record("Submitted", {**self._names, "output": json.dumps(answer)})

    @property
    def _names(self) -> dict[str, str]:
        """The service and the action: `sns` and `publish` of `arn:aws:states:::sns:publish`."""
        resource = self.state["Resource"]
        if ":states:::" not in resource:
            return {"resourceType": resource.split(":")[2] if ":" in resource else "", "resource": resource}
        service, _, action = resource.partition(":states:::")[2].rpartition(":")
        if action.isdigit():  # startExecution.sync:2
            service, _, name = service.rpartition(":")
            action = f"{name}:{action}"
        return {"resourceType": service, "resource": action}

    def _record_failure(self, error: Any) -> None:
        missed = error.error == "States.HeartbeatTimeout"
        if missed:
            # What Retry and Catch compare with.
            error.handled_as, error.error = error.error, "States.Timeout"
        kind = "TimedOut" if error.error == "States.Timeout" else "Failed"
        self._record(kind, {**self._names, "error": error.error, "cause": error.cause})

    def _record(self, kind: str, details: dict[str, Any]) -> None:
        from ministack.services import stepfunctions

        kind = f"{self._family}{kind}"
        if self._family != "Task":
            details = {name: value for name, value in details.items() if name not in ("resourceType",)}
            if not kind.endswith("Scheduled"):
                details.pop("resource", None)
        given = {f"{kind[0].lower()}{kind[1:]}EventDetails": details} if details else None
        stepfunctions._add_event(self.execution, kind, given)

    @staticmethod
    def _release_at_end(token: str) -> None:
        """Lets the thread that waits for a token end with the execution."""
        from ministack.services import stepfunctions

        found = current()
        entries = stepfunctions._task_tokens

        def release() -> None:
            entry = entries.pop(token, None)
            if entry is not None:
                entry["event"].set()

        if found is not None:
            found[1].at_end(release)
