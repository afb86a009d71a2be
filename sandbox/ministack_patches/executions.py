"""Running executions, from their start or from where a redrive continues, to their end."""

from __future__ import annotations

import copy
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from sandbox.ministack_patches import evaluation, permissions, timeouts, versions
from sandbox.ministack_patches.walks import LOCK, Attempt, AttemptEnded, Walk, current, record, walking

__all__ = ["Handler", "correct", "end", "handlers", "run", "wait_for_end", "walk_through"]

_log = logging.getLogger(__name__)


def correct() -> None:
    """Corrects how executions run and end."""
    _run_by_walking()
    _end_once()


def _run_by_walking() -> None:
    """Runs state machines, their branches and iterations in one way.

    AWS: an execution runs the definition and has the role of its start, whatever happens to the state machine
    afterwards. The states of branches and iterations are in the history. A variable that is set in a branch or
    iteration is not visible outside of it. A JSONata Succeed has Output.
    (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/state-succeed.html)
    MiniStack: looks the definition up when the execution begins, 0.15 s later. It records nothing in branches, which
    share their variables. Succeed ignores Output.
    """
    from ministack.services import stepfunctions

    def begin(execution_arn: str) -> None:
        execution = stepfunctions._executions.get(execution_arn)
        if execution is not None:
            versions.associate(execution)
            run(execution)

    def run_child(states: dict[str, Any], start_at: str, given: Any, child: Any, context: Any) -> Any:
        """Runs a child of a distributed Map, which is an execution of its own, with a history of its own."""
        machine = {"StartAt": start_at, "States": states}
        item = {"Map": context["Map"]} if "Map" in context else {}
        walk = Walk(child, machine, copy.deepcopy(given), dict(context["variables"]), item=item)
        shared = {key: context[key] for key in ("QueryLanguage", "Execution", "StateMachine")}
        child["definition"] = json.dumps({"QueryLanguage": shared["QueryLanguage"], **machine})
        parent = current()
        child["roleArn"] = parent[0].execution["roleArn"] if parent else ""
        started = {"input": child["input"], "roleArn": child["roleArn"]}
        record(child, "ExecutionStarted", {"executionStartedEventDetails": started}, 0)
        try:
            output = walk_through(walk, Attempt(shared))
        except stepfunctions._ExecutionError as error:
            failed = {"error": error.error, "cause": error.cause}
            record(child, "ExecutionFailed", {"executionFailedEventDetails": failed}, walk.last_event)
            raise
        succeeded = {"executionSucceededEventDetails": {"output": json.dumps(output)}}
        record(child, "ExecutionSucceeded", succeeded, walk.last_event)
        return output

    stepfunctions._run_execution, stepfunctions._run_sub_machine = begin, run_child


def run(execution: dict[str, Any]) -> None:
    """Runs an execution to its end, in this thread: from its start, or from where the last attempt ended."""
    from ministack.services import stepfunctions

    try:
        definition = json.loads(execution["definition"])
        given = json.loads(execution["input"])
    except ValueError as error:
        attempt = execution["attempt"] = Attempt({})
        _fail(execution, attempt, "States.Runtime", str(error))
        return
    with LOCK:
        # It may have been stopped before it began, and even redriven.
        count = execution.get("redriveCount", 0)
        if execution["status"] != "RUNNING" or execution.get("begun") == count:
            return
        execution["begun"] = count
        walk = execution.setdefault("walk", Walk(execution, definition, given, {}))
        attempt = Attempt(_context(execution, definition, given))
        execution["attempt"] = attempt
    if seconds := definition.get("TimeoutSeconds"):
        attempt.at_end(timeouts.clock.after(seconds, lambda: _time_out(execution, attempt)))
    try:
        with permissions.acting_as(execution["roleArn"], execution["stateMachineArn"]):
            output = walk_through(walk, attempt)
    except AttemptEnded:
        return
    except stepfunctions._ExecutionError as error:
        _fail(execution, attempt, error.error, error.cause)
    except Exception as error:
        _log.exception("unexpected error in execution %s", execution["executionArn"])
        _fail(execution, attempt, "States.Runtime", str(error))
    else:
        text = json.dumps(output)
        end(
            execution, attempt, "SUCCEEDED", {"executionSucceededEventDetails": {"output": text}}, output=text
        )


def _context(execution: dict[str, Any], definition: dict[str, Any], given: Any) -> dict[str, Any]:
    """Returns the parts of the context object that are the same for all states.

    (https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html)
    """
    redriven = {"RedriveTime": execution["redriveDate"]} if execution.get("redriveDate") else {}
    arn = execution["stateMachineArn"]
    return {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution["executionArn"],
            "Input": given,
            "Name": execution["name"],
            "RoleArn": execution["roleArn"],
            "StartTime": execution["startDate"],
            "RedriveCount": execution.get("redriveCount", 0),
            **redriven,
        },
        "StateMachine": {"Id": arn, "Name": arn.rpartition(":")[2]},
    }


def walk_through(walk: Walk, attempt: Attempt) -> Any:
    """Walks to the end of a machine, from where the walk is, and returns the output.

    Raises:
        AttemptEnded: The attempt has ended meanwhile.
        stepfunctions._ExecutionError: A state failed, and does not catch the error. The walk stays in it.
    """
    with walking(walk, attempt):
        while walk.state is not None:
            attempt.check()
            _step(walk, attempt)
    return walk.given


def _step(walk: Walk, attempt: Attempt) -> None:
    from ministack.core.responses import now_iso
    from ministack.services import stepfunctions

    name, state = walk.state, walk.current
    kind = state.get("Type")
    execute = handlers().get(kind or "")
    if execute is None:
        message = f"State '{name}' not found" if kind is None else f"Unknown state type: {kind}"
        raise stepfunctions._ExecutionError("States.Runtime", message)
    context = {
        **attempt.context,
        **walk.item,
        "State": {"Name": name, "EnteredTime": now_iso()},
        # A state sees the variables as they were when it was entered.
        "variables": dict(walk.variables),
    }
    if not walk.entered:
        details = {"stateEnteredEventDetails": {"name": name, "input": json.dumps(walk.given)}}
        stepfunctions._add_event(walk.execution, f"{kind}StateEntered", details)
    walk.assigned.clear()
    with evaluation.recorded(context, handled=kind in ("Task", "Parallel", "Map")):
        output, following = execute(state, walk.given, walk.execution, context)
    left: dict[str, Any] = {"name": name, "output": json.dumps(output)}
    if walk.assigned:
        variables = context["variables"]
        left["assignedVariables"] = {
            one: json.dumps(variables[one]) for one in sorted(walk.assigned) if one in variables
        }
    with LOCK:
        attempt.check()
        walk.left = (output, following, context["variables"])
    try:
        stepfunctions._add_event(walk.execution, f"{kind}StateExited", {"stateExitedEventDetails": left})
    except stepfunctions._ExecutionError:
        # The output is too large. A redrive runs the whole state again, also branches that have succeeded.
        with LOCK:
            attempt.check()
            walk.left, walk.inner = None, None
        raise


Handler = Callable[[dict[str, Any], Any, dict[str, Any], dict[str, Any]], tuple[Any, str | None]]
"""Runs a state, given its definition, its input, MiniStack's record of the execution, and the context object, in which
it sets variables. Returns the output and the next state."""


def handlers() -> dict[str, Handler]:
    """Returns for each type of state the function that runs it."""
    from ministack.services import stepfunctions

    return {
        "Pass": lambda state, given, _, context: stepfunctions._execute_pass(state, given, context),
        "Choice": lambda state, given, _, context: stepfunctions._execute_choice(state, given, context),
        "Wait": lambda state, given, _, context: stepfunctions._execute_wait(state, given, context),
        "Succeed": _succeed,
        "Fail": _raise,
        "Task": stepfunctions._execute_task,
        "Parallel": stepfunctions._execute_parallel,
        "Map": stepfunctions._execute_map,
    }


def _succeed(
    state: dict[str, Any], given: Any, _: dict[str, Any], context: dict[str, Any]
) -> tuple[Any, None]:
    from ministack.services import stepfunctions

    if stepfunctions._state_query_language(state, context) == "JSONata":
        return stepfunctions._apply_jsonata_output(state, given, context, default=given), None
    output = stepfunctions._apply_input_path(state, given, context)
    return stepfunctions._apply_output_path(state, output, context), None


def _raise(state: dict[str, Any], given: Any, _: dict[str, Any], context: dict[str, Any]) -> Any:
    from ministack.services import stepfunctions

    raise stepfunctions._ExecutionError(*stepfunctions._fail_state_error(state, given, context))


def _fail(execution: dict[str, Any], attempt: Attempt, error: str, cause: str) -> None:
    details = {"executionFailedEventDetails": {"error": error, "cause": cause}}
    end(execution, attempt, "FAILED", details, error=error, cause=cause)


def _time_out(execution: dict[str, Any], attempt: Attempt) -> None:
    """Ends an execution that has run for longer than the TimeoutSeconds of its state machine. Nothing catches that.

    AWS: the clock begins anew with a redrive. DescribeExecution gives no error of such an execution, as LocalStack's
    tests have recorded. (https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html)
    MiniStack: ignores TimeoutSeconds of state machines.
    """
    details = {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    end(execution, attempt, "TIMED_OUT", details)


_FINAL_EVENTS = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "TIMED_OUT": "ExecutionTimedOut",
    "ABORTED": "ExecutionAborted",
}


def end(
    execution: dict[str, Any], attempt: Attempt | None, status: str, details: dict[str, Any], **fields: Any
) -> bool:
    """Ends an execution, and sends the event of the status change.

    Args:
        execution: MiniStack's record of the execution.
        attempt: The attempt that ends. None stands for the current one.
        status: The final status.
        details: The details of the last event of the history.
        fields: What the execution has from now on: `output`, or `error` and `cause`.

    Returns:
        False if the execution, or that attempt at it, has ended before.
    """
    from ministack.core.responses import now_iso
    from ministack.services import stepfunctions

    with LOCK:
        running = execution.get("attempt")
        if execution["status"] != "RUNNING" or (attempt is not None and attempt is not running):
            return False
        actions = running.end() if running is not None else []
        # An end that comes from outside links to no event.
        walk = execution.get("walk")
        previous = walk.last_event if walk is not None and attempt is not None else 0
        record(execution, _FINAL_EVENTS[status], details, previous)
        execution.update(fields, stopDate=now_iso(), status=status)
        waiting = execution.pop("waiting", ())
    for action in actions:
        action()
    stepfunctions._emit_execution_status_event(execution)
    for ended in waiting:
        ended.set()
    return True


def wait_for_end(execution: dict[str, Any]) -> None:
    """Waits until an execution ends."""
    ended = threading.Event()
    with LOCK:
        if execution["status"] != "RUNNING":
            return
        execution.setdefault("waiting", []).append(ended)
    ended.wait()


def _end_once() -> None:
    """Ends an execution once.

    AWS: an execution has one end. What it was doing is not waited for, and nothing is added to its history. The output
    of an execution is there only if it has succeeded.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html)
    MiniStack: the task that was running when an execution was stopped goes on. When it fails, the status changes from
    ABORTED to FAILED, and a second event is sent. An execution that failed has its error as output.
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import stepfunctions

    def stop(data: dict[str, Any]) -> Any:
        arn = data.get("executionArn")
        execution = stepfunctions._executions.get(arn)
        if execution is None:
            return error_response_json("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400)
        fields = {key: data[key] for key in ("error", "cause") if data.get(key)}
        end(execution, None, "ABORTED", {"executionAbortedEventDetails": fields}, **fields)
        if execution["status"] != "ABORTED":
            return error_response_json("ValidationException", "Execution is not running", 400)
        return json_response({"stopDate": execution["stopDate"]})

    stepfunctions._stop_execution = stop
